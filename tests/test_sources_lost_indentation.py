"""Files that lost their indentation: what is said of them, and that no other file is taken for one."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gorilla_rag.sources import lost_indentation
from tests.test_sources_openapi import read

COMPONENTS = """\
components:
  schemas:
    Berth:
      type: object
      properties:
        depth:
          type: integer
          description: |
            Metres of water.
        parameters:
          type: object
    Ship:
      type: object
      properties:
        berth:
          $ref: "#/components/schemas/Berth"
        crew:
          type: array
          items:
            $ref: "#/components/schemas/crewMember"
      required:
        - berth
        - parameters
    Fleet:
      allOf:
        - $ref: "#/components/schemas/Ship"
      required:
        - size
"""
DEFINITION = """\
openapi: 3.0.3
info:
  title: Harbour
paths:
  /berths/{berth}:
    get:
      operationId: readBerth
"""


def flat(text: str, between: str = "") -> str:
    """A text without indentation, with a line between its lines."""
    return "\n".join(f"{between}{line.strip()}" for line in text.splitlines()) + "\n"


@pytest.mark.parametrize("between", ["", "|\n", "\n"])
@pytest.mark.parametrize("name", ["lost.yaml", "lost.txt"])
def test_a_components_file_that_lost_its_indentation_says_what_it_is_and_what_it_lacks(
    between: str, name: str, tmp_path: Path
) -> None:
    (problem,) = read(tmp_path, flat(COMPONENTS, between), name=name).problems
    assert problem.message.split(": looks like ")[1].split("; ") == [
        "an OpenAPI components file whose indentation is lost: `components`, `schemas` and 3 schemas (Berth, Ship, "
        "Fleet) all stand at the margin, so what belongs to what can't be told",
        "it has no `openapi`, no `info`, no `paths`, so no operation",
        "it refers to crewMember, which it doesn't define",
        "Ship requires `parameters`, which it doesn't define",
    ]
    assert "indent it again" in (problem.hint or "")


def test_a_definition_that_lost_its_indentation_names_its_paths(tmp_path: Path) -> None:
    (problem,) = read(tmp_path, flat(DEFINITION + COMPONENTS), name="lost.yaml").problems
    assert "an OpenAPI definition whose indentation is lost: `openapi`, `info`, `paths`" in problem.message
    assert "1 paths (/berths/{berth}) and 3 schemas" in problem.message
    assert "it has no" not in problem.message


def test_files_that_are_indented_are_none_of_these(tmp_path: Path) -> None:
    assert len(read(tmp_path, DEFINITION, name="whole.yaml").docs) == 1
    (problem,) = read(tmp_path, COMPONENTS, name="components.yaml").problems
    assert "has components (schemas: 3) alone" in problem.message
    for text in (COMPONENTS, DEFINITION, textwrap.indent(COMPONENTS, "  "), "paths: [", "schemas: {", ""):
        assert lost_indentation.fault(text) is None


@given(st.text(max_size=40) | st.lists(st.sampled_from(flat(DEFINITION + COMPONENTS).splitlines())).map("\n".join))
def test_any_text_is_told_something_or_nothing(text: str) -> None:
    found = lost_indentation.fault(text)
    assert found is None or "indentation is lost" in found


@pytest.mark.data
def test_a_published_components_file_is_recognised(data: Path, tmp_path: Path) -> None:
    file = data / "seeds" / "004_6edbf017e51511fc.txt"
    if not file.is_file():
        pytest.skip(f"needs {file}")
    text = file.read_text(encoding="utf-8")
    for name in ("seed.txt", "seed.yaml"):
        (problem,) = read(tmp_path, text, name=name).problems
        assert "an OpenAPI components file whose indentation is lost" in problem.message
        assert "8 schemas (ListModelsResponse, Model, ModelObject, GetModelResponse" in problem.message
        assert "it has no `openapi`, no `info`, no `paths`, so no operation" in problem.message
        assert "GetModelResponse requires `parameters`, which it doesn't define" in problem.message

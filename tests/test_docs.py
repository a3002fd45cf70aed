"""What documentation says is what the program does."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gorilla_rag import starter
from gorilla_rag.models import registry

ROOT = Path(__file__).parents[1]


def test_the_help_page_is_the_programs_help() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.stale() == [], "run `make docs`"


def test_the_readmes_example_is_a_documented_call() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"^call +(.+)$", readme, re.MULTILINE)
    assert shown
    assert shown[1] in {doc.api_call for doc in starter.documents()}
    assert f"{len(starter.documents())} documents" in readme


@pytest.mark.parametrize(
    "page",
    ["README.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md"))],
)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    links = re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8"))
    assert all((path.parent / link).exists() for link in links if "://" not in link)


def test_every_file_of_the_file_map_exists() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Where things are")[2]
    named = re.findall(r"`([\w./]+)`", readme.partition("`make lint`")[0])
    assert named
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "gorilla_rag" / name).exists() or name.startswith("make"), name


def test_the_example_runs() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "own_apis.py"], capture_output=True, text=True, check=True
    )
    assert "billing.refund(order_id, percent=50)" in done.stdout


def test_models_are_pinned_by_version_and_hash() -> None:
    for model in registry.MODELS.values():
        assert re.fullmatch(r"[\w-]+==[\d.]+", model.requirement)
        made_here = set(model.sha256) if model.derived and model.derived.card else set()
        assert set(model.members.values()) | made_here == set(model.sha256)
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in model.sha256.values())

"""Installed packages as a source: what is read, under which names, and what happens when one can't be."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gorilla_rag.errors import PackageMissing, PackageUnreadable, SourceError, UsageError
from gorilla_rag.signatures import Environment
from gorilla_rag.sources import python

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Writes a distribution into the environment's folder, with its metadata."""

    def write(name: str, version: str, **files: str) -> None:
        listed = []
        for path, text in files.items():
            target = tmp_path / path.replace("__slash__", "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            listed.append(f"{target.relative_to(tmp_path).as_posix()},,{len(text)}")
        info = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n")
        (info / "RECORD").write_text("\n".join(listed))

    return write


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """An environment of one folder, and this Python's standard library."""
    return Environment([tmp_path, *(path for path in sys.path if path.endswith(("/lib-dynload", "python3.11")))])


SHAPES = '''
"""Shapes."""
from shapes._draw import Circle, draw
__all__ = ["Circle", "draw"]
'''
DRAW = '''
class Circle:
    """A round thing.

    Parameters
    ----------
    radius : float
        How large it is.
    """

    def __init__(self, radius, *, filled=False):
        self.radius = radius

    def grow(self, by=2):
        """Make it larger."""

def draw(shape, colour="black"):
    """Draw a shape on the screen."""

def _hidden():
    """Nobody's business."""
'''


def test_a_package_is_read_under_the_names_that_people_type(install: Install, environment: Environment) -> None:
    install("my-shapes", "1.2", shapes__slash____init__="", **{"shapes/__init__.py": SHAPES, "shapes/_draw.py": DRAW})
    read = python.read(["my-shapes"], environment=environment)
    found = {doc.api_name: doc for doc in read.docs}
    assert set(found) == {"shapes.Circle", "shapes.Circle.grow", "shapes.draw"}
    assert found["shapes.Circle"].api_call == "shapes.Circle(radius)"
    assert found["shapes.draw"].functionality == "Draw a shape on the screen."
    assert found["shapes.draw"].id == "python:shapes.draw@1.2"
    assert {doc.version for doc in read.docs} == {"1.2"}
    assert {doc.license for doc in read.docs} == {"MIT"}
    assert read.counts == {"my-shapes": 3}


def test_a_distribution_and_its_module_are_the_same_package(install: Install, environment: Environment) -> None:
    install("my-shapes", "1.2", **{"shapes/__init__.py": SHAPES, "shapes/_draw.py": DRAW})
    by_module = python.read(["shapes"], environment=environment)
    assert by_module.docs == python.read(["My_Shapes", "shapes"], environment=environment).docs


def test_a_package_that_is_not_installed_is_named_before_any_is_read(
    install: Install, environment: Environment
) -> None:
    install("my-shapes", "1.2", **{"shapes/__init__.py": SHAPES, "shapes/_draw.py": DRAW})
    steps: list[str] = []
    with pytest.raises(PackageMissing, match="shape isn't installed") as caught:
        python.read(
            ["my-shapes", "shape"], environment=environment, progress=lambda step, done, total: steps.append(step)
        )
    assert "my-shapes" in caught.value.hint or "shapes" in caught.value.hint
    assert steps == []


def test_nothing_of_a_package_runs_in_this_process(install: Install, environment: Environment, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    code = f"open({str(mark)!r}, 'w').close()\ndef visible():\n    '''Be seen.'''\n"
    install("careless", "1", **{"careless.py": code})
    read = python.read(["careless"], environment=environment, run=False)
    assert [doc.api_name for doc in read.docs] == ["careless.visible"]
    assert not mark.exists()
    assert "careless" not in sys.modules


MADE = '''
def _make(name):
    def made(value, scale=1):
        """Made while it runs."""
    made.__name__ = made.__qualname__ = name
    return made
for _name in ("first", "second"):
    globals()[_name] = _make(_name)
'''


def test_what_is_made_at_run_time_is_asked_of_another_process_only_when_that_is_allowed(
    install: Install, environment: Environment
) -> None:
    install("dynamic", "1", **{"dynamic.py": MADE})
    ran = python.read(["dynamic"], environment=environment)
    assert [doc.api_call for doc in ran.docs] == ["dynamic.first(value)", "dynamic.second(value)"]
    assert [doc.functionality for doc in ran.docs] == ["Made while it runs."] * 2
    still = python.read(["dynamic"], environment=environment, run=False)
    assert still.docs == ()


def test_a_package_that_fails_on_import_is_an_error_or_left_out(install: Install, environment: Environment) -> None:
    install("broken", "1", **{"broken.py": "raise RuntimeError('no licence')\nglobals()['x'] = len\n"})
    install("sound", "1", **{"sound.py": "def ring():\n    '''Ring a bell.'''\n"})
    with pytest.raises(PackageUnreadable, match="RuntimeError: no licence"):
        python.read(["broken", "sound"], environment=environment)
    read = python.read(["broken", "sound"], environment=environment, skip_bad=True)
    assert [doc.api_name for doc in read.docs] == ["sound.ring"]
    assert "no licence" in str(read.problems[0])


def test_a_requirements_file_names_packages_and_others_files(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("scipy ; python_version > '3'\n-r requirements.txt\n")
    listed = "# ours\nnumpy>=2,<3  # arrays\n--index-url https://example.org\n-r more.txt\nPillow[extra]==1\nnumpy\n"
    (tmp_path / "requirements.txt").write_text(listed)
    assert python.required(tmp_path / "requirements.txt") == ["numpy", "scipy", "Pillow"]


@pytest.mark.parametrize("line", ["https://example.org/a.whl", "./local", "==2"])
def test_a_line_that_names_no_package_is_an_error_with_its_place(tmp_path: Path, line: str) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(f"numpy\n{line}\n")
    with pytest.raises(SourceError, match="names no package") as caught:
        python.required(path)
    assert (caught.value.file, caught.value.line) == (str(path), 2)


def test_a_requirements_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="can't be read"):
        python.required(tmp_path / "none.txt")


def test_a_choice_takes_the_packages_with_most_source_within_a_limit(
    install: Install, environment: Environment
) -> None:
    for name, lines in (("large", 90), ("middle", 50), ("small", 5)):
        install(name, "1", **{f"{name}.py": "x = 1\n" * lines})
    install("pip", "1", **{"pip.py": "x = 1\n" * 99})
    assert [one.name for one in python.chosen(environment, limit=6 * 200)] == ["large", "middle", "small"]
    assert [one.name for one in python.chosen(environment, limit=6 * 96)] == ["large", "small"]


def test_an_empty_environment_has_nothing_to_choose(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no package is installed"):
        python.chosen(Environment([tmp_path]))


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("gorilla-rag")), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_an_index_is_built_of_packages_and_of_files_together(tmp_path: Path) -> None:
    own = tmp_path / "own.jsonl"
    own.write_text(json.dumps({"api_call": "billing.refund(order)", "functionality": "Refund a customer"}) + "\n")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("filelock\n")
    done = run("index", "build", own, "--out", tmp_path / "index", "--requirements", requirements, "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["recipe"]["packages"]["filelock"] == shown["counts"]["documents"] - 1
    found = run("search", "hold a lock on a file", "--index", tmp_path / "index", "--json")
    assert "filelock." in found.stdout
    assert "billing" in run("search", "refund", "--index", tmp_path / "index", "--json", "--k", "1").stdout


def test_a_missing_package_stops_the_build_with_what_is_near(tmp_path: Path) -> None:
    done = run("index", "build", "--out", tmp_path / "index", "--packages", "filelok")
    assert done.returncode == PackageMissing.exit_code
    assert "filelok isn't installed" in done.stderr
    assert "filelock" in done.stderr
    assert not (tmp_path / "index").exists()

"""`gorilla-rag check` as people and CI run it: real processes, their output, their exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).with_name("gorilla-rag"))
ROOT = Path(__file__).parents[1]


def run(*words: str | Path, cwd: Path | None = None, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [COMMAND, "check", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, input=text, timeout=120, check=False)


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "good.py").write_text("import json\njson.loads('{}')\n", encoding="utf-8")
    (tmp_path / "warned.py").write_text("import numpyy\n", encoding="utf-8")
    (tmp_path / "wrong.py").write_text("import json\njson.lods('{}')\nx.y()\n", encoding="utf-8")
    return tmp_path


def test_nothing_wrong_exits_0_and_errors_exit_1(code: Path) -> None:
    good, wrong = run("good.py", cwd=code), run("wrong.py", cwd=code)
    assert (good.returncode, wrong.returncode) == (0, 1)
    assert good.stdout.startswith("0 errors, 0 warnings")
    assert wrong.stdout.startswith("wrong.py:2:1: no-such-name: json has no 'lods'; did you mean 'loads'?\n")
    assert good.stderr == wrong.stderr == ""


def test_warnings_exit_1_only_when_strict(code: Path) -> None:
    assert run("warned.py", cwd=code).returncode == 0
    strict = run("warned.py", "--strict", cwd=code)
    assert strict.returncode == 1
    assert "not-installed" in strict.stdout


def test_a_folder_and_a_syntax_error_in_it(code: Path) -> None:
    (code / "broken.py").write_text("def f(:\n", encoding="utf-8")
    done = run(code)
    assert done.returncode == 1
    assert [line.split(": ")[1] for line in done.stdout.splitlines()[:-1]] == [
        "syntax-error",
        "not-installed",
        "no-such-name",
    ]


def test_standard_input_is_checked(code: Path) -> None:
    done = run("-", cwd=code, text="import json\njson.lods()\n")
    assert done.returncode == 1
    assert done.stdout.startswith("<stdin>:2:1: no-such-name")


def test_unknown_calls_are_listed_when_asked(code: Path) -> None:
    assert "wrong.py:3:1: unknown: x.y: not defined in this code" in run("wrong.py", "--show-unknown", cwd=code).stdout


def test_json_and_sarif_are_one_object_and_github_has_commands(code: Path) -> None:
    assert json.loads(run("wrong.py", "--format", "json", cwd=code).stdout)["findings"][0]["line"] == 2
    log = json.loads(run(code / "wrong.py", "--format", "sarif", cwd=code).stdout)
    (result,) = log["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "wrong.py"
    github = run("wrong.py", "warned.py", "--format", "github", cwd=code).stdout
    assert github.startswith("::error file=wrong.py,line=2,")
    assert "\n::warning file=warned.py,line=1," in github


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        ([], 2, "Missing argument"),
        (["good.py", "--format", "xml"], 2, "there is no format 'xml'"),
        (["good.py", "--python", "nothing"], 2, "didn't tell its packages"),
        (["missing.py"], 3, "no such file"),
        (["good.py", "--inspect", "regexx"], 15, "did you mean regex"),
    ],
)
def test_wrong_usage_says_what_to_do(words: list[str], exit_code: int, said: str, code: Path) -> None:
    done = run(*words, cwd=code)
    assert done.returncode == exit_code
    assert said in done.stderr
    assert "hint:" in done.stderr
    assert done.stdout == ""


def test_another_interpreters_packages_count(code: Path) -> None:
    python = code / "v" / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", code / "v"], check=True, capture_output=True)
    (code / "uses.py").write_text("import numpy\n", encoding="utf-8")
    assert "not-installed" in run("uses.py", "--python", python, cwd=code).stdout
    assert "not-installed" not in run("uses.py", cwd=code).stdout


def test_inspecting_a_package_finds_what_its_source_does_not_tell(code: Path) -> None:
    (code / "uses.py").write_text("import regex._regex\nregex._regex.nothing()\n", encoding="utf-8")
    assert run("uses.py", cwd=code).returncode == 0
    assert run("uses.py", "--inspect", "regex", cwd=code).returncode == 1


def test_files_are_reported_as_they_are_done(code: Path) -> None:
    """The first line comes before standard input, which is read last, has ended."""
    with subprocess.Popen(
        [COMMAND, "check", code / "wrong.py", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as started:
        assert started.stdout
        assert started.stdin
        assert b"no-such-name" in started.stdout.readline()
        started.stdin.write(b"import json\njson.lods()")
        started.stdin.close()
        assert b"<stdin>:2:1" in started.stdout.read()
    assert started.returncode == 1


def test_the_hook_runs_the_command() -> None:
    hook = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    assert "entry: gorilla-rag check\n" in hook
    assert "types: [python]" in hook

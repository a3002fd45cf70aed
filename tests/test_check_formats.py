"""How findings are shown: each format by its own rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gorilla_rag.check import RULES, Checked, Finding, Unchecked, check_code
from gorilla_rag.check.formats import NAMES, make_format
from gorilla_rag.check.formats.sarif import SarifFormat
from gorilla_rag.errors import UsageError

ODD = "100%: a, b\r\nc"
ERROR = Finding("no-such-name", "m has no 'f'", "a b/ü%.py", 3, 5, 3, 8, "m.f", "g", "m", "1.0")
WARNING = Finding("deprecated", ODD, "x.py", 1, 1, 2, 4)
UNKNOWN = (Unchecked("y.z", "a parameter", "x.py", 2, 1), Unchecked("w", "a parameter", "x.py", 9, 1))
WHOLE = Checked((ERROR, WARNING), calls=9, existing=4, bound=3, guarded=2, ignored=1, unchecked=UNKNOWN)

# The parts of SARIF 2.1.0 that are written, with what its schema demands of them.
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
COUNT = {"type": "integer", "minimum": 1}
URI = {"type": "string", "pattern": r"^[\w.~:/?#@!$&'()*+,;=%-]*$"}
SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["tool"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "additionalProperties": False,
                                            "properties": {
                                                "id": {"type": "string"},
                                                "shortDescription": TEXT,
                                                "defaultConfiguration": {"properties": {"level": LEVEL}},
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": -1},
                                "level": LEVEL,
                                "message": TEXT,
                                "locations": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "additionalProperties": False,
                                        "properties": {
                                            "physicalLocation": {
                                                "type": "object",
                                                "required": ["artifactLocation"],
                                                "properties": {
                                                    "artifactLocation": {
                                                        "properties": {
                                                            "uri": URI
                                                        }
                                                    },
                                                    "region": {
                                                        "type": "object",
                                                        "additionalProperties": False,
                                                        "required": ["startLine"],
                                                        "properties": {
                                                            "startLine": COUNT,
                                                            "startColumn": COUNT,
                                                            "endLine": COUNT,
                                                            "endColumn": COUNT,
                                                        },
                                                    },
                                                },
                                            }
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}  # fmt: skip


def shown(name: str, checked: Checked = WHOLE, root: Path = Path("/work"), *, show_unknown: bool = False) -> str:
    made = make_format(name, root=root, show_unknown=show_unknown)
    return made.part(checked) + made.end(checked)


def test_text_has_a_line_for_each_finding_in_order_of_lines() -> None:
    made = make_format("text", root=Path())
    assert made.part(Checked((ERROR,))) == "a b/ü%.py:3:5: no-such-name: m has no 'f'\n"
    assert made.part(Checked()) == ""


def test_text_ends_with_counts_and_the_most_frequent_reasons() -> None:
    assert shown("text").splitlines()[-1] == (
        "1 error, 1 warning, 2 expected by the code, 1 ignored by comments. "
        "9 calls and imports: 4 names found, arguments of 3 compared, unknown 2 (a parameter 2)"
    )
    many = Checked(unchecked=tuple(Unchecked("x", f"reason {n % 7}", "x.py", n, 1) for n in range(1, 20)))
    last = shown("text", many).splitlines()[-1]
    assert last.count("reason ") == 4
    assert "other reasons" in last


def test_text_lists_unknown_calls_when_asked() -> None:
    assert "x.py:2:1: unknown: y.z: a parameter\n" in shown("text", show_unknown=True)
    assert "unknown: y.z" not in shown("text")


def test_json_is_one_object_with_findings_counts_and_unknown_calls() -> None:
    text = shown("json")
    made = json.loads(text)
    assert text.count("\n") == 1
    assert [one["level"] for one in made["findings"]] == ["error", "warning"]
    assert made["findings"][0]["suggestion"] == "g"
    assert (made["calls"], made["existing"], made["bound"], made["guarded"], made["ignored"]) == (9, 4, 3, 2, 1)
    assert [one["name"] for one in made["unknown_calls"]] == ["y.z", "w"]


def test_github_escapes_messages_and_properties_as_its_runner_reads_them() -> None:
    first, second, *_ = shown("github").split("\n")
    assert first.startswith("::error file=a b/ü%25.py,line=3,endLine=3,col=5,endColumn=8,title=gorilla-rag%3A ")
    assert second.endswith("title=gorilla-rag%3A deprecated::100%25: a, b%0D%0Ac")
    odd = Finding("no-such-name", "x", "a,b:c.py", 1, 1, 1, 2)
    assert "file=a%2Cb%3Ac.py," in shown("github", Checked((odd,)))


def test_github_names_files_from_the_repositorys_root() -> None:
    inside = Finding("no-such-name", "x", "/work/src/a.py", 1, 1, 1, 2)
    assert "file=src/a.py," in shown("github", Checked((inside,)), Path("/work"))
    assert "file=/work/src/a.py," in shown("github", Checked((inside,)), Path("/elsewhere"))


@pytest.mark.parametrize("checked", [WHOLE, Checked(), check_code("def f(:")], ids=["findings", "none", "syntax error"])
def test_sarif_is_what_its_schema_demands(checked: Checked) -> None:
    log = json.loads(shown("sarif", checked))
    jsonschema.Draft202012Validator.check_schema(SARIF)
    jsonschema.validate(log, SARIF)
    (run,) = log["runs"]
    listed = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in listed] == list(RULES)
    for result in run["results"]:
        assert listed[result["ruleIndex"]]["id"] == result["ruleId"]
        assert listed[result["ruleIndex"]]["defaultConfiguration"]["level"] == result["level"]


def test_sarif_places_are_escaped_uris_with_columns_in_characters(tmp_path: Path) -> None:
    log = json.loads(shown("sarif"))
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "a%20b/%C3%BC%25.py"}
    assert place["region"] == {"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 8}
    assert log["runs"][0]["columnKind"] == "unicodeCodePoints"


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("a.py", "a.py"),
        ("/work/a.py", "a.py"),
        ("../other/a.py", "file:///other/a.py"),
        ("../work/a.py", "a.py"),
        ("/other/a b.py", "file:///other/a%20b.py"),
        ("<stdin>", "%3Cstdin%3E"),
    ],
)
def test_sarif_uris_are_relative_below_the_root_and_whole_elsewhere(file: str, uri: str) -> None:
    finding = Finding("no-such-name", "x", file, 1, 1, 1, 2)
    (result,) = SarifFormat(Path("/work")).log(Checked((finding,)))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_a_format_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(UsageError, match="xml") as caught:
        make_format("xml", root=Path())
    assert all(name in caught.value.hint for name in NAMES)

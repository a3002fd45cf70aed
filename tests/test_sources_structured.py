"""JSON and YAML files within limits: what they hold, or an error that says what is wrong."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gorilla_rag.errors import SourceError
from gorilla_rag.sources import structured


def load(folder: Path, text: str, name: str) -> object:
    (folder / name).write_text(text, encoding="utf-8")
    return structured.load(folder / name)


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{chr(98 + level)}: &{chr(98 + level)} [{', '.join(['*' + chr(97 + level)] * 9)}]" for level in range(9)
)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "[" * 100_000 + "]" * 100_000, "deep"),
        ("a.yaml", "[" * 5000 + "]" * 5000, "deep"),
        ("a.yaml", "\n".join(" " * level + "a:" for level in range(1000)), "deep"),
        ("a.yaml", LAUGHS, "unfolds to more than 5,000,000"),
        ("a.yaml", "a: &a [*a]", "refers to itself"),
        ("a.yaml", "s: &s " + "x" * 100_000 + "\ne: [" + ", ".join(["*s"] * 2000) + "]", "unfolds to more"),
        ("a.yaml", "a: !!bool maybe", "can't be read"),
        ("a.yaml", "a: !!int ''", "can't be read"),
        ("a.yaml", "a: [", "not YAML"),
        ("a.yaml", "a: !!python/object:os.system {}", "not YAML"),
        ("a.yaml", "? [a]\n: b", "not YAML"),
        ("a.json", '{"a": NaN}', "NaN is no JSON number"),
        ("a.json", '{"a":\n}', "not JSON"),
    ],
)
def test_what_can_not_be_read_says_why_at_once(name: str, text: str, said: str, tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(SourceError, match=said):
        load(tmp_path, text, name)
    assert time.monotonic() - begun < 20


def test_a_file_over_the_limit_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "large.json").write_text("[" + "1," * 1000 + "1]")
    with pytest.raises(SourceError, match="2,003 bytes; 2,000"):
        structured.load(tmp_path / "large.json", largest=2000)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="UTF-8"):
        structured.load(tmp_path / "a.yaml")


def test_yaml_scalars_are_those_of_json(tmp_path: Path) -> None:
    text = 'a: no\nb: 12:30\nc: 2020-01-02\nd: 012\ne: 1e3\nf: -7\ng: "5"\nh:\ni: .5\ntrue: 1\n200: x\n'
    assert load(tmp_path, text, "a.yaml") == {
        "a": "no", "b": "12:30", "c": "2020-01-02", "d": "012", "e": 1000.0, "f": -7, "g": "5", "h": None, "i": ".5",
        "true": 1, "200": "x",
    }  # fmt: skip


def test_aliases_that_unfold_to_little_are_read(tmp_path: Path) -> None:
    assert load(tmp_path, "a: &a {b: 1}\nc: *a\nd: {<<: *a, e: 2}", "a.yml") == {
        "a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1, "e": 2},
    }  # fmt: skip

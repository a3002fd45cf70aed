"""The pairs as a file, and the data card."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.errors import BenchmarkError
from gorilla_rag.train.card import data_card, read_pairs, write_pairs
from gorilla_rag.train.corpus import Corpus, Pair
from gorilla_rag.train.leaks import Leak
from tests.conftest import make_doc

TEXT = st.text(max_size=20)
PAIR = st.builds(
    Pair,
    st.text(min_size=1).filter(str.strip),
    st.lists(TEXT, min_size=1, max_size=3).map(tuple),
    TEXT,
    st.lists(TEXT, max_size=2).map(tuple),
)
CORPUS = Corpus(
    "tools",
    (make_doc(1), make_doc(2)),
    (Pair("Zip | it", ("doc-001",), "given"), Pair("pack", ("doc-002",), "functionality/terse", ("Packs.",))),
    "https://example.org",
    "MIT",
)


@given(pairs=st.lists(PAIR, max_size=5))
@settings(max_examples=50, deadline=None)
def test_pairs_are_read_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, pairs: list[Pair]) -> None:
    file = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    digest = write_pairs(file, [Corpus("own", (), tuple(pairs), "here", "MIT")])
    assert read_pairs(file) == ({"own": tuple(pairs)} if pairs else {})
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("line", ["{", "[]", "7", '{"question": "q"}', '{"corpus": "c", "question": "q"}'])
def test_a_line_that_is_no_pair_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "pairs.jsonl"
    write_pairs(file, [CORPUS])
    file.write_text(file.read_text(encoding="utf-8") + line, encoding="utf-8")
    with pytest.raises(BenchmarkError, match="no pair") as caught:
        read_pairs(file)
    assert caught.value.line == 3


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="can't be read"):
        read_pairs(tmp_path / "pairs.jsonl")


def test_the_card_says_what_is_from_where_and_what_was_removed(tmp_path: Path) -> None:
    leaks = [Leak(f"question {n}", f"asked {n}", n / 25) for n in range(25)]
    card = data_card([CORPUS], duplicates=1234, leaks=leaks, evaluation=["apibench/torchhub"])
    assert "| tools | https://example.org | MIT | 2 | 2 |" in card
    assert "| functionality/terse | 1 |" in card
    assert "1 are trained with their document without" in card
    assert "1,234 questions that stood there before" in card
    assert "25 questions that resemble an evaluation question of apibench/torchhub" in card
    assert "'question 24', as 'asked 24' (0.96)" in card
    assert "'question 4'" not in card
    assert "and 5 more" in card
    assert write_pairs(tmp_path / "pairs.jsonl", [CORPUS]) in card


def test_the_card_is_whole_without_anything_removed() -> None:
    card = data_card([CORPUS])
    assert "- 0 questions that resemble an evaluation question." in card

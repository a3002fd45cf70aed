"""The questions that the retriever is trained with are what their README says, and leak nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from importlib.resources import files
from typing import Any

import pytest

from gorilla_rag.train.leaks import guard
from tests.benchmarks.retriever import data, written

LIBRARIES = json.loads(
    "[" + ",".join((files("gorilla_rag.evaluate") / "benchmarks/python_libraries.jsonl").read_text().splitlines()) + "]"
)
FILES = sorted(path.name for path in written.FOLDER.glob("*.jsonl"))


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (written.FOLDER / name).read_text(encoding="utf-8").splitlines()]


def questions(row: dict[str, Any]) -> list[str]:
    return list(row.get("questions") or [row["question"]])


def asked(name: str) -> list[str]:
    return [question for row in lines(name) for question in questions(row)]


@pytest.mark.parametrize("name", FILES)
def test_every_question_is_one_and_stands_once(name: str) -> None:
    found = asked(name)
    assert all(3 <= len(question.split()) <= 45 and question == question.strip() for question in found)
    assert len(found) == len(set(found))


def test_the_readme_counts_them() -> None:
    readme = (written.FOLDER / "README.md").read_text(encoding="utf-8")
    said = {
        name: int(count.replace(",", "")) for name, count in re.findall(r"\| `(\w+\.jsonl)` \| ([\d,]+) \|", readme)
    }
    assert said == {name: len(asked(name)) for name in FILES}


def test_none_resembles_one_of_the_150_about_libraries() -> None:
    against = guard(row["question"] for row in LIBRARIES)
    assert [leak for name in FILES for question in asked(name) if (leak := against.leak(question))] == []


def test_none_resembles_one_that_is_held_out() -> None:
    against = guard(asked("packages_held_out.jsonl"))
    trained = [name for name in FILES if name != "packages_held_out.jsonl"]
    assert [leak for name in trained for question in asked(name) if (leak := against.leak(question))] == []


def test_no_package_is_trained_on_that_is_measured() -> None:
    assert not set(written.PACKAGES) & {*data.LIBRARIES, *data.READ, *written.HELD_OUT}


def test_held_out_questions_are_about_every_package_that_is() -> None:
    corpus = written.held_out()
    of_id = {doc.id: doc for doc in corpus.docs}
    about = Counter(of_id[pair.relevant[0]].package for pair in corpus.pairs)
    assert {name.lower() for name in about} == set(written.HELD_OUT)


def test_an_invented_catalogue_has_no_name_twice_and_as_many_questions_of_each() -> None:
    for name in written.INVENTED:
        rows = lines(f"invented_{name}.jsonl")
        assert len({row["name"] for row in rows}) == len(rows)
        assert {len(questions(row)) for row in rows} == {1 if name.endswith("_near") else 2}


def test_groups_are_of_few_documents_that_differ() -> None:
    for name in FILES:
        groups: dict[str, list[str]] = {}
        for row in lines(name) if name.endswith("_near.jsonl") else ():
            groups.setdefault(row["group"], []).append(row.get("about") or row["name"])
        assert all(len(set(members)) == len(members) <= 5 for members in groups.values())

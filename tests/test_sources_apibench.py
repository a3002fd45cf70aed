"""APIBench and API Zoo files of every shape, broken ones too, and the shipped starter corpus."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag import signatures, starter
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import calls_in
from gorilla_rag.errors import SourceError
from gorilla_rag.sources import formats

GOOD = '{"api_name": "good", "api_call": "f(1)"}'
ZOO = {
    "user_name": "ada",
    "api_name": "Weather",
    "api_call": "weather.now(city='Leeds')",
    "api_version": 2.1,
    "api_arguments": {"city": "where"},
    "functionality": "Tells the weather",
    "env_requirements": ["weather>=2"],
    "example_code": "import weather\nweather.now(city='Leeds')",
    "meta_data": {"description": "Sun or rain.", "performance": {"accuracy": 0.9}},
    "questions": ["Will it rain?"],
}


def file(folder: Path, text: str | bytes, name: str = "docs.jsonl") -> Path:
    """A file with that content."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def entry(folder: Path, **fields: Any) -> ApiDoc:
    """The document of one record."""
    (made,) = formats.read([file(folder, json.dumps({"api_call": "f(1)"} | fields))]).docs
    return made


def problem(path: Path) -> SourceError:
    """The only problem of a file; without `skip_bad` it is what stops the reading."""
    (found,) = formats.read([path], skip_bad=True).problems
    with pytest.raises(SourceError) as caught:
        formats.read([path])
    assert str(caught.value) == str(found)
    assert found.file == str(path)
    return found


@pytest.mark.parametrize("value", [["repo", "model"], {"repo": "where", "n": {"min": 1}}, "repo, model"])
def test_arguments_stay_the_json_they_were(tmp_path: Path, value: Any) -> None:
    assert entry(tmp_path, api_arguments=value).api_arguments == value


@pytest.mark.parametrize("value", ["N/A", None, {}, [], "", "none"])
def test_empty_arguments_are_none(tmp_path: Path, value: Any) -> None:
    assert entry(tmp_path, api_arguments=value).api_arguments is None


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (["import x", "x.f(1)"], "import x\nx.f(1)"),
        (["import x", None, "x.f(1)"], "import x\nx.f(1)"),
        ("import x\nx.f(1)", "import x\nx.f(1)"),
        ({"first": "import x", "second": ["x.f(1)", "x.g()"]}, "import x\nx.f(1)\nx.g()"),
        (None, ""),
        ("N/A", ""),
    ],
)
def test_example_code_becomes_one_text(tmp_path: Path, value: Any, code: str) -> None:
    assert entry(tmp_path, example_code=value).example_code == code


@pytest.mark.parametrize(
    ("value", "requirements"),
    [
        (["torch", "torchaudio>=2"], ("torch", "torchaudio>=2")),
        (["torch", "N/A", None], ("torch",)),
        ("torch, torchaudio>=2,", ("torch", "torchaudio>=2")),
        ({"torch": ">=2", "numpy": "any", "x": "==1"}, ("torch>=2", "numpy", "x==1")),
        (None, ()),
        ("N/A", ()),
    ],
)
def test_requirements_become_a_list_of_strings(tmp_path: Path, value: Any, requirements: tuple[str, ...]) -> None:
    assert entry(tmp_path, python_environment_requirements=value).python_environment_requirements == requirements


def test_a_byte_order_mark_blank_lines_and_carriage_returns_are_no_problem(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbf" + GOOD.encode() + b"\r\n\r\n  \r\n" + GOOD.replace("good", "caf\u00e9\u2028").encode()
    found = formats.read([file(tmp_path, text)])
    assert [made.api_name for made in found.docs] == ["good", "café"]
    assert not found.problems


def test_a_list_of_the_api_zoo_is_read_with_its_own_field_names(tmp_path: Path) -> None:
    (made,) = formats.read([file(tmp_path, json.dumps([ZOO], indent=1), "zoo.json")], trusted=True).docs
    assert made == ApiDoc(
        id="zoo:Weather@2.1",
        api_call="weather.now(city='Leeds')",
        api_name="Weather",
        framework="ada",
        functionality="Tells the weather",
        description="Sun or rain.",
        api_arguments={"city": "where"},
        python_environment_requirements=("weather>=2",),
        example_code="import weather\nweather.now(city='Leeds')",
        performance={"accuracy": 0.9},
        version="2.1",
        source="zoo",
        trusted=True,
    )


@pytest.mark.parametrize(("call", "kind"), [("GET /users", "http"), ("  POST\t/x", "http"), ("GETTER(1)", "python")])
def test_a_call_that_begins_with_a_method_is_an_http_operation(tmp_path: Path, call: str, kind: str) -> None:
    assert entry(tmp_path, api_call=call).kind == kind


def test_later_documents_of_one_id_are_numbered_in_order(tmp_path: Path) -> None:
    names = ["x", "y", "x", "x#2", "x"]
    lines = "\n".join(json.dumps({"api_name": name, "api_call": f"f({n})"}) for n, name in enumerate(names))
    found = formats.read([file(tmp_path, lines)]).docs
    assert [made.id for made in found] == ["docs:x", "docs:y", "docs:x#2", "docs:x#2#2", "docs:x#3"]
    assert [made.api_call for made in found] == [f"f({n})" for n in range(5)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"api_call": "f(1)"', "not JSON"),
        ("api_call,f", "not JSON"),
        ("1" * 5000, "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('["f(1)"]', "expected an object, found list"),
        ('"f(1)"', "expected an object, found str"),
        ("null", "expected an object, found NoneType"),
        ('{"api_name": "x"}', "api_call is None"),
        ('{"api_call": "N/A"}', "api_call is 'N/A'"),
        ('{"api_call": ["f(1)"]}', "api_call is"),
        ('{"api_call": "f(1)", "description": "\\ud800"}', "can't be stored"),
        ('{"api_call": "f(1)", "performance": ' + "[" * 700 + "]" * 700 + "}", ""),
        ('{"api_call": "f(x)", "parameters": {"properties": null}}', "parameters is not a JSON Schema: properties"),
        ('{"api_call": "f(x)", "parameters": {"required": "x"}}', "parameters is not a JSON Schema: required"),
    ],
)
def test_a_bad_line_is_reported_with_file_line_and_reason_and_the_rest_is_read(
    tmp_path: Path, line: str, reason: str
) -> None:
    path = file(tmp_path, f"{GOOD}\n\n{line}\n{GOOD}\n")
    found = problem(path)
    assert found.line == 3
    assert str(found).startswith(f"{path}:3: {reason}")
    assert "--skip-bad" in found.hint
    assert len(formats.read([path], skip_bad=True).docs) == 2


def test_a_bad_entry_of_a_list_is_reported_with_its_number(tmp_path: Path) -> None:
    path = file(tmp_path, json.dumps([ZOO, 5, ZOO]), "zoo.json")
    found = problem(path)
    assert found.line == 2
    assert len(formats.read([path], skip_bad=True).docs) == 2


@pytest.mark.parametrize("text", [json.dumps([ZOO], indent=1)[:-5], "[1, 2", "[" + "1" * 5000 + "]", "[" * 100_000])
def test_a_list_that_is_cut_off_is_one_problem(tmp_path: Path, text: str) -> None:
    assert re.search("is not JSON|nested more than", str(problem(file(tmp_path, text, "zoo.json"))))


def test_a_file_that_is_not_utf8_is_one_problem(tmp_path: Path) -> None:
    found = problem(file(tmp_path, GOOD.encode("utf-16")))
    assert found.line == 0
    assert "UTF-8" in found.hint


@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_missing_path_and_a_folder_without_files_stop_the_reading(tmp_path: Path, skip_bad: bool) -> None:
    with pytest.raises(SourceError, match="no such file"):
        formats.read([tmp_path / "nothing.jsonl"], skip_bad=skip_bad)
    (tmp_path / "sub.json").mkdir()
    file(tmp_path, GOOD, "notes.txt")
    with pytest.raises(SourceError, match=r"no \.jsonl, \.json, \.yaml, \.yml file"):
        formats.read([tmp_path], skip_bad=skip_bad)


def test_a_folder_is_read_with_its_subfolders_in_order_of_name(tmp_path: Path) -> None:
    (tmp_path / "more.json").mkdir()
    file(tmp_path / "more.json", GOOD, "c.jsonl")
    file(tmp_path, GOOD, "b.jsonl")
    file(tmp_path, f"[{GOOD}]", "a.json")
    assert [made.id for made in formats.read([tmp_path]).docs] == ["a:good", "b:good", "c:good"]


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["N/A", "f(x)"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
FIELDS = [*json.loads(GOOD), *ZOO, "domain", "parameters", "python_environment_requirements", "performance", "version"]
SCHEMAS = st.dictionaries(st.sampled_from(["properties", "required", "type", "$ref"]), JSON_VALUES, max_size=2)
RECORDS = JSON_VALUES | st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES | SCHEMAS, max_size=6)


@settings(deadline=None)
@given(st.lists(RECORDS, max_size=4), st.booleans())
def test_any_json_is_documents_and_problems_and_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, records: list[Any], as_list: bool
) -> None:
    text = json.dumps(records) if as_list else "\n".join(map(json.dumps, records))
    path = file(tmp_path_factory.getbasetemp(), text)
    found = formats.read([path], skip_bad=True)
    if as_list or not any(isinstance(record, list) for record in records[:1]):
        assert len(found.docs) + len(found.problems) == len(records)
    assert len({made.id for made in found.docs}) == len(found.docs)
    for made in found.docs:
        assert ApiDoc.from_dict(made.to_dict()).content_hash == made.content_hash
        assert made.call_key
        assert made.package == made.package.lower()
    if found.problems:
        with pytest.raises(SourceError):
            formats.read([path])


@pytest.fixture(scope="module")
def corpus() -> tuple[ApiDoc, ...]:
    """The starter corpus."""
    return starter.documents()


def test_the_starter_corpus_has_documents_of_six_providers(corpus: tuple[ApiDoc, ...]) -> None:
    counted = Counter(made.framework for made in corpus)
    assert sum(counted.values()) >= 200
    assert set(counted) == {
        "Hugging Face Transformers",
        "PyTorch",
        "Python standard library",
        "Sentence Transformers",
        "TensorFlow Hub",
        "scikit-learn",
    }
    assert min(counted.values()) >= 10


def test_every_call_of_the_starter_corpus_is_python_and_distinct(corpus: tuple[ApiDoc, ...]) -> None:
    assert [made.id for made in corpus if made.call.raw is not None] == []
    assert [key for key, times in Counter(made.call_key for made in corpus).items() if times > 1] == []
    assert all(made.trusted and made.description and made.functionality for made in corpus)


def test_every_example_of_the_starter_corpus_contains_its_call(corpus: tuple[ApiDoc, ...]) -> None:
    without = [
        made.id
        for made in corpus
        if made.call_key not in {call.key(made.parameter_names) for call, _ in calls_in(made.example_code)}
    ]
    assert without == []


def test_every_standard_library_call_of_the_starter_corpus_exists_and_binds(corpus: tuple[ApiDoc, ...]) -> None:
    faults = {}
    for made in corpus:
        if made.framework == "Python standard library":
            found = signatures.resolve(made.call.path)
            if found.state not in ("found", "no signature"):
                faults[made.id] = f"{found.state} {found.detail}"
            elif found.signature and (error := signatures.binding_error(made.call, found.signature)):
                faults[made.id] = error
    assert faults == {}

"""Questions about installed packages: answered from their own documentation, for the version that is installed."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from gorilla_rag import Gorilla
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import parse_call
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.errors import PackageMissing, UsageError
from gorilla_rag.generate import evidence
from gorilla_rag.index import change
from gorilla_rag.signatures import prefer
from gorilla_rag.snippet import code_for

INSTALLED = importlib.metadata.version("filelock")


@pytest.fixture(scope="module")
def packages(encoder: EmbeddedEncoder) -> Gorilla:
    """The library over two small installed packages."""
    return Gorilla.from_packages("filelock", "platformdirs", encoder=encoder)


def test_an_answer_comes_from_the_installed_package_and_proves_it(packages: Gorilla) -> None:
    answer = packages.ask("where should my program keep its cache files", fields="call")
    assert answer.api_call is not None
    assert answer.api_call.startswith("platformdirs.")
    assert "cache" in answer.api_call
    assert answer.version == importlib.metadata.version("platformdirs")
    outcomes = {one.name: one.outcome for one in answer.verdict.checks if not one.call}
    assert outcomes["exists"] == outcomes["version"] == outcomes["documented"] == "passed"


def test_documents_of_installed_packages_are_trusted_and_versioned(packages: Gorilla) -> None:
    hits = packages.search("lock a file", k=3)
    assert {hit.doc.source for hit in hits} == {"python"}
    assert all(hit.doc.trusted and hit.doc.version and hit.doc.package for hit in hits)


def test_no_package_and_a_missing_one_are_errors() -> None:
    with pytest.raises(UsageError, match="no package is named"):
        Gorilla.from_packages()
    with pytest.raises(PackageMissing, match="nothing_of_that_name"):
        Gorilla.from_packages("nothing_of_that_name")


def lock(version: str, what: str) -> ApiDoc:
    return ApiDoc(
        id=f"python:filelock.FileLock@{version}",
        api_call=f"filelock.FileLock({what})",
        api_name="filelock.FileLock",
        functionality=f"Hold a lock on a file ({what}).",
        version=version,
        source="python",
        python_environment_requirements=("filelock",),
    )


@pytest.fixture(scope="module")
def two_versions(encoder: EmbeddedEncoder, tmp_path_factory: pytest.TempPathFactory) -> Gorilla:
    """One package at the installed version and at another, and a package of one version."""
    other = ApiDoc(id="other", api_call="zipfile.ZipFile(path)", functionality="Pack files", version="9")
    folder = tmp_path_factory.mktemp("versions")
    change.build(folder, [lock(INSTALLED, "lock_file"), lock("0.1", "path"), other], encoder)
    return Gorilla.load(folder, encoder=encoder)


def test_of_two_versions_in_an_index_the_installed_one_is_found(two_versions: Gorilla) -> None:
    found = two_versions.search("hold a lock on a file", k=10)
    assert [hit.doc.version for hit in found if hit.doc.package == "filelock"] == [INSTALLED]
    assert {hit.doc.id for hit in found} >= {"other"}
    answer = two_versions.ask("hold a lock on a file", fields="call")
    assert answer.version == INSTALLED
    assert answer.verdict.outcome("version") == "passed"


def test_another_version_is_found_by_a_filter_and_its_verdict_says_which(two_versions: Gorilla) -> None:
    answer = two_versions.ask("hold a lock on a file", fields="call", filters={"version": "0.1"})
    assert answer.version == "0.1"
    assert answer.verdict.outcome("version") == "failed"
    detail = next(one.detail for one in answer.verdict.checks if one.name == "version")
    assert detail == f"documents filelock 0.1; installed is {INSTALLED}"


@pytest.mark.parametrize(
    ("versions", "best"),
    [(["1.9", "1.10"], "1.10"), (["2.0", "10.0", "9.9"], "10.0"), (["1.0", "1.0.1"], "1.0.1"), (["7"], "7")],
)
def test_without_an_installed_version_the_highest_counts(versions: list[str], best: str) -> None:
    assert prefer("not-installed-here", versions) == best
    assert prefer("not-installed-here", versions[::-1]) == best


def test_the_installed_version_counts_although_a_higher_one_is_documented() -> None:
    assert prefer("filelock", ["999", INSTALLED, "0.1"]) == INSTALLED


METHOD = ApiDoc(
    id="m",
    api_call="pandas.DataFrame.groupby(dataframe, by)",
    source="python",
    python_environment_requirements=("pandas",),
)


def test_code_of_a_method_is_written_as_it_is_typed() -> None:
    call = parse_call("pandas.DataFrame.groupby(dataframe, by='city', sort=False)")
    expected = "import pandas\ndataframe: pandas.DataFrame\ndataframe.groupby(by='city', sort=False)"
    assert code_for(METHOD, call) == expected


@pytest.mark.parametrize(
    ("call", "module"),
    [
        ("sklearn.metrics.auc(x, y)", "sklearn.metrics"),
        ("scipy.stats.norm.pdf(x)", "scipy.stats"),
        ("numpy.sort(a)", "numpy"),
        ("not_installed.thing.make(a)", "not_installed"),
    ],
)
def test_code_imports_the_module_that_holds_the_name(call: str, module: str) -> None:
    doc = ApiDoc(id="d", api_call=call, source="python")
    assert code_for(doc, doc.call) == f"import {module}\n{call}"


def test_a_parameter_of_several_types_takes_an_option_or_a_number_from_the_question() -> None:
    gamma = {"anyOf": [{"type": "string", "enum": ["scale", "auto"]}, {"type": "number"}]}
    parameters = {"type": "object", "properties": {"gamma": gamma}, "required": []}
    doc = ApiDoc(id="svc", api_call="svm.SVC()", parameters=parameters)
    for question, value in (("a classifier with scale gamma", "scale"), ("a classifier with gamma 0.5", 0.5)):
        offered = evidence.narrowed(doc, question)
        assert offered is not None
        assert offered["properties"]["gamma"] == {"enum": [value]}
    assert evidence.narrowed(doc, "a classifier") is None


def test_an_index_of_one_version_is_searched_whatever_is_installed(encoder: EmbeddedEncoder, tmp_path: Path) -> None:
    change.build(tmp_path / "index", [lock("0.1", "path")], encoder)
    found = Gorilla.load(tmp_path / "index", encoder=encoder).search("hold a lock on a file")
    assert [hit.doc.version for hit in found] == ["0.1"]

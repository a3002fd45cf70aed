"""What tests share: the real embedded models, small real indexes, and a closed network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gorilla_rag import Gorilla, starter
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.generate.llama_cpp import LlamaCppGenerator
from gorilla_rag.index import change
from gorilla_rag.models import registry
from tests.offline import sitecustomize

OFFLINE = Path(sitecustomize.__file__).parent
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(OFFLINE), os.environ.get("PYTHONPATH", "")]))
os.environ["HF_HUB_OFFLINE"] = "1"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--no-skips` fails a run in which anything was skipped."""
    parser.addoption("--no-skips", action="store_true", help="fail when a test is skipped")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Counts what was skipped."""
    if config.getoption("--no-skips"):
        terminalreporter.write_line(f"skipped: {len(terminalreporter.stats.get('skipped', []))}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turns a skip into a failure under `--no-skips`."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--no-skips") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Proofs over published data run where the data are."""
    data = os.environ.get("DATA", "")
    for item in items:
        if item.get_closest_marker("data") and not (data and Path(data).is_dir()):
            item.add_marker(pytest.mark.skip(reason="needs published data: make verify DATA=FOLDER"))


# As the registry knows them, whatever a test makes it know.
SHIPPED = tuple(registry.MODELS)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of published data."""
    return Path(os.environ["DATA"])


@pytest.fixture(scope="session")
def encoder() -> EmbeddedEncoder:
    """The real encoder."""
    missing = [name for name in SHIPPED if registry.state(name) != "ready"]
    if missing:
        pytest.exit(f"models {missing} are missing: run `gorilla-rag models pull` first", returncode=2)
    return EmbeddedEncoder()


@pytest.fixture(scope="session")
def generator() -> LlamaCppGenerator:
    """The real language model."""
    return LlamaCppGenerator()


@pytest.fixture(scope="session")
def starter_index(encoder: EmbeddedEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the starter corpus; read-only by agreement."""
    folder = tmp_path_factory.mktemp("starter")
    change.build(folder, starter.documents(), encoder)
    return folder


@pytest.fixture(scope="session")
def gorilla(starter_index: Path, generator: LlamaCppGenerator) -> Iterator[Gorilla]:
    """The library over the starter corpus, with the real models."""
    made = Gorilla.load(starter_index, generator=lambda: generator)
    yield made
    made.index.close()


def make_doc(number: int, **fields: str) -> ApiDoc:
    """A small document of its own call."""
    values = {
        "id": f"doc-{number:03}",
        "api_call": f"tools.function_{number}(x)",
        "api_name": f"function_{number}",
        "domain": "Testing",
        "framework": "tools",
        "functionality": f"does task number {number}",
        "description": f"The function for task {number}, one of many.",
    }
    return ApiDoc(**{**values, **fields})  # type: ignore[arg-type]


@pytest.fixture
def docs() -> list[ApiDoc]:
    """Six documents that differ in words and meaning."""
    topics = [
        ("speech", "Convert text to speech", "Reads a text aloud in a natural voice."),
        ("translate", "Translate text", "Turns English sentences into German ones."),
        ("detect", "Detect objects", "Finds people, cars and animals in a photo."),
        ("summarise", "Summarise text", "Makes a long article short."),
        ("cluster", "Group rows", "Puts similar customers into segments."),
        ("zip", "Compress files", "Packs a folder into an archive."),
    ]
    return [
        make_doc(n, api_call=f"tools.{name}(data, level={n})", api_name=name, functionality=task, description=text)
        for n, (name, task, text) in enumerate(topics)
    ]


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """torch computes in one thread, here and in processes started here: with tiny models more of them only wait."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of Llama's architecture as it lies on disk, with `none` as a token; read-only by agreement."""
    from tests import tiny

    tokenizer = tiny.tokenizer()
    tokenizer.add_tokens(["none"])
    return tiny.saved(tmp_path_factory.mktemp("models") / "tiny-llama", tiny.llama(tokenizer), tokenizer)

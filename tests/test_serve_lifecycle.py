"""The state machine of served models: whatever is asked of it at once, the state is true."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gorilla_rag.errors import (
    DownloadFailed,
    GenerationFailed,
    GorillaError,
    ModelBusy,
    ModelMissing,
    ModelTooLarge,
    UsageError,
)
from gorilla_rag.generate.base import Generator
from gorilla_rag.models import download, registry
from gorilla_rag.serve import lifecycle
from gorilla_rag.serve.lifecycle import Entry, Models
from tests.toys import Toy


def entry(name: str, make: Callable[[], Generator] = Toy, *, size: int = 0, known: str = "") -> Entry:
    return Entry(name, name, make, lambda: size, known)


def models(*entries: Entry, memory: int | None = None, idle: float | None = None) -> Models:
    return Models({one.name: one for one in entries}, memory=memory, idle=idle)


def state(served: Models, name: str = "a") -> str:
    return served.standing(name).state


def test_a_model_is_loaded_when_it_is_asked_and_stays_until_it_is_stopped() -> None:
    made: list[Toy] = []
    served = models(entry("a", lambda: made.append(Toy()) or made[-1]))  # type: ignore[func-returns-value]
    assert state(served) == "stopped"
    with served.used("a") as first:
        assert state(served) == "running"
    with served.used("a") as second:
        assert second is first
    assert served.start("a").state == "running"
    assert served.stop("a").state == "stopped"
    assert served.stop("a").state == "stopped"
    with served.used("a") as third:
        assert third is not first
    assert len(made) == 2


def test_a_model_that_many_want_at_once_is_loaded_once() -> None:
    made: list[int] = []

    def slow() -> Toy:
        made.append(1)
        time.sleep(0.2)
        return Toy()

    served = models(entry("a", slow))
    with ThreadPoolExecutor(16) as threads:
        states = [one.state for one in threads.map(lambda _: served.start("a"), range(16))]
    assert states == ["running"] * 16
    assert len(made) == 1


def test_a_model_that_can_not_be_loaded_says_why_and_can_be_tried_again() -> None:
    tries: list[int] = []

    def make() -> Toy:
        tries.append(1)
        if len(tries) == 1:
            raise GenerationFailed("no room for it", hint="make some")
        return Toy()

    served = models(entry("a", make))
    with pytest.raises(GenerationFailed):
        served.start("a")
    failed = served.standing("a")
    assert (failed.state, failed.error) == ("failed", "no room for it")
    assert not served.loadable()
    assert served.start("a").state == "running"
    assert not served.standing("a").error


def test_stopping_waits_for_who_uses_it_and_whoever_comes_then_loads_it_again() -> None:
    served = models(entry("a"))
    order: list[str] = []
    begun, end = threading.Event(), threading.Event()

    def use() -> None:
        with served.used("a"):
            begun.set()
            end.wait(10)
            order.append("used")

    def stop() -> None:
        served.stop("a")
        order.append("stopped")

    user = threading.Thread(target=use)
    user.start()
    begun.wait(10)
    stopper = threading.Thread(target=stop)
    stopper.start()
    while state(served) != "stopping":
        time.sleep(0.01)
    other = threading.Thread(target=lambda: served.start("a"))
    other.start()
    time.sleep(0.05)
    assert not order
    end.set()
    for thread in (user, stopper, other):
        thread.join(10)
    assert order == ["used", "stopped"]
    assert state(served) == "running"


def test_a_model_that_stays_in_use_can_not_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "WAIT_SECONDS", 0.05)
    served = models(entry("a"))
    with served.used("a"):
        with pytest.raises(ModelBusy, match="still answering"):
            served.stop("a")
        assert state(served) == "running"


def test_models_that_nobody_uses_make_room_and_those_in_use_do_not() -> None:
    served = models(entry("a", size=60), entry("b", size=60), entry("c", size=30), entry("d", size=101), memory=100)
    served.start("a")
    served.start("c")
    with pytest.raises(ModelTooLarge):
        served.start("d")
    assert [state(served, name) for name in "ac"] == ["running", "running"]
    served.start("b")
    assert [state(served, name) for name in "abc"] == ["stopped", "running", "running"]
    with served.used("b"), pytest.raises(ModelTooLarge) as caught:
        served.start("a")
    assert "--memory" in caught.value.hint
    assert state(served, "a") == "stopped"
    assert served.start("a").state == "running"


def test_a_model_that_nobody_uses_is_unloaded_after_a_while() -> None:
    served = models(entry("a"), idle=0.2)
    with served.used("a"):
        time.sleep(0.5)
        assert state(served) == "running"
    for _ in range(100):
        if state(served) == "stopped":
            break
        time.sleep(0.05)
    assert state(served) == "stopped"
    served.close()


@pytest.mark.parametrize("name", ["", "b", "../a", "/etc/passwd", "a\0", "C:\\a", "a/../a", "A", "%2e%2e"])
def test_only_names_that_are_known_are_anything(name: str) -> None:
    served = models(entry("a"))
    for act in (served.start, served.stop, served.delete, served.download, served.standing):
        with pytest.raises(UsageError, match="no model"):
            act(name)


def test_what_lies_elsewhere_is_neither_fetched_nor_deleted() -> None:
    served = models(entry("a"))
    for act in (served.delete, served.download):
        with pytest.raises(UsageError):
            act("a")


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A model of the registry whose fetching makes a file here, and waits for another to be there."""
    file, go = tmp_path / "weights", tmp_path / "go"

    def pull(name: str, *, progress: Callable[[int, int], None]) -> Path:
        progress(5, 10)
        while not go.exists():
            time.sleep(0.01)
        if go.read_text() == "fail":
            raise DownloadFailed("no such wheel", hint="look")
        file.write_text("x")
        return file

    def remove(name: str) -> bool:
        file.unlink(missing_ok=True)
        return True

    monkeypatch.setattr(download, "pull", pull)
    monkeypatch.setattr(registry, "remove", remove)
    monkeypatch.setattr(registry, "state", lambda name: "ready" if file.exists() else "missing")
    return go


def settled(served: Models) -> str:
    for _ in range(500):
        if state(served) != "downloading":
            break
        time.sleep(0.01)
    return state(served)


def test_a_model_is_fetched_in_the_background_and_says_how_far_it_is(fetched: Path) -> None:
    served = models(entry("a", known="a"))
    assert state(served) == "not_downloaded"
    with pytest.raises(ModelMissing):
        served.start("a")
    assert served.download("a").state == "downloading"
    assert served.download("a").state == "downloading"
    while served.standing("a").progress != (5, 10):
        time.sleep(0.01)
    for act in (served.start, served.stop, served.delete):
        with pytest.raises(ModelBusy):
            act("a")
    assert not served.loadable()
    fetched.write_text("go")
    assert settled(served) == "stopped"
    assert served.start("a").state == "running"
    with pytest.raises(ModelBusy, match="running"):
        served.delete("a")
    served.stop("a")
    assert served.delete("a").state == "not_downloaded"


def test_what_another_program_fetches_or_removes_is_seen(fetched: Path) -> None:
    served = models(entry("a", known="a"))
    assert state(served) == "not_downloaded"
    fetched.with_name("weights").write_text("x")
    assert state(served) == "stopped"
    assert served.start("a").state == "running"
    served.stop("a")
    fetched.with_name("weights").unlink()
    assert state(served) == "not_downloaded"
    assert not served.loadable()
    with pytest.raises(ModelMissing):
        served.start("a")


def test_what_can_not_be_fetched_says_why(fetched: Path) -> None:
    served = models(entry("a", known="a"))
    fetched.write_text("fail")
    served.download("a")
    assert settled(served) == "not_downloaded"
    assert served.standing("a").error == "no such wheel"
    fetched.write_text("go")
    served.download("a")
    assert settled(served) == "stopped"
    assert not served.standing("a").error


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_done_at_once_the_state_is_true_in_the_end(seed: int, fetched: Path) -> None:
    fetched.write_text("go")
    alive: list[Toy] = []

    def make() -> Toy:
        if not fetched.with_name("weights").exists():
            raise ModelMissing("it isn't there", hint="fetch it")
        alive.append(Toy())
        return alive[-1]

    served = models(entry("a", make, known="a"), entry("b", size=5), memory=8)

    def act(number: int) -> None:
        rng = random.Random(1000 * seed + number)
        for _ in range(30):
            name = rng.choice(["start", "stop", "delete", "download", "used"])
            try:
                if name == "used":
                    with served.used("a") as model:
                        assert isinstance(model, Toy)
                        assert state(served) in ("running", "stopping")
                else:
                    getattr(served, name)("a")
            except GorillaError:
                pass

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(act, range(8)))
    final = settled(served)
    there = fetched.with_name("weights").exists()
    assert final in ("not_downloaded", "stopped", "running", "failed")
    assert (final == "not_downloaded") <= (not there)
    assert (final == "running") == (served._models["a"].generator is not None)
    assert served._models["a"].users == 0
    if final == "failed":
        assert served.standing("a").error

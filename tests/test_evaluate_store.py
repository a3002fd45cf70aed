"""Outcomes on disk: reopened, cut short by a kill, of other settings, with odd texts, on a full disk."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.evaluate.outcome import Outcome
from gorilla_rag.evaluate.store import OutcomeStore

ROOT = Path(__file__).parent.parent
SETTINGS = {"benchmark": ["toy", {"file": "hash"}], "seed": 7, "generator": None}
WHOLE = Outcome(
    question="first",
    api_call="tools.load('speech', rate=8000)",
    text="<<<api_call>>>: tools.load('speech', rate=8000)\n<<<api_provider>>>: Tools",
    candidates=("speak", "say"),
    chosen="speak",
    structured='{"query": "Read it", "tool_name": "tools.load"}',
    confidence=0.25,
    tokens={"prompt": 261, "written": 29},
    timings={"search": 0.25, "explain": 1.5},
)
REFUSED = Outcome("second", None, reason="below the threshold", confidence=0.125)
FAILED = Outcome("third", None, error="GenerationFailed: no answer")


def plain(number: int) -> Outcome:
    """An outcome of little text."""
    return Outcome(f"q{number}", f"f({number})", text=f"answer {number}")


def opened(folder: Path) -> OutcomeStore:
    """The store of those settings."""
    return OutcomeStore(folder, "hybrid", SETTINGS)


def test_outcomes_are_there_again_when_the_store_is_opened_again(tmp_path: Path) -> None:
    folder = tmp_path / "answers" / "of today"
    store = opened(folder)
    assert store.outcomes == {}
    store.add(WHOLE)
    store.add(REFUSED)
    assert store.outcomes == {"first": WHOLE, "second": REFUSED}
    again = opened(folder)
    assert again.path == store.path
    assert again.outcomes == {"first": WHOLE, "second": REFUSED}
    assert list(again.outcomes) == ["first", "second"]
    assert isinstance(again.outcomes["first"].candidates, tuple)
    again.add(plain(3))
    assert list(opened(folder).outcomes) == ["first", "second", "q3"]


def test_an_outcome_is_one_line_of_json_in_the_file(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(WHOLE)
    store.add(plain(2))
    first, second = store.path.read_text(encoding="utf-8").splitlines()
    assert json.loads(first)["api_call"] == "tools.load('speech', rate=8000)"
    assert json.loads(first)["candidates"] == ["speak", "say"]
    assert json.loads(second)["question"] == "q2"


def test_a_failure_counts_in_its_run_and_is_asked_again_by_the_next(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for outcome in (WHOLE, FAILED, REFUSED):
        store.add(outcome)
    assert list(store.outcomes) == ["first", "third", "second"]
    again = opened(tmp_path)
    assert again.outcomes == {"first": WHOLE, "second": REFUSED}
    mended = Outcome("third", "f(3)")
    again.add(mended)
    assert opened(tmp_path).outcomes == {"first": WHOLE, "second": REFUSED, "third": mended}


def test_a_line_that_was_cut_short_is_taken_off_and_those_before_it_stay(tmp_path: Path) -> None:
    store = opened(tmp_path / "whole")
    made = [WHOLE, Outcome("é😀", None, reason="Grüße\nan alle"), plain(3)]
    for outcome in made:
        store.add(outcome)
    content = store.path.read_bytes()
    folder = tmp_path / "cut"
    folder.mkdir()
    path = folder / store.path.name
    ends = [place for place, byte in enumerate(content) if byte == ord("\n")]
    for size in sorted(
        {*range(0, len(content), 7), *ends, *(end + 1 for end in ends), *(end + 2 for end in ends[:-1])}
    ):
        path.write_bytes(content[:size])
        kept = content[:size].count(b"\n")
        cut = opened(folder)
        assert list(cut.outcomes.values()) == made[:kept], size
        assert path.read_bytes() == content[: content.rfind(b"\n", 0, size) + 1], size
        if size % 49 == 0:
            cut.add(plain(9))
            assert list(opened(folder).outcomes.values()) == [*made[:kept], plain(9)], size


WRITES = """
import sys
from pathlib import Path
from gorilla_rag.evaluate.outcome import Outcome
from gorilla_rag.evaluate.store import OutcomeStore

store = OutcomeStore(Path(sys.argv[1]), "hybrid", {})
print("started", flush=True)
number = len(store.outcomes)
while True:
    store.add(Outcome(f"q{number}", f"f({number})", text=f"answer {number}"))
    print(number, flush=True)
    number += 1
"""


def test_a_run_that_is_killed_at_any_moment_loses_no_outcome_that_was_added(tmp_path: Path) -> None:
    moments, least = random.Random(5), 0
    for _ in range(2):
        command = [sys.executable, "-c", WRITES, str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stdout.readline() == "started\n"
            least = max(least, int(process.stdout.readline()) + 1)
            time.sleep(moments.uniform(0, 0.1))
            process.kill()
            said = process.stdout.read().split("\n")[:-1]
        least = max([least, *(int(line) + 1 for line in said)])
        there = OutcomeStore(tmp_path, "hybrid", {}).outcomes
        assert least <= len(there) <= least + 1
        assert list(there.values()) == [plain(number) for number in range(len(there))]


@pytest.mark.parametrize(
    "other",
    [
        SETTINGS | {"seed": 8},
        SETTINGS | {"seed": "7"},
        SETTINGS | {"generator": {"id": "toy"}},
        SETTINGS | {"benchmark": ["toy", {"file": "another hash"}]},
        SETTINGS | {"more": None},
        {"seed": 7, "generator": None},
    ],
)
def test_other_settings_make_another_file_and_neither_is_touched(tmp_path: Path, other: dict[str, object]) -> None:
    opened(tmp_path).add(WHOLE)
    store = OutcomeStore(tmp_path, "hybrid", other)
    assert store.outcomes == {}
    store.add(Outcome("first", None, reason="other"))
    assert opened(tmp_path).outcomes == {"first": WHOLE}
    assert OutcomeStore(tmp_path, "hybrid", other).outcomes == {"first": Outcome("first", None, reason="other")}
    assert len(list(tmp_path.iterdir())) == 2


def test_the_same_settings_in_another_order_are_the_same_file(tmp_path: Path) -> None:
    opened(tmp_path).add(WHOLE)
    turned = dict(reversed(SETTINGS.items()))
    assert list(turned) != list(SETTINGS)
    assert OutcomeStore(tmp_path, "hybrid", turned).outcomes == {"first": WHOLE}


@pytest.mark.parametrize("name", ["hybrid, model chooses", "oracle + 4 wrong", "../hybrid", "a/b\\c:d*", "größer", ""])
def test_every_name_of_a_row_makes_one_file_in_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "answers"
    OutcomeStore(folder, name, SETTINGS).add(WHOLE)
    assert OutcomeStore(folder, name, SETTINGS).outcomes == {"first": WHOLE}
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert file.parent == folder
    assert not set(file.name) & set("/\\:*, +")


def units(text: str) -> bytes:
    """A text as UTF-16, in which two halves of a character and the character are the same."""
    return text.encode("utf-16-le", "surrogatepass")


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)


@settings(deadline=None, max_examples=40)
@given(st.lists(ANY_TEXT, min_size=1, max_size=4))
def test_any_text_is_kept_and_breaks_no_line(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("store")
    store = opened(folder)
    for number, text in enumerate(texts):
        store.add(Outcome(f"q{number}", text, text=text, candidates=(text,), tokens={text: number}))
    again = opened(folder)
    assert list(again.outcomes) == [f"q{number}" for number in range(len(texts))]
    for text, found in zip(texts, again.outcomes.values(), strict=True):
        assert [units(one) for one in (str(found.api_call), found.text, *found.candidates, *found.tokens)] == [
            units(text)
        ] * 4
    assert store.path.read_bytes().count(b"\n") == len(texts)
    shutil.rmtree(folder)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\\\ud800", "\\ud800", "\n\r\u2028\u2029\x85\x00", "\udc80\\n"])
def test_half_characters_backslashes_and_ends_of_lines_survive_exactly(tmp_path: Path, text: str) -> None:
    store = opened(tmp_path)
    store.add(Outcome(text, None, text=text))
    store.add(plain(2))
    assert opened(tmp_path).outcomes == {text: Outcome(text, None, text=text), "q2": plain(2)}


# A full disk

# Adds five outcomes to copies of a store with room for ever larger files; then makes room and adds a sixth.
FULL = """
import json, os, resource, shutil, sys
from pathlib import Path
from gorilla_rag.errors import GorillaError
from tests.test_evaluate_store import opened, plain

template, work, limits = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
for limit in limits:
    folder = Path(shutil.copytree(template, work / str(limit)))
    child = os.fork()
    if not child:
        added, said = 0, "done"
        try:
            store = opened(folder)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            for number in range(3, 8):
                store.add(plain(number))
                added += 1
        except GorillaError as error:
            said = f"{type(error).__name__}: {error}"
        except BaseException as error:
            said = f"not ours: {error!r}"
        there = list(store.outcomes)
        if len(sys.argv) > 4:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            store.add(plain(8))
        print(json.dumps([limit, added, said, there]), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def filled(tmp_path: Path, *more: str) -> list[tuple[int, int, str, list[str]]]:
    """What came of it with room for each size: the limit, how many were added, what was said, who is in the store."""
    template, work = tmp_path / "template", tmp_path / "work"
    store = opened(template)
    for number in range(3):
        store.add(plain(number))
    size = store.path.stat().st_size
    limits = [0, 1, size - 1, *range(size, size + 2 * (size // 3), 31), 3 * size, 100_000]
    command = [sys.executable, "-c", FULL, str(template), str(work), json.dumps(limits), *more]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    found: list[tuple[int, int, str, list[str]]] = [tuple(json.loads(line)) for line in said]
    assert [limit for limit, *_ in found] == limits
    return found


def test_a_full_disk_is_said_and_every_outcome_that_was_added_stays(tmp_path: Path) -> None:
    found = filled(tmp_path)
    for limit, added, said, there in found:
        names = [f"q{number}" for number in range(3 + added)]
        assert there == names, limit
        again = opened(tmp_path / "work" / str(limit))
        assert list(again.outcomes.values()) == [plain(number) for number in range(3 + added)], limit
        if added < 5:
            assert said.startswith("StorageFull: no space left"), limit
            assert "make room" in said
        else:
            assert said == "done"
        again.add(plain(9))
        assert list(opened(again.path.parent).outcomes) == [*names, "q9"], limit
    assert {added for _, added, _, _ in found} >= {0, 1, 5}


def test_a_run_that_goes_on_after_room_was_made_leaves_a_whole_file(tmp_path: Path) -> None:
    for limit, added, _, _ in filled(tmp_path, "make room"):
        again = opened(tmp_path / "work" / str(limit))
        assert list(again.outcomes) == [*(f"q{number}" for number in range(3 + added)), "q8"], limit

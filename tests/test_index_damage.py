"""Damage: no altered file, kill or full disk ever gives a wrong answer, or costs the index that stood there."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders import Kind, Progress
from gorilla_rag.errors import IndexCorrupt, IndexMissing
from gorilla_rag.index import change, dense, manifest
from gorilla_rag.index.check import check
from gorilla_rag.index.index import RETRIEVALS, Index, Retrieval
from tests.test_index_search import ToyEncoder, many_docs, toy_docs

ROOT = Path(__file__).parents[1]
QUESTION = "reads a text aloud in a photo of customers, task 3 of 11"
ROLES = ("manifest", "documents", "vectors", "ann", "data", "indices", "indptr", "vocab")
Results = list[tuple[str, float]]


def search(folder: Path, mode: Retrieval) -> Results:
    index = Index(folder, ToyEncoder())
    try:
        return [(hit.doc.id, hit.score) for hit in index.search(QUESTION, mode=mode, k=20)]
    finally:
        index.close()


def search_all(folder: Path) -> dict[str, Results]:
    return {mode: search(folder, mode) for mode in RETRIEVALS}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undamaged index with every kind of file."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "ANN_CHOICES", ((5, "HNSW32,Flat"),))
        change.build(folder, toy_docs(), ToyEncoder())
    return folder


@pytest.fixture(scope="module")
def right(whole: Path) -> dict[str, Results]:
    """What it finds."""
    return search_all(whole)


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(whole, tmp_path / "index"))


def file_of(folder: Path, role: str) -> Path:
    found = manifest.read(folder)
    words = {name.split(".")[1]: name for name in found.bm25_files}
    names = {"manifest": manifest.NAME, "documents": found.documents, "vectors": found.segments[0], "ann": found.ann}
    return folder / (names | words)[role]


def flip(path: Path, position: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


def damage(path: Path, how: str) -> None:
    size = path.stat().st_size
    if how == "deleted":
        path.unlink()
    elif how == "replaced by a folder":
        path.unlink()
        path.mkdir()
    elif how.startswith("flipped"):
        flip(path, {"start": 0, "middle": size // 2, "end": size - 1}[how.split()[-1]])
    elif how == "extended":
        path.write_bytes(path.read_bytes() + b"\0")
    else:
        path.write_bytes(path.read_bytes()[: {"emptied": 0, "halved": size // 2, "one byte short": size - 1}[how]])


DAMAGES = (
    "deleted",
    "replaced by a folder",
    "emptied",
    "halved",
    "one byte short",
    "extended",
    "flipped at the start",
    "flipped in the middle",
    "flipped at the end",
)
USES = {
    "bm25": {"manifest", "documents", "data", "indices", "indptr", "vocab"},
    "dense": {"manifest", "documents", "vectors", "ann"},
    "hybrid": set(ROLES),
}


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("role", ROLES)
def test_a_damaged_file_is_named_by_every_search_that_reads_it_and_by_the_check(
    folder: Path, right: dict[str, Results], role: str, how: str
) -> None:
    damaged = file_of(folder, role)
    damage(damaged, how)
    for mode in RETRIEVALS:
        if role not in USES[mode]:
            assert search(folder, mode) == right[mode]
        elif role == "manifest" and how == "deleted":
            with pytest.raises(IndexMissing, match="no index"):
                search(folder, mode)
        else:
            with pytest.raises(IndexCorrupt) as caught:
                search(folder, mode)
            assert caught.value.file == str(damaged)
            assert caught.value.hint
    if role == "manifest":
        with pytest.raises(IndexMissing if how == "deleted" else IndexCorrupt):
            check(folder)
    else:
        report = check(folder)
        assert not report.ok
        assert len(report.damaged) == 1
        assert report.damaged[0].startswith(f"{damaged}: ")


def test_every_byte_of_the_manifest_is_guarded(folder: Path) -> None:
    path = folder / manifest.NAME
    whole, expected = path.read_bytes(), manifest.read(folder)
    for position in range(len(whole)):
        flip(path, position, bit=position % 8)
        with suppress(IndexCorrupt):
            assert manifest.read(folder) == expected, position
        path.write_bytes(whole)


def test_a_manifest_that_is_json_but_no_manifest_is_corrupt(folder: Path) -> None:
    for text in ("[]", "null", "3", "{}", '"manifest"', json.dumps({"format": manifest.FORMAT, "checksum": ""})):
        (folder / manifest.NAME).write_text(text, encoding="utf-8")
        with pytest.raises(IndexCorrupt, match=r"manifest\.json"):
            Index(folder, ToyEncoder())


@pytest.mark.parametrize("role", ["documents", "vectors", "data"])
def test_a_damaged_index_is_not_changed_and_a_build_repairs_it(
    folder: Path, right: dict[str, Results], role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = file_of(folder, role)
    flip(damaged, damaged.stat().st_size // 2)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(IndexCorrupt) as caught:
        change.remove(folder, ["speech-1.0"], ToyEncoder())
    assert caught.value.file == str(damaged)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    monkeypatch.setattr(dense, "ANN_CHOICES", ((5, "HNSW32,Flat"),))
    change.build(folder, toy_docs(), ToyEncoder())
    assert search_all(folder) == right
    assert check(folder).ok


def test_the_check_of_a_whole_index_counts_its_files(whole: Path) -> None:
    report = check(whole)
    assert report.ok
    assert report.files == len(manifest.read(whole).files) == 7
    assert (report.damaged, report.duplicates, report.degenerate) == ((), (), ())
    assert report.raw_calls == ()


# What a check says of the contents


class Degenerate(ToyEncoder):
    """Gives some texts a vector that means nothing."""

    def encode(
        self, texts: Sequence[str], *, kind: Kind = "document", progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        made = super().encode(texts, kind=kind, progress=progress)
        for row, text in enumerate(texts):
            for word, value in (("zero", 0.0), ("nan", np.nan), ("endless", np.inf)):
                if word in text:
                    made[row] = value
            if "short" in text:
                made[row] *= 0.5
        return made


def test_the_check_names_documents_whose_vectors_mean_nothing(tmp_path: Path) -> None:
    words = ("fine", "zero", "nan", "endless", "short")
    docs = [ApiDoc(id=word, api_call=f"t.{word}(x)", description=f"a {word} text") for word in words]
    change.build(tmp_path, docs[:3], Degenerate())
    change.add(tmp_path, docs[3:], Degenerate())
    report = check(tmp_path)
    assert sorted(report.degenerate) == ["endless", "nan", "short", "zero"]
    assert not report.ok
    assert search(tmp_path, "dense")[-1][0] in words


def test_the_check_names_documents_that_differ_only_in_their_id(tmp_path: Path) -> None:
    copies = [ApiDoc(id=name, api_call="t.say(x)", description="says it") for name in ("b", "a", "c")]
    others = [ApiDoc(id=name, api_call="t.say(x)", description=f"says {name}") for name in ("d", "e")]
    change.build(tmp_path, [*copies, *others], ToyEncoder())
    assert check(tmp_path).duplicates == (("a", "b", "c"),)
    assert check(tmp_path).ok


# Kills

# Runs one change over and over, each time on a fresh copy of the index, and kills it at the first, the second, … file
# operation, until it gets through.
CRASHES = """
import json, os, shutil, signal, sys
from pathlib import Path
from gorilla_rag.index import change, dense
from tests.test_index_search import ToyEncoder, many_docs

what, template, work = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
events = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.copyfile", "sqlite3.connect")
docs = many_docs(12)
dense.ANN_CHOICES = ((3, "HNSW32,Flat"),) if what == "build" else ()
number = 0
while True:
    folder = Path(shutil.copytree(template, work / f"{number:03}"))
    child = os.fork()
    if not child:
        left = number
        def hook(event, arguments):
            global left
            if event in events and str(folder) in str(arguments):
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1
        sys.addaudithook(hook)
        if what == "build":
            change.build(folder, docs[:4], ToyEncoder())
        elif what == "add":
            change.add(folder, docs[10:], ToyEncoder())
        else:
            change.remove(folder, [doc.id for doc in docs[:5]], ToyEncoder())
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        sys.exit(os.WEXITSTATUS(status))
    number += 1
"""


@pytest.mark.parametrize("what", ["build", "add", "remove"])
def test_a_change_that_is_killed_at_any_file_operation_leaves_the_old_index_or_the_new(
    tmp_path: Path, what: str
) -> None:
    docs = many_docs(12)
    template, work = tmp_path / "template", tmp_path / "work"
    change.build(template, docs[:10], ToyEncoder())
    old = search_all(template)
    subprocess.run([sys.executable, "-c", CRASHES, what, str(template), str(work)], cwd=ROOT, check=True)
    folders = sorted(work.iterdir())
    assert len(folders) > 20
    new = search_all(folders[-1])
    assert new != old
    found = [search_all(folder) for folder in folders]
    assert all(results in (old, new) for results in found)
    first_new = found.index(new)
    assert 10 < first_new < len(found)
    assert all(results == new for results in found[first_new:])
    for folder in folders[::8]:
        assert check(folder).ok
        change.build(folder, docs, ToyEncoder())
        change.build(folder, docs[:10], ToyEncoder())
        assert search_all(folder) == old
        made = manifest.read(folder)
        assert {p.name for p in folder.iterdir()} == {manifest.NAME, ".lock", *made.files, *made.previous}


# Tells what it is at, and waits there, so that it can be killed.
SLOW = """
import sys, time
from gorilla_rag.index import change
from tests.test_index_search import ToyEncoder, many_docs

class Slow(ToyEncoder):
    def encode(self, texts, *, kind="document", progress=None):
        made = super().encode(texts)
        progress(0, len(texts))
        return made

def tell(step, done, total):
    print(step, done, flush=True)
    time.sleep(60 if [step, str(done)] == sys.argv[3:5] else 0)

if sys.argv[1] == "build":
    change.build(sys.argv[2], many_docs(12), Slow(), progress=tell)
else:
    change.add(sys.argv[2], many_docs(12)[10:], Slow(), progress=tell)
"""


@pytest.mark.parametrize("what", ["build", "add"])
@pytest.mark.parametrize(("step", "done"), [("encode", 0), ("words", 0), ("words", 12)])
def test_a_change_that_is_killed_at_a_step_leaves_the_old_index_and_nothing_that_stays(
    tmp_path: Path, what: str, step: str, done: int
) -> None:
    docs = many_docs(12)
    change.build(tmp_path, docs[:10], ToyEncoder())
    old, names = search_all(tmp_path), {path.name for path in tmp_path.iterdir()}
    command = [sys.executable, "-c", SLOW, what, str(tmp_path), step, str(done)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if line == f"{step} {done}\n":
                process.kill()
    assert process.returncode == -9
    assert search_all(tmp_path) == old
    assert {path.name for path in tmp_path.iterdir()} > names
    change.add(tmp_path, docs[10:], ToyEncoder())
    assert len(search(tmp_path, "dense")) == 12
    made = manifest.read(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {manifest.NAME, ".lock", *made.files, *made.previous}


BUSY = """
import sys
from gorilla_rag.index import change
from tests.test_index_search import ToyEncoder, many_docs

print("started", flush=True)
while True:
    change.add(sys.argv[1], many_docs(12)[10:], ToyEncoder())
    change.remove(sys.argv[1], [doc.id for doc in many_docs(12)[10:]], ToyEncoder())
"""


def test_a_writer_that_is_killed_at_any_moment_leaves_one_of_its_two_states(tmp_path: Path) -> None:
    docs = many_docs(12)
    change.build(tmp_path, docs, ToyEncoder())
    change.remove(tmp_path, [doc.id for doc in docs[10:]], ToyEncoder())
    ids = {len(docs): sorted(doc.id for doc in docs), 10: sorted(doc.id for doc in docs[:10])}
    moments = random.Random(7)
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", BUSY, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            assert process.stdout.readline() == "started\n"
            time.sleep(moments.uniform(0, 0.3))
            process.kill()
        there = sorted(name for name, _ in search(tmp_path, "dense"))
        assert there == ids[len(there)]
        assert check(tmp_path).ok
        if len(there) == len(docs):
            change.remove(tmp_path, [doc.id for doc in docs[10:]], ToyEncoder())
    change.remove(tmp_path, [docs[0].id], ToyEncoder())
    made = manifest.read(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {manifest.NAME, ".lock", *made.files, *made.previous}


# A full disk

# Changes a copy of the index with room for ever larger files; says for each what came of it.
FULL = """
import json, os, resource, shutil, sys
from pathlib import Path
from gorilla_rag.errors import GorillaError
from gorilla_rag.index import change, dense
from tests.test_index_search import ToyEncoder, many_docs

what, template, work, limits = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4])
docs = many_docs(120)
dense.ANN_CHOICES = ((30, "HNSW32,Flat"),) if what == "build" else ()
for limit in limits:
    folder = Path(shutil.copytree(template, work / str(limit)))
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            if what == "build":
                change.build(folder, docs, ToyEncoder())
            else:
                change.add(folder, docs[40:], ToyEncoder())
            said = "done"
        except GorillaError as error:
            said = f"{type(error).__name__}: {error}"
        except BaseException as error:
            said = f"not ours: {error!r}"
        print(json.dumps([limit, said]), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.mark.parametrize("what", ["build", "add"])
def test_a_full_disk_is_said_and_leaves_the_old_index(tmp_path: Path, what: str) -> None:
    template, work = tmp_path / "template", tmp_path / "work"
    change.build(template, many_docs(40), ToyEncoder())
    old = search_all(template)
    limits = [0, 1, 100, 1000, *range(1024, 12_000, 512), *range(12_000, 60_000, 4000), 100_000, 1_000_000]
    command = [sys.executable, "-c", FULL, what, str(template), str(work), json.dumps(limits)]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    outcomes: dict[int, str] = dict(map(json.loads, said))
    assert list(outcomes) == limits
    assert outcomes[0].startswith("StorageFull")
    assert outcomes[1_000_000] == "done"
    new = search_all(work / "1000000")
    assert new != old
    for limit, outcome in outcomes.items():
        folder = work / str(limit)
        if outcome == "done":
            assert search_all(folder) == new
        else:
            assert outcome.startswith("StorageFull: no space left"), limit
            assert "make room" in outcome
            assert search_all(folder) == old
            assert not list(folder.glob(".tmp-*"))
        assert check(folder).ok, limit
    change.build(work / "1000", many_docs(40), ToyEncoder())
    assert search_all(work / "1000") == old
    assert sum(outcome == "done" for outcome in outcomes.values()) < len(limits) - 10


# Writes every kind of array file with room for ever larger files; says what was complete and what was refused.
PARTS = """
import json, os, resource, sys
from pathlib import Path
import numpy as np
from gorilla_rag.files import write_array
from gorilla_rag.index import bm25, dense


what, work = sys.argv[1], Path(sys.argv[2])
dense.ANN_CHOICES = ((5, "HNSW32,Flat"),)
vectors = np.random.default_rng(3).standard_normal((40, 16)).astype(np.float32)
words = [f"task {n} of {n % 3}".split() for n in range(300)]

def write(folder):
    folder.mkdir()
    if what == "vectors":
        write_array(folder / "vectors", vectors)
    elif what == "ann":
        dense.write_ann(vectors, folder / "ann")
    else:
        bm25.write(folder, words)
    return {path.name: path.stat().st_size for path in folder.iterdir()}

child = os.fork()
if not child:
    (work / "sizes").write_text(json.dumps(write(work / "whole")))
    os._exit(0)
os.waitpid(child, 0)
whole = json.loads((work / "sizes").read_text())
step = 1 + max(whole.values()) // 50
for limit in range(0, max(whole.values()) + 2 * step, step):
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            said = "complete" if write(work / str(limit)) == whole else "short"
        except OSError as error:
            said = "refused" if error.errno else f"no number: {error}"
        print(limit, said, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.mark.parametrize("what", ["vectors", "ann", "bm25"])
def test_no_file_is_cut_short_in_silence_by_a_full_disk(tmp_path: Path, what: str) -> None:
    command = [sys.executable, "-c", PARTS, what, str(tmp_path)]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    outcomes = [line.split(" ", 1)[1] for line in said]
    assert len(outcomes) > 20
    assert set(outcomes) == {"refused", "complete"}
    assert outcomes == sorted(outcomes, reverse=True)

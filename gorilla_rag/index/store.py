"""Documents in one immutable SQLite file. Knows documents and filters, nothing of scores.

Rows are read in the order of their ids, and everything else in the index counts *positions* in that order, so that an
index that was changed step by step ranks like one that was built at once.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.errors import UsageError
from gorilla_rag.index.bm25 import document_words
from gorilla_rag.text import bm25_text, encoder_text

KINDS_OF_VALUE = ("provider", "domain", "kind", "package", "version")
FILTERS = (*KINDS_OF_VALUE, "id")
_SCHEMA = """
CREATE TABLE docs (
    id TEXT PRIMARY KEY, call_key TEXT NOT NULL, function TEXT NOT NULL,
    provider TEXT, domain TEXT, kind TEXT, package TEXT, version TEXT,
    content TEXT NOT NULL, text_hash TEXT NOT NULL, vector INTEGER NOT NULL,
    words TEXT NOT NULL, body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX docs_call ON docs (call_key);
CREATE INDEX docs_function ON docs (function);
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """Per position: the vector's number (int64) and the number of its distinct call (int64), both of shape [n]."""

    vectors: npt.NDArray[np.int64]
    calls: npt.NDArray[np.int64]


class DocumentStore:
    """A read-only view of one documents file."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True, check_same_thread=False)
        self._database.create_function("folded", 1, str.casefold, deterministic=True)
        rows = self._database.execute("SELECT id, vector, call_key FROM docs ORDER BY id").fetchall()
        self.ids: list[str] = [row[0] for row in rows]
        numbers: dict[str, int] = {}
        calls = [numbers.setdefault(row[2], len(numbers)) for row in rows]
        vectors = np.array([row[1] for row in rows], dtype=np.int64)
        self.call_keys = list(numbers)
        self.layout = Layout(vectors, np.array(calls, dtype=np.int64))

    def close(self) -> None:
        """Lets go of the file."""
        self._database.close()

    def documents(self, positions: Sequence[int]) -> list[ApiDoc]:
        """The documents at some positions, in that order."""
        ids = [self.ids[position] for position in positions]
        found: dict[str, str] = {}
        for start in range(0, len(ids), 500):
            part = ids[start : start + 500]
            marks = ",".join("?" * len(part))
            found |= dict(self._database.execute(f"SELECT id, body FROM docs WHERE id IN ({marks})", part).fetchall())
        return [ApiDoc.from_dict(json.loads(found[name])) for name in ids]

    def get(self, doc_id: str) -> ApiDoc | None:
        """The document of that id."""
        row = self._database.execute("SELECT body FROM docs WHERE id = ?", (doc_id,)).fetchone()
        return ApiDoc.from_dict(json.loads(row[0])) if row else None

    def of_call(self, call_key: str) -> list[ApiDoc]:
        """Every document of a distinct call."""
        rows = self._database.execute("SELECT body FROM docs WHERE call_key = ? ORDER BY id", (_whole(call_key),))
        return [ApiDoc.from_dict(json.loads(row[0])) for row in rows]

    def of_function(self, path: str) -> list[ApiDoc]:
        """One document of each distinct call of a function."""
        query = "SELECT body FROM docs WHERE function = ? AND function != '' GROUP BY call_key ORDER BY min(id)"
        return [ApiDoc.from_dict(json.loads(row[0])) for row in self._database.execute(query, (_whole(path),))]

    def catalogue(self) -> dict[str, str]:
        """Every documented call by its source, with its key; the first document's source for each call."""
        rows = self._database.execute("SELECT call_key, json_extract(body, '$.api_call') FROM docs ORDER BY id DESC")
        return {source: key for key, source in dict(rows).items()}

    def versions(self) -> dict[str, list[str]]:
        """The versions of each package that is documented at more than one."""
        rows = self._database.execute(
            "SELECT DISTINCT package, version FROM docs WHERE kind = 'python' AND version != '' ORDER BY 1, 2"
        )
        found: dict[str, list[str]] = {}
        for package, version in rows:
            found.setdefault(package, []).append(version)
        return {package: versions for package, versions in found.items() if len(versions) > 1}

    def mask(
        self, filters: Mapping[str, str | Sequence[str]], versions: Mapping[str, str] | None = None
    ) -> npt.NDArray[np.bool_] | None:
        """Which positions pass the filters (shape [n]); `None` when there are none.

        Args:
            filters: values by name.
            versions: of packages, the only version of each that passes.

        Raises:
            UsageError: an unknown filter.
        """
        if not filters and not versions:
            return None
        if unknown := sorted(set(filters) - set(FILTERS)):
            raise UsageError(f"unknown filters {unknown}", hint=f"the filters are {', '.join(FILTERS)}")
        clauses, values = [], []
        for name, wanted in filters.items():
            options = [wanted] if isinstance(wanted, str) else list(wanted)
            column, fold = (name, str) if name == "id" else (f"folded({name})", str.casefold)
            clauses.append(f"{column} IN (SELECT value FROM json_each(?))")
            values.append(json.dumps([fold(option) for option in options]))
        for package, version in (versions or {}).items():
            clauses.append("NOT (package = ? AND version NOT IN (?, ''))")
            values += [package, version]
        query = f"SELECT id FROM docs WHERE {' AND '.join(clauses)} ORDER BY id"
        allowed = {row[0] for row in self._database.execute(query, values)}
        return np.fromiter((name in allowed for name in self.ids), dtype=np.bool_, count=len(self.ids))

    def words(self) -> Iterator[list[str]]:
        """The words of every document for BM25, in order."""
        return (
            row[0].split(" ") if row[0] else [] for row in self._database.execute("SELECT words FROM docs ORDER BY id")
        )

    def text_vectors(self) -> dict[str, int]:
        """The vector's number for each distinct encoder text, by the text's hash."""
        return dict(self._database.execute("SELECT text_hash, vector FROM docs").fetchall())

    def duplicates(self) -> list[list[str]]:
        """Groups of ids whose documents are the same in everything but the id."""
        groups = self._database.execute(
            "SELECT group_concat(id, char(10)) FROM docs GROUP BY content HAVING count(*) > 1 ORDER BY min(id)"
        )
        return [sorted(row[0].split("\n")) for row in groups]

    def metadata(self, name: str) -> dict[str, int]:
        """How many documents have each value of a filter (one of `KINDS_OF_VALUE`)."""
        query = f"SELECT {name}, count(*) FROM docs GROUP BY {name} ORDER BY count(*) DESC, {name}"
        return dict(self._database.execute(query).fetchall())


def _whole(text: str) -> str:
    """A text without half characters, which a model can write and no document has."""
    return text.encode("utf-8", "replace").decode()


def write(
    path: Path,
    docs: Iterable[ApiDoc],
    vectors: Mapping[str, int],
    *,
    base: Path | None = None,
    removed: Iterable[str] = (),
) -> None:
    """Writes a documents file: a copy of `base`, without `removed`, with `docs` put in or replaced.

    Args:
        path: a new file.
        docs: documents to put in; one with an id that is there replaces it.
        vectors: the vector's number by `text_hash`, for every document of `docs`.
        base: the documents file to start from.
        removed: ids to leave out.
    """
    if base:
        shutil.copyfile(base, path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = MEMORY")
        if not base:
            database.executescript(_SCHEMA)
        with database:
            database.executemany("DELETE FROM docs WHERE id = ?", [(name,) for name in removed])
            rows = (_row(doc, vectors[text_hash(doc)]) for doc in docs)
            database.executemany(f"INSERT OR REPLACE INTO docs VALUES ({','.join('?' * 13)})", rows)


def renumber(path: Path, numbers: Mapping[int, int]) -> None:
    """Gives vectors new numbers in a documents file that is being written."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TEMP TABLE moved (old INTEGER PRIMARY KEY, new INTEGER)")
        database.executemany("INSERT INTO moved VALUES (?, ?)", numbers.items())
        database.execute("UPDATE docs SET vector = (SELECT new FROM moved WHERE old = vector)")


def text_hash(doc: ApiDoc) -> str:
    """SHA-256 of what the encoder reads of a document; equal texts share one vector."""
    return hashlib.sha256(encoder_text(doc).encode()).hexdigest()


def _row(doc: ApiDoc, vector: int) -> tuple[Any, ...]:
    words = " ".join(document_words(bm25_text(doc)))
    body = json.dumps(doc.to_dict(), ensure_ascii=False)
    filters = (doc.framework, doc.domain, doc.kind, doc.package, doc.version)
    return (doc.id, doc.call_key, doc.call.path, *filters, doc.content_hash, text_hash(doc), vector, words, body)

"""Outcomes on disk as they are made, so that a killed run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gorilla_rag.errors import BenchmarkError
from gorilla_rag.evaluate.outcome import UNREAD, Outcome
from gorilla_rag.files import storage_errors


class OutcomeStore:
    """One row's outcomes: a JSON Lines file whose name carries what they depend on.

    Other settings make another file, so nothing is overwritten and nothing is mixed. A line that a kill cut short is
    taken off.

    Args:
        folder: where the file is; made if need be.
        name: the row's.
        settings: everything that the outcomes depend on.

    Raises:
        StorageFull: the disk takes no more.
        BenchmarkError: a line in the middle is damaged.
    """

    def __init__(self, folder: Path, name: str, settings: Mapping[str, Any]) -> None:
        identity = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        plain = "".join(letter if letter.isalnum() else "-" for letter in name).strip("-")
        self.path = folder / f"{plain}.{identity}.jsonl"
        with storage_errors(self.path):
            folder.mkdir(parents=True, exist_ok=True)
            self.path.touch()
        self.outcomes = self._read()

    def add(self, outcome: Outcome) -> None:
        """Appends an outcome; it is on disk when this returns."""
        line = json.dumps(outcome.to_dict(), ensure_ascii=False) + "\n"
        left = memoryview(line.encode("utf-8", "backslashreplace"))
        with storage_errors(self.path), self.path.open("ab", buffering=0) as file:
            size = file.tell()
            try:
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise
        self.outcomes[outcome.question] = outcome

    def _read(self) -> dict[str, Outcome]:
        """The outcomes by question. Failures are left out, a run that goes on asks those again."""
        whole, _, cut = self.path.read_bytes().rpartition(b"\n")
        if cut:
            with self.path.open("r+b") as file:
                file.truncate(len(whole) + 1 if whole else 0)
        found = [self._outcome(number, line) for number, line in enumerate(whole.split(b"\n"), start=1) if line]
        kept = (outcome for outcome in found if not outcome.error or outcome.error.startswith(UNREAD))
        return {outcome.question: outcome for outcome in kept}

    def _outcome(self, number: int, line: bytes) -> Outcome:
        try:
            return Outcome.from_dict(json.loads(line))
        except (ValueError, TypeError, KeyError) as error:
            hint = "take the line out, or remove the file: its questions are then asked again"
            raise BenchmarkError(f"damaged: {error!r}", file=str(self.path), line=number, hint=hint) from error

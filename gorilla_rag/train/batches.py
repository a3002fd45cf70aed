"""Batches for training with in-batch negatives: no row's right document stands in another row of its batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from sentence_transformers.base.sampler import DefaultBatchSampler

from gorilla_rag.train.rows import Rows

# A batch smaller than this, and than what was asked for, teaches little and is left out, unless it is the only one.
FEWEST = 8


class ApartBatches(DefaultBatchSampler):  # type: ignore[misc]
    """Shuffled batches in which no two rows share a right document.

    Sharing one would punish the model for finding it. Rows that don't fit into a batch go into a later one. Rows of one
    group come one after the other, so in one batch unless it ends between them.

    Args:
        dataset: its description names its corpus.
        rows: of each corpus.
        options: as sentence-transformers gives them.
    """

    def __init__(self, dataset: Any, *, rows: Mapping[str, Rows], **options: Any) -> None:
        super().__init__(dataset, **options)
        self._relevant = rows[dataset.info.description].relevant
        self._blocks = _blocks(rows[dataset.info.description].groups)
        self._known: tuple[int, list[list[int]]] | None = None

    def __iter__(self) -> Iterator[list[int]]:
        """Batches of row numbers; another order each epoch, the same for the same seed."""
        yield from self._made

    def __len__(self) -> int:
        """How many batches this epoch has; another may have one more or less."""
        return len(self._made)

    @property
    def _made(self) -> list[list[int]]:
        if self._known is None or self._known[0] != self.epoch:
            generator = torch.Generator().manual_seed(self.seed + self.epoch)
            order = torch.randperm(len(self._blocks), generator=generator).tolist()
            rows = [row for block in order for row in self._blocks[block]]
            self._known = self.epoch, list(self._batches(rows))
        return self._known[1]

    def _batches(self, rows: Sequence[int]) -> Iterator[list[int]]:
        left, first = list(rows), True
        while left:
            batch, left = self._apart(left)
            if len(batch) < min(FEWEST, self.batch_size) and not first:
                return
            yield batch
            first = False

    def _apart(self, rows: Sequence[int]) -> tuple[list[int], list[int]]:
        """The first rows that go together, up to a whole batch; and the others, in their order."""
        batch: list[int] = []
        others: list[int] = []
        taken: set[str] = set()
        for place, row in enumerate(rows):
            if len(batch) == self.batch_size:
                return batch, [*others, *rows[place:]]
            if taken & self._relevant[row]:
                others.append(row)
            else:
                batch.append(row)
                taken |= self._relevant[row]
        return batch, others


def _blocks(groups: Sequence[str]) -> list[list[int]]:
    """Numbers of the rows that stay together: those of a group, and each that has none by itself."""
    blocks: dict[tuple[str, int], list[int]] = {}
    for row, group in enumerate(groups):
        blocks.setdefault((group, 0) if group else ("", row), []).append(row)
    return list(blocks.values())

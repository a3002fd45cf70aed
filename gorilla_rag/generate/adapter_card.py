"""What an adapter of this project says of itself: for which weights and which prompts it was trained.

It goes along where the adapter is merged with its base. Read before any of its weights are. Imports nothing heavy.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from gorilla_rag.errors import AdapterMismatch, ModelCorrupt
from gorilla_rag.generate.prompt import PROMPT_VERSION

CARD, GGUF = "gorilla.json", "adapter.gguf"
MERGED = "merged"


@dataclass(frozen=True, slots=True)
class AdapterCard:
    """An adapter's card.

    Attributes:
        base: SHA-256 of the weights that it was trained on.
        prompt_version: of the conversations that it has learnt.
        joint_weight: of its label's log-probability when it chooses together with the retriever.
        refuses: whether it has learnt to answer `none` where no document does what is asked.
        merged: whether the adapter is in the weights that the card lies beside.
    """

    base: str
    prompt_version: int
    joint_weight: float
    refuses: bool
    merged: bool = False

    def check(self, folder: Path, base: str | None) -> None:
        """Refuses weights or prompts that the adapter wasn't trained with.

        Args:
            folder: where the card lies.
            base: SHA-256 of the weights; `None` where adapter and weights are one.

        Raises:
            AdapterMismatch: it was trained with others.
        """
        if base is not None and self.base != base:
            raise AdapterMismatch(
                f"the adapter {folder.name!r} is for weights with SHA-256 {self.base[:16]}…, these have {base[:16]}…",
                hint="use the model that the adapter was trained on",
            )
        if self.prompt_version != PROMPT_VERSION:
            raise AdapterMismatch(
                f"the adapter {folder.name!r} has learnt prompts of version {self.prompt_version}, "
                f"these are version {PROMPT_VERSION}",
                hint="train it again with this version of gorilla_rag, or use the version that it was trained with",
            )


def read_merged(folder: Path) -> AdapterCard | None:
    """The card of a model that an adapter is merged with; `None` where it has none, or its card is an adapter's.

    Raises:
        ModelCorrupt: the card can't be read.
        AdapterMismatch: the model has learnt other prompts.
    """
    card = read(folder)
    if card is None or not card.merged:
        return None
    card.check(folder, None)
    return card


def read(folder: Path) -> AdapterCard | None:
    """The card of an adapter; `None` where it has none, as one that was trained elsewhere.

    Raises:
        ModelCorrupt: the card can't be read.
    """
    file = folder / CARD
    if not file.is_file():
        return None
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        card = AdapterCard(
            str(said["base"]["sha256"]),
            int(said["prompt_version"]),
            float(said["joint_weight"]),
            bool(said.get("refuses", False)),
            bool(said.get(MERGED, False)),
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelCorrupt(f"{file} can't be read: {error!r}", hint="train or fetch the adapter again") from error
    if not math.isfinite(card.joint_weight) or card.joint_weight < 0:
        raise ModelCorrupt(f"{file} has the joint weight {card.joint_weight}", hint="train or fetch the adapter again")
    return card

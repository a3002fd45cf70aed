"""How a retriever and a generator are trained: a frozen table of numbers for each. Imports nothing heavy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from gorilla_rag.errors import UsageError


@dataclass(frozen=True, slots=True)
class Settings:
    """How a retriever is trained; what each default was chosen over is in docs/results/retriever.md.

    Attributes:
        epochs: passes over the pairs.
        batch: pairs in a batch; each one's documents are negatives for the others.
        learning_rate: the highest; reached after a tenth of the steps, then falling to zero linearly.
        scale: what cosines are multiplied by before the softmax, the inverse of the temperature.
        negatives: hard negatives of each pair, beside those of its batch.
        longest: tokens of a text that are read in training; the trained model reads as many as its base.
        kept: share of what was learnt that is added to the base. Less than all of it keeps more of what the base knows
            of other texts (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022, arXiv 2109.01903).
        checks: how often in an epoch the held-out corpora are looked at and a checkpoint is written.
        patience: checks without gain on them after which training stops.
        seed: of the order, of what is drawn and of dropout.
        device: a torch device; the processor by default.

    Raises:
        UsageError: a number that can't be.
    """

    epochs: float = 1.0
    batch: int = 64
    learning_rate: float = 5e-5
    scale: float = 20.0
    negatives: int = 1
    longest: int = 64
    kept: float = 1.0
    checks: int = 2
    patience: int = 2
    seed: int = 0
    device: str | None = None

    def __post_init__(self) -> None:
        """Refuses numbers that can't be."""
        above_zero = ("epochs", "learning_rate", "scale", "longest", "checks", "patience")
        wrong = [name for name in above_zero if not 0 < getattr(self, name) < math.inf]
        wrong += ["batch"] if self.batch < 2 else []
        wrong += ["negatives"] if self.negatives < 0 else []
        wrong += ["kept"] if not 0 < self.kept <= 1 else []
        if wrong:
            given = ", ".join(f"{name}={getattr(self, name)}" for name in wrong)
            raise UsageError(
                f"training with {given}",
                hint="batch is two or more, negatives zero or more, kept in (0, 1], the others above zero",
            )


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """How a generator's adapter is trained, as LoRA (Hu et al., arXiv 2106.09685) on seven projections.

    Attributes:
        epochs: passes over the turns.
        batch: turns that are learnt from in one step.
        micro_batch: turns that are computed at once; `batch` is a multiple of it.
        learning_rate: the highest; reached after a twentieth of the steps, then falling to zero as a cosine.
        rank: of the low-rank matrices.
        alpha: what they are multiplied by, times `rank`'s inverse.
        dropout: of what goes into them.
        longest: tokens of a turn with all before it; longer ones are left out and counted, and of a conversation the
            questions at its end that don't fit.
        checks: how often in an epoch the held-out turns are looked at and a checkpoint is written.
        packing: put several turns behind each other in one row, none of which sees another.
        checkpointing: compute activations anew on the way back instead of keeping them: less memory, more time.
        quantize: `4bit` for weights of the base as NF4 (QLoRA, Dettmers et al., arXiv 2305.14314).
        seed: of the order, the matrices and dropout.
        device: a torch device; a GPU where there is one by default.

    Raises:
        UsageError: a number that can't be.
    """

    epochs: float = 1.0
    batch: int = 8
    micro_batch: int = 4
    learning_rate: float = 2e-4
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    longest: int = 1024
    checks: int = 2
    packing: bool = False
    checkpointing: bool = False
    quantize: Literal["4bit"] | None = None
    seed: int = 0
    device: str | None = None

    def __post_init__(self) -> None:
        """Refuses values of another type, and numbers that can't be."""
        wrong = [name for name, kinds in _TYPES.items() if type(getattr(self, name)) not in kinds]
        if not wrong:
            above_zero = ("epochs", "batch", "micro_batch", "learning_rate", "rank", "alpha", "longest", "checks")
            wrong = [name for name in above_zero if not 0 < getattr(self, name) < math.inf]
            wrong += ["dropout"] if not 0 <= self.dropout < 1 else []
            wrong += ["batch"] if "micro_batch" not in wrong and self.batch % self.micro_batch else []
            wrong += ["quantize"] if self.quantize not in (None, "4bit") else []
        if wrong:
            given = ", ".join(f"{name}={getattr(self, name)!r}" for name in wrong)
            raise UsageError(
                f"training with {given}",
                hint="dropout is in [0, 1), batch a multiple of micro_batch, quantize 4bit or nothing, packing and "
                "checkpointing true or false, the others numbers above zero (in YAML 2.0e-4, not 2e-4)",
            )


_NUMBER = (int, float)
_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("batch", "micro_batch", "rank", "alpha", "longest", "checks", "seed"), (int,)),
    **dict.fromkeys(("epochs", "learning_rate", "dropout"), _NUMBER),
    **dict.fromkeys(("packing", "checkpointing"), (bool,)),
    **dict.fromkeys(("quantize", "device"), (str, type(None))),
}

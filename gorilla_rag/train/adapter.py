"""Trains a generator's adapter: low-rank matrices beside a causal language model's weights, by trl's trainer.

Knows turns and models; where turns come from is the business of other modules. Importing this one imports torch,
transformers, peft and trl, which takes seconds.
"""

from __future__ import annotations

import json
import math
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gorilla_rag.errors import AdapterMismatch, ExtraMissing, GenerationFailed, ModelMissing, UsageError

try:
    import torch
    from datasets import Dataset, disable_progress_bars
    from peft import LoraConfig, PeftModel
    from peft.helpers import disable_input_dtype_casting
    from torch.nn import functional
    from torch.utils.tensorboard import SummaryWriter
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTConfig, SFTTrainer
except ImportError as error:
    raise ExtraMissing(
        f"{error.name} is not installed", hint="install the extra: pip install 'gorilla-rag[train]'"
    ) from error

from gorilla_rag import devices
from gorilla_rag.encoders.bf16 import has_fast_bf16
from gorilla_rag.files import write_text
from gorilla_rag.generate import adapter_card, adapters, checkpoint
from gorilla_rag.generate.adapter_card import CARD, GGUF
from gorilla_rag.generate.disk import disk_errors
from gorilla_rag.generate.prompt import PROMPT_VERSION
from gorilla_rag.generate.transformers import TransformersGenerator
from gorilla_rag.generate.vocabulary import Vocabulary
from gorilla_rag.train import adapter_gguf, checkpoints, folder, reading, watch
from gorilla_rag.train.model_card import README, model_card
from gorilla_rag.train.settings import AdapterSettings
from gorilla_rag.train.turns import Turn
from gorilla_rag.train.watch import Progress

ADAPTER, CHECKS = "adapter", "checks.json"
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
Check = Callable[[TransformersGenerator], Mapping[str, float]]
"""Measures a generator on held-out questions; figures by name."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """What came of a training.

    Attributes:
        folder: the adapter, as PEFT saves it, with its card.
        steps: how often weights were changed.
        seconds: spent on it, checks included, in this run.
        turns: how many were learnt from.
        too_long: how many were left out as they are longer than `AdapterSettings.longest`.
        losses: mean loss of each tenth of the steps.
        checks: by step, what was measured then; step 0 is the base.
    """

    folder: Path
    steps: int
    seconds: float
    turns: int
    too_long: int
    losses: tuple[float, ...]
    checks: Mapping[str, Mapping[str, float]]


def train_adapter(
    turns: Sequence[Turn],
    base: str | Path,
    out: Path,
    *,
    start: Path | None = None,
    check: Check | None = None,
    settings: AdapterSettings | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Adapter:
    """Trains an adapter and writes it to `out / "adapter"`.

    The loss is the cross-entropy of what a turn should write, of nothing before it; of what
    is computed at once, all that is written in one go counts the same, a label as much as a sentence.

    Args:
        turns: what is learnt.
        base: a model by whatever name `generate/checkpoint.py` finds it.
        out: a folder of its own; checkpoints and TensorBoard's logs (`logs`) go there too.
        start: an adapter for this base to go on from; its rank, scale and dropout are those that count.
        check: measures the model before the first step, at each check and at the end.
        settings: the defaults if not given.
        resume: go on from the last checkpoint in `out`; of a training that is done, only what came of it is given.
        progress: told how many of how many steps are done.

    Raises:
        UsageError: no turns, or none that is short enough; `base` has no chat template; `out` holds another training;
            nothing to resume, or with other settings or turns.
        ModelMissing, ModelCorrupt: `base` isn't a model that can be loaded, or `start` no adapter.
        AdapterMismatch: `start` is for another base or other prompts, or isn't one of this project.
        TrainingDiverged: the loss isn't a number any more; the last good checkpoint stays.
        StorageFull: the disk is full; the last whole checkpoint stays and can be resumed.
        GenerationFailed: the device has too little memory; the base's chat template fails.
        DeviceMissing, ExtraMissing: this machine doesn't have the device; a package isn't installed.
    """
    settings = settings or AdapterSettings()
    if not turns:
        raise UsageError("there is nothing to train on", hint="give examples")
    found = checkpoint.find(base)
    record = _record(turns, checkpoint.digest(found.weights), settings, start)
    reached, done = _prepared(out, record, resume=resume)
    if done:
        return done
    model, tokenizer = _loaded(found, settings, start)
    longest = min(settings.longest, checkpoint.positions(model.config) or settings.longest)
    rows, too_long = _rows(turns, tokenizer, model, longest)
    if not resume:
        folder.begin(out, record)
    with disk_errors(out), _memory(settings):
        measured = _Measured(check, tokenizer, found.id, out)
        trainer = _trainer(model, tokenizer, rows, out, settings, [measured, watch.Told(progress)])
        with disable_input_dtype_casting(trainer.model):  # autocast chooses; to float32 and back takes a tenth longer
            ran = trainer.train(resume_from_checkpoint=str(reached) if reached else None)
        losses = watch.losses(trainer.state)
        card = _card(min(found.names), settings, ran.global_step, measured.found, record)
        _save(trainer.model, out, card, model_card(card, turns, too_long=too_long, longest=longest, losses=losses))
    seconds = ran.metrics["train_runtime"]
    made = Adapter(out / ADAPTER, ran.global_step, seconds, len(rows), too_long, losses, measured.found)
    folder.close(out, {name: value for name, value in asdict(made).items() if name != "folder"})
    return made


def _loaded(found: checkpoint.Checkpoint, settings: AdapterSettings, start: Path | None) -> tuple[Any, Any]:
    """The base on its device, in bf16 where that is the faster, with what is gone on from; and its tokenizer.

    Raises:
        UsageError: it has none of the projections that are adapted, or not all; it has no chat template.
    """
    place = devices.find(settings.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    low = torch.cuda.is_bf16_supported() if place.type == "cuda" else has_fast_bf16()
    model, tokenizer = checkpoint.load(
        found, device=place, dtype="bfloat16" if low else "float32", quantize=settings.quantize
    )
    reading.check_template(tokenizer, found.id)
    there = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    if missing := [name for name in PROJECTIONS if name not in there]:
        raise UsageError(
            f"{found.id!r} has no {', '.join(missing)}", hint="use a model of Llama's shape, such as Qwen's or SmolLM2"
        )
    return adapters.attach(model, start, found.names, trainable=True) if start else model, tokenizer


@contextmanager
def _memory(settings: AdapterSettings) -> Iterator[None]:
    """Says what to do where the device has too little memory.

    Raises:
        GenerationFailed: it has.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise GenerationFailed(
            f"the device has too little memory: {str(error).splitlines()[0]}",
            hint=f"lower micro_batch (it is {settings.micro_batch}), or set checkpointing or quantize=4bit",
        ) from error


def _rows(turns: Sequence[Turn], tokenizer: Any, model: Any, longest: int) -> tuple[Dataset, int]:
    vocabulary = Vocabulary(tokenizer, size=model.config.get_text_config().vocab_size, stops=())
    encoded = [row for turn in turns for row in reading.tokens(turn, vocabulary)]
    kept = [(row, mask) for row, mask in (reading.cut(*one, longest) for one in encoded) if row]
    if not kept:
        hint = "raise the setting `longest`, or take a base with a longer context where that is the limit"
        raise UsageError(f"every turn has more than {longest} tokens", hint=hint)
    columns = {"input_ids": [row for row, _ in kept], "completion_mask": [mask for _, mask in kept]}
    return Dataset.from_dict(columns), len(encoded) - len(kept)


def _record(turns: Sequence[Turn], base: str, settings: AdapterSettings, start: Path | None) -> dict[str, Any]:
    """What a training is identified by: a resumed one has to be the same.

    Raises:
        ModelMissing, ModelCorrupt, AdapterMismatch: it can't start from this adapter.
    """
    return {
        "base": base,
        "start": _digest(start, base) if start else None,
        "prompt": PROMPT_VERSION,
        "settings": asdict(settings),
        "refuses": any(turn.may_refuse for turn in turns),
        "turns": checkpoints.digest([asdict(turn) for turn in turns]),
        "versions": {name: version(name) for name in ("trl", "peft", "transformers", "torch")},
    }


def _digest(start: Path, base: str) -> str:
    """SHA-256 of an adapter's weights.

    Raises:
        ModelMissing, ModelCorrupt: they aren't there, or their card can't be read.
        AdapterMismatch: they are for another base or other prompts, or nothing says for which.
    """
    card = adapter_card.read(start)
    if card is None:
        raise AdapterMismatch(
            f"{start} has no {CARD}, so nothing says what it has learnt", hint="start from an adapter of this project"
        )
    card.check(start, base)
    if not (file := start / adapters.WEIGHTS).is_file():
        raise ModelMissing(f"{file} isn't there", hint="give the folder of an adapter")
    return checkpoint.digest((file,))


def _prepared(out: Path, record: dict[str, Any], *, resume: bool) -> tuple[Path | None, Adapter | None]:
    """The checkpoint to go on from, if any, and what came of a training that is done."""
    folder.check(out, resume=resume)
    if not resume:
        return None, None
    done = folder.resumed(out, record)
    if not done or not (out / ADAPTER).is_dir():
        return checkpoints.last(out), None
    return None, Adapter(out / ADAPTER, **done | {"losses": tuple(done["losses"])})


def _trainer(
    model: Any, tokenizer: Any, rows: Dataset, out: Path, settings: AdapterSettings, told: list[TrainerCallback]
) -> _Trainer:
    disable_progress_bars()
    arguments = SFTConfig(
        output_dir=str(out / folder.CHECKPOINTS),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.micro_batch,
        gradient_accumulation_steps=settings.batch // settings.micro_batch,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        bf16=model.dtype == torch.bfloat16,
        use_cpu=model.device.type == "cpu",
        completion_only_loss=True,
        max_length=settings.longest,
        packing=settings.packing,
        train_sampling_strategy="random" if settings.packing else "group_by_length",
        activation_checkpointing=settings.checkpointing,
        save_total_limit=2,
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        seed=settings.seed,
        dataloader_pin_memory=model.device.type == "cuda",
    )
    lora = None
    if not isinstance(model, PeftModel):
        lora = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules=list(PROJECTIONS),
            task_type="CAUSAL_LM",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # trl asks transformers by a name that is going
        made = _Trainer(
            model=model,
            args=arguments,
            train_dataset=rows,
            processing_class=tokenizer,
            peft_config=lora,
            callbacks=[checkpoints.Marked(), *told, watch.board(out)],
        )
    made.remove_callback(PrinterCallback)
    _pace(made, settings)
    return made


def _pace(trainer: _Trainer, settings: AdapterSettings) -> None:
    """Sets how often a checkpoint and a loss are due, by the rows that there are once turns are packed."""
    per_epoch = math.ceil(len(trainer.train_dataset) / settings.batch)
    total = max(1, int(per_epoch * settings.epochs))
    trainer.args.save_steps = max(1, per_epoch // settings.checks)
    trainer.args.logging_steps = max(1, total // 10)
    trainer.args.warmup_steps = total // 20


class _Trainer(SFTTrainer):  # type: ignore[misc]
    """trl's trainer, to which all that is written in one go counts the same; writes no model card."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.model_accepts_loss_kwargs = False  # losses are means, so those of a step's batches are averaged

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The mean over all that is written in one go of the mean of each.

        Over tokens alone, a label would count a fiftieth of a sentence. Where turns are packed, those computed at once
        share what their batch counts in the step. Logits are computed only where something is to be written.

        Raises:
            TrainingDiverged: it isn't finite.
        """
        del num_items_in_batch
        labels = inputs["labels"]
        written = (labels[:, 1:] != -100).any(dim=0).nonzero().flatten()
        # What rows are filled up with stands at their end, where no token looks: without a mask, attention is faster.
        given = {name: value for name, value in inputs.items() if name not in ("labels", "attention_mask")}
        outputs = model(**given, use_cache=False, logits_to_keep=written)
        wanted = labels[:, written + 1]
        losses = functional.cross_entropy(outputs.logits.float().transpose(1, 2), wanted, reduction="none")
        loss = mean_over_turns(losses, wanted != -100, _turn_of(labels)[:, written + 1])
        watch.check_loss(loss, self.state)
        return (loss, outputs) if return_outputs else loss

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Writes none: the card of this project is written when the training is done."""


def mean_over_turns(losses: torch.Tensor, is_written: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """The mean over turns of the mean of their own losses.

    Args:
        losses: of tokens, shape [rows, tokens].
        is_written: whether a token is one that is to be written, same shape.
        turn: the number of the turn that a token belongs to, same shape.
    """
    counts = torch.bincount(turn[is_written])
    return (losses[is_written] / counts[turn[is_written]]).sum() / (counts > 0).sum()


def _turn_of(labels: torch.Tensor) -> torch.Tensor:
    """The number of what each token that is to be written belongs to: what is written in one go, in order."""
    is_written = (labels != -100).flatten()
    before = torch.roll(is_written, 1)
    before[:: labels.shape[1]] = False
    return (is_written & ~before).cumsum(0).reshape(labels.shape)


class _Measured(TrainerCallback):  # type: ignore[misc]
    """Measures the model before the first step and whenever a checkpoint is due, and keeps what it found."""

    def __init__(self, check: Check | None, tokenizer: Any, name: str, out: Path) -> None:
        self._check, self._tokenizer, self._name = check, tokenizer, name
        self._board = SummaryWriter(str(out / folder.LOGS), flush_secs=10)
        self._file = out / CHECKS
        kept = self._file.read_text(encoding="utf-8") if self._file.is_file() else "{}"
        self.found: dict[str, Mapping[str, float]] = json.loads(kept)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """The base's figures, or those at the step that is gone on from."""
        self._measure(kwargs["model"], state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Figures at a checkpoint."""
        self._measure(kwargs["model"], state.global_step)

    def _measure(self, model: Any, step: int) -> None:
        if not self._check or str(step) in self.found:
            return
        model.eval()
        caching, model.config.use_cache = model.config.use_cache, True
        with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=model.dtype == torch.bfloat16):
            figures = self._check(TransformersGenerator.from_model(model, self._tokenizer, id=self._name))
        model.config.use_cache = caching
        model.train()
        self.found[str(step)] = {name: round(float(value), 4) for name, value in figures.items()}
        write_text(self._file, json.dumps(self.found))
        for name, value in figures.items():
            self._board.add_scalar(f"held-out/{name}", value, step)


def _card(
    base: str,
    settings: AdapterSettings,
    steps: int,
    checks: Mapping[str, Mapping[str, float]],
    record: Mapping[str, Any],
) -> dict[str, Any]:
    """What has to be known to use an adapter, and how it came about."""
    return {
        "base": {"name": base, "sha256": record["base"]},
        "prompt_version": PROMPT_VERSION,
        "joint_weight": 0.0,
        "refuses": record["refuses"],
        "settings": asdict(settings),
        "steps": steps,
        "checks": dict(checks),
        "turns": record["turns"],
        "start": record["start"],
        "versions": record["versions"],
    }


def _save(model: Any, out: Path, card: Mapping[str, Any], readme: str) -> None:
    partial = out / f".{ADAPTER}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    model.peft_config["default"].base_model_name_or_path = card["base"]["name"]
    # Embeddings aren't adapted; to find that out by itself, PEFT would ask the hub for the base.
    model.save_pretrained(str(partial), safe_serialization=True, save_embedding_layers=False)
    write_text(partial / README, readme)  # in the place of PEFT's own, an empty form
    shape = model.config.get_text_config().to_dict()
    if shape["model_type"] in adapter_gguf.ARCHITECTURES:
        adapter_gguf.write_gguf(partial, shape, partial / GGUF)
    write_text(partial / CARD, json.dumps(card, indent=1))
    shutil.rmtree(out / ADAPTER, ignore_errors=True)
    partial.replace(out / ADAPTER)

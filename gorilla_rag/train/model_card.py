"""The card of an adapter for people, as Markdown: what it is for, what it has learnt, how it did and how it is used.

Made from the very card that the machine reads (`generate/adapter_card.py`) and from what the training knows beside it.
Knows no files and no weights; claims no licence.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from gorilla_rag.models import registry
from gorilla_rag.train.card import cell
from gorilla_rag.train.turns import Step, Turn

README = "README.md"
_LIBRARY, _USE = "library_name: ", "## How it is used"
_MERGED_USE = f"""{_USE}

The adapter is merged with its base: this folder is a whole model, with `MODEL` as its name or path.

    gorilla-rag ask "…" --index INDEX --generator transformers:MODEL

    Gorilla.load(index, generator="transformers:MODEL")

"""


def model_card(
    card: Mapping[str, Any], turns: Sequence[Turn], *, too_long: int, longest: int, losses: Sequence[float]
) -> str:
    """The card of an adapter, with the front matter that model hubs read.

    Args:
        card: what `gorilla.json` holds.
        turns: what was given to learn from.
        too_long: how many of them were left out as too long.
        longest: tokens of a turn above which it was.
        losses: mean loss of each tenth of the steps.
    """
    name = cell(card["base"]["name"])
    lines = [
        *_front_matter(card),
        f"# An adapter for {name}",
        "",
        "Low-rank matrices (LoRA) beside the base's weights, trained by gorilla_rag to answer a question with a call "
        "of a documented API: to pick a document, to fill in its arguments, to explain the call.",
        "",
        *_facts(card),
        "",
        *_use(card),
        "## What it was trained on",
        "",
        *_learnt(turns, too_long, longest),
        "",
        "## How it did",
        "",
        *_held_out(card["checks"], start=bool(card["start"])),
        "",
        *_losses(losses, card["steps"]),
        "",
        "## How it was trained",
        "",
        *_table(("Setting", "Value"), [(setting, json.dumps(value)) for setting, value in card["settings"].items()]),
        "",
        *_table(("Package", "Version"), list(card["versions"].items())),
        "",
        "## Limits",
        "",
        *_limits(card),
        "",
    ]
    return "\n".join(lines)


def merged_card(text: str) -> str:
    """An adapter's card as that of the model that it is merged with: used otherwise, the rest as it is."""
    said = re.sub(rf"^{_LIBRARY}peft$", f"{_LIBRARY}transformers", text, count=1, flags=re.MULTILINE)
    return re.sub(rf"^{_USE}\n.*?(?=^## |\Z)", lambda _: _MERGED_USE, said, count=1, flags=re.MULTILINE | re.DOTALL)


def _front_matter(card: Mapping[str, Any]) -> Iterator[str]:
    yield "---"
    yield f"base_model: {json.dumps(card['base']['name'])}"
    yield f"{_LIBRARY}peft"
    yield "tags: [lora, function-calling, gorilla-rag]"
    yield "---"
    yield ""


def _facts(card: Mapping[str, Any]) -> Iterator[str]:
    settings = card["settings"]
    yield f"- Base: {cell(card['base']['name'])}, whose weights have the SHA-256 `{card['base']['sha256']}`."
    yield f"- Prompts: version {card['prompt_version']}."
    refuses = "yes: it refuses where no document does what is asked" if card["refuses"] else "no, it always picks one"
    yield f"- May answer `none`: {refuses}."
    weight = card["joint_weight"]
    unused = ", so that the retriever alone decides there" if not weight else ""
    yield f"- Weight of its choice beside the retriever's (`--chooser joint`): {weight:g}{unused}."
    shape = f"rank {settings['rank']}, alpha {settings['alpha']}"
    if card["start"]:
        shape = f"rank and alpha of the adapter that it goes on from, whose weights have the SHA-256 `{card['start']}`"
    yield f"- Training: {card['steps']:,} steps, seed {settings['seed']}; {shape}."


def _use(card: Mapping[str, Any]) -> Iterator[str]:
    name = card["base"]["name"]
    known = name in registry.MODELS
    spec, base = (name, name) if known else ("transformers:BASE", "BASE")
    where = "" if known else f" and `BASE` the name or path of {cell(name)}"
    yield _USE
    yield ""
    yield f"With `FOLDER` for this folder{where}:"
    yield ""
    yield f'    gorilla-rag ask "…" --index INDEX --generator {spec} --adapter FOLDER --chooser model'
    yield ""
    yield "    from gorilla_rag import Gorilla"
    yield "    from gorilla_rag.generate.load import load_generator"
    yield ""
    yield f'    Gorilla.load(index, generator=load_generator("{spec}", adapter="FOLDER"))'
    yield ""
    yield "Base and adapter as one model, which needs no adapter any more:"
    yield ""
    yield f"    gorilla-rag train merge FOLDER --base {base} --out MODEL"
    yield ""


def _learnt(turns: Sequence[Turn], too_long: int, longest: int) -> Iterator[str]:
    counts = Counter((turn.source, turn.step) for turn in turns)
    steps = [step for step in get_args(Step) if any(step == one for _, one in counts)]
    sources = sorted({source for source, _ in counts})
    rows = [[source, *(counts[source, step] for step in steps)] for source in sources]
    rows.append(["all", *(sum(counts[source, step] for source in sources) for step in steps)])
    yield from _table(("Turns from", *steps, "all"), [[*row, sum(row[1:])] for row in rows])
    yield ""
    yield f"Left out of these {len(turns):,} turns, as they have more than {longest:,} tokens: {too_long:,}."


def _held_out(checks: Mapping[str, Mapping[str, float]], *, start: bool) -> Iterator[str]:
    names = sorted({name for figures in checks.values() for name in figures})
    if not names:
        yield "No questions were held out: how it does on others than those that it was trained on isn't known."
        return
    begun = "the adapter that it goes on from" if start else "the base without the adapter"
    yield f"On what was held out, after so many steps; step 0 is {begun}."
    yield ""
    rows = [[step, *(figures.get(name, "–") for name in names)] for step, figures in checks.items()]
    yield from _table(("Step", *names), rows)


def _losses(losses: Sequence[float], steps: int) -> Iterator[str]:
    if losses:
        yield f"Mean loss of each tenth of the {steps:,} steps, in training: {', '.join(map(str, losses))}."


def _limits(card: Mapping[str, Any]) -> Iterator[str]:
    yield "- It fits no other weights and no other prompts than those named above; gorilla_rag checks both."
    yield "- It was measured on nothing but what stands above: not on other sources, languages or kinds of API."
    yield "- What it writes may be wrong: another document than the right one, a wrong value, a false sentence."
    if not card["refuses"]:
        yield "- It hasn't learnt to say that no document does what is asked."
    yield "- No licence is stated here: see the base's, and those of the sources."


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    """The first column to the left, the others to the right."""
    for row in (header, ["---", *["--:"] * (len(header) - 1)], *rows):
        yield f"| {' | '.join(cell(str(value)) for value in row)} |"

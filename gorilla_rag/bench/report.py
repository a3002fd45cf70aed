"""Runs the sections one after the other and keeps what they found in one JSON file, rewritten after every row.

A section that fails keeps its rows and says why. A run that stopped goes on where it was: sections that are done are
left as they are, others are measured from their beginning.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from gorilla_rag import devices
from gorilla_rag.bench import bandwidth, encoding, generation, machine, search, words
from gorilla_rag.bench.settings import SECTIONS, Scale
from gorilla_rag.errors import GorillaError, UsageError
from gorilla_rag.files import write_text

FORMAT = 1
Rows = Iterator[dict[str, Any]]
Tell = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """What is measured.

    Attributes:
        device: a torch device's name.
        scale: the sizes.
        seconds: how long each row is measured, at least.
        encoder: the encoder's name, or a model's folder.
    """

    device: str
    scale: Scale
    seconds: float
    encoder: str


def run(settings: Settings, out: Path, *, sections: Sequence[str] = SECTIONS, tell: Tell) -> dict[str, Any]:
    """Measures, writes `out`, and returns what stands in it.

    Args:
        settings: sizes and device.
        out: the file; one that is there is gone on with.
        sections: which of `SECTIONS`, in their own order.
        tell: called with the section's name and each row as it is found.

    Raises:
        DeviceMissing, ExtraMissing: the device or torch isn't there.
        UsageError: an unknown section, or a file there that holds other figures.
        StorageFull: the disk is full.
    """
    if unknown := sorted(set(sections) - set(SECTIONS)):
        raise UsageError(f"unknown sections {unknown}", hint=f"the sections are {', '.join(SECTIONS)}")
    device = devices.find(settings.device)
    data = _begun(out, settings, device)
    for name, work in _plan(settings, device, sections, data):
        if data["sections"].get(name, {}).get("status") == "done":
            continue
        found: dict[str, Any] = {"status": "unfinished", "reason": None, "rows": []}
        data["sections"][name] = found
        try:
            for row in work():
                found["rows"].append(row)
                _write(out, data)
                tell(name, row)
            found["status"] = "done"
        except (GorillaError, RuntimeError, MemoryError) as error:  # torch's out of memory is a RuntimeError
            found |= {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
        _write(out, data)
        _release(device)
    return data


def _plan(
    settings: Settings, device: torch.device, sections: Sequence[str], data: dict[str, Any]
) -> Iterator[tuple[str, Callable[[], Rows]]]:
    """Each section's name and its work; a size of vectors is a section by itself."""
    scale, seconds = settings.scale, settings.seconds
    if "bandwidth" in sections:
        yield "bandwidth", partial(bandwidth.rows, scale.copied_bytes, device, seconds)
    if "encoding" in sections:
        yield "encoding", partial(encoding.rows, settings.encoder, scale.texts, device, seconds)
    for count in scale.vectors if "dense" in sections else ():
        asked = count, scale.dimension, scale.batches
        yield f"dense_{count}", partial(search.rows, *asked, device, seconds, _bandwidth(data))
    if "bm25" in sections:
        yield "bm25", partial(words.rows, scale.documents, scale.vocabulary, scale.batches, device, seconds)
    if "generation" in sections:
        shape = scale.model, scale.prompts, scale.tokens
        yield "generation", partial(generation.rows, *shape, device, seconds, _bandwidth(data))


def _bandwidth(data: dict[str, Any]) -> float | None:
    """The measured memory bandwidth in bytes/s; `None` when it wasn't."""
    found = data["sections"].get("bandwidth", {}).get("rows")
    return float(found[0]["bytes_per_second"]) if found else None


def _begun(out: Path, settings: Settings, device: torch.device) -> dict[str, Any]:
    """The file's content so far, or the beginning of a new one.

    Raises:
        UsageError: what stands there isn't a benchmark of this device and these settings.
    """
    own = json.loads(json.dumps({"format": FORMAT, "settings": asdict(settings), "machine": machine.describe(device)}))
    if not out.exists():
        return {**own, "sections": {}}
    try:
        found: Any = json.loads(out.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict) or {key: found.get(key) for key in own} != own or "sections" not in found:
        raise UsageError(f"{out} holds something else, or figures of other settings", hint="give another --out")
    return found


def _write(out: Path, data: dict[str, Any]) -> None:
    write_text(out, json.dumps(data, indent=1) + "\n")


def _release(device: torch.device) -> None:
    """Gives a section's memory back before the next one."""
    gc.collect()
    if device.type != "cpu":
        torch.accelerator.memory.empty_cache()

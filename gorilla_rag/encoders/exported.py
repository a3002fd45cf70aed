"""An encoder's export on disk: its ONNX graph, its tokenizer, and the record that says what they are.

The record is written last and names the SHA-256 of both files. `export.py` makes one, `onnx.py` uses one; this file
knows neither torch nor ONNX.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gorilla_rag.digests import digests
from gorilla_rag.encoders import Kind
from gorilla_rag.encoders.tokens import Layout
from gorilla_rag.files import write_text

GRAPH = "encoder.onnx"
TOKENIZER = "encoder.tokenizer.json"
RECORD = "encoder.onnx.json"
VERSION = 2
_MEMORY = ".encoder.verified.json"


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export says of itself.

    Attributes:
        model: `sha256` of the encoder that it was made from.
        dimension: length of the vectors.
        prompts: what goes before a question and before a document.
        layout: how the graph wants its tokens.
        sha256: of each file, by name; empty where the model could not be exported.
        reason: why it could not.
        milliseconds: by backend (`onnx`, `torch`), what one question (`question`) and one of many documents
            (`document`) took when the export was made.
        version: of this format.
    """

    model: str
    dimension: int
    prompts: Mapping[Kind, str]
    layout: Layout = field(default_factory=Layout)
    sha256: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    milliseconds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    version: int = VERSION

    def faster(self, what: str) -> str:
        """The backend that took less time for a `question` or a `document`; `torch` where there is no graph."""
        if not self.sha256:
            return "torch"
        return min(self.milliseconds, key=lambda backend: self.milliseconds[backend][what])


def read(folder: Path, model: str) -> Exported | None:
    """The record of an export of that encoder; `None` without one, or with one of another encoder or version."""
    try:
        said = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        layout = said.pop("layout")
        found = Exported(**said, layout=Layout(**{**layout, "inputs": tuple(layout["inputs"])}))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return found if (found.model, found.version) == (model, VERSION) else None


def write(folder: Path, made: Exported) -> None:
    """Puts a record in place.

    Raises:
        StorageFull: the disk is full.
    """
    write_text(folder / RECORD, json.dumps(asdict(made), indent=1))


def is_whole(folder: Path, found: Exported) -> bool:
    """Whether there is a graph, and its files have the SHA-256 that the record names."""
    files = [folder / name for name in found.sha256]
    if not files or not all(file.is_file() for file in files):
        return False
    return digests(files, folder / _MEMORY) == list(found.sha256.values())


def is_exported(folder: Path, model: str) -> bool:
    """Whether the graph of that encoder is there and whole."""
    found = read(folder, model)
    return found is not None and is_whole(folder, found)

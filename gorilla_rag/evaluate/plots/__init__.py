"""The pictures of a report, drawn by matplotlib from the report's JSON: one file a picture, `PLOTS` the table of them.

Knows nothing of questions, models or how a figure was measured. The same data gives the same bytes, whatever the
user's matplotlib settings are. Every row is told apart by place, marker or line style as well as by colour; colours
are Okabe and Ito's, which colour-blind readers can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gorilla_rag.evaluate.plots import accuracy, by_rank, calibration, latency, risk_coverage
from gorilla_rag.evaluate.plots.style import FORMATS, Data, file_of, styled
from gorilla_rag.files import storage_errors, write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLOTS = {
    "accuracy": accuracy.draw,
    "by_rank": by_rank.draw,
    "calibration": calibration.draw,
    "risk_coverage": risk_coverage.draw,
    "latency": latency.draw,
}


def draw(name: str, data: Data) -> Figure | None:
    """One picture, or `None` where the report has no figures for it.

    Args:
        name: one of `PLOTS`.
        data: a report's JSON.

    Raises:
        ExtraMissing: matplotlib isn't installed.
    """
    with styled():
        return PLOTS[name](data)


def pictures(data: Data) -> dict[str, dict[str, bytes]]:
    """Every picture that the report has figures for, by name: `{"png": …, "svg": …}`.

    Raises:
        ExtraMissing: matplotlib isn't installed.
    """
    found = {}
    with styled():
        for name, make in PLOTS.items():
            if (figure := make(data)) is not None:
                found[name] = {kind: file_of(figure, kind) for kind in FORMATS}
    return found


def save(pictures: Mapping[str, Mapping[str, bytes]], folder: Path) -> None:
    """Writes `name.png` and `name.svg` into a folder, and takes away those that this report has no figures for.

    Raises:
        StorageFull: the disk took no more; each file is the old one or the new one.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in PLOTS:
            for kind in FORMATS:
                path = folder / f"{name}.{kind}"
                if name in pictures:
                    write_bytes(path, pictures[name][kind])
                else:
                    path.unlink(missing_ok=True)

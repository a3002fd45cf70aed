"""`Report`: what an evaluation found, as plain JSON, with its faces: data frame, pictures, HTML, table, files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gorilla_rag.errors import BenchmarkError, ExtraMissing, UsageError
from gorilla_rag.evaluate.metrics import METRICS
from gorilla_rag.files import write_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FORMAT = 1
NAME = "report.json"
_DIGITS = 6


class Report:
    """What an evaluation found.

    Args:
        data: JSON; `timings` is all of it that differs between two runs of the same command.

    Attributes:
        data: the same, figures rounded to six digits.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data: dict[str, Any] = _rounded(dict(data))

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The rows by name."""
        return {row["name"]: row for row in self.data["rows"]}

    def to_pandas(self) -> pd.DataFrame:
        """One line a row and metric: `row, kind, metric, average, value, low, high, count`.

        Raises:
            ExtraMissing: pandas isn't installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ExtraMissing("to_pandas needs pandas", hint="pip install 'gorilla-rag[evaluate]'") from error
        lines = [
            {"row": row["name"], "kind": row["kind"], "metric": name, "average": average, **estimate}
            for row in self.data["rows"]
            for name, averages in row["metrics"].items()
            for average, estimate in averages.items()
        ]
        return pd.DataFrame(lines)

    def plot(self, name: str = "accuracy") -> Figure:
        """One picture: `accuracy`, `by_rank`, `calibration`, `risk_coverage` or `latency`.

        Raises:
            UsageError: an unknown picture, or one that this evaluation has no figures for.
            ExtraMissing: matplotlib isn't installed.
        """
        from gorilla_rag.evaluate import plots

        if name not in plots.PLOTS:
            raise UsageError(f"picture {name!r}", hint=f"use one of {', '.join(plots.PLOTS)}")
        figure = plots.draw(name, self.data)
        if figure is None:
            raise UsageError(f"there is nothing to draw for {name!r}", hint="evaluate rows that have such figures")
        return figure

    def save(self, folder: str | Path) -> Path:
        """Writes `report.json`, `report.html` and `plots/` (PNG and SVG); returns the HTML's path.

        Raises:
            StorageFull: the disk takes no more; each file is the old one or the new one.
        """
        from gorilla_rag.evaluate import html, plots

        out = Path(folder)
        write_text(out / NAME, json.dumps(self.data, ensure_ascii=False, indent=1) + "\n")
        pictures = plots.pictures(self.data)
        plots.save(pictures, out / "plots")
        page = out / "report.html"
        write_text(page, html.page(self.data, pictures))
        return page

    @classmethod
    def load(cls, path: str | Path) -> Report:
        """A saved report, from its folder or its `report.json`.

        Raises:
            BenchmarkError: there is none, or it is of another format.
        """
        file = Path(path)
        file = file / NAME if file.is_dir() else file
        hint = "name the folder that `gorilla-rag eval --out` wrote"
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BenchmarkError(f"can't be read: {error}", file=str(file), line=0, hint=hint) from error
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise BenchmarkError(f"not a report of format {FORMAT}", file=str(file), line=0, hint=hint)
        return cls(data)

    def _repr_html_(self) -> str:
        """The report as a notebook shows it."""
        from gorilla_rag.evaluate import html, plots

        return html.body(self.data, plots.pictures(self.data))

    def __repr__(self) -> str:
        about = self.data["benchmark"]
        return f"Report({about['name']!r}, {about['questions']} questions, {len(self.data['rows'])} rows)"


def labels() -> dict[str, str]:
    """What people call each metric."""
    return {metric.name: metric.label for metric in METRICS}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value

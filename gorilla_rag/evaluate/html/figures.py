"""The pictures in the page, each with words for it and its PNG. Draws nothing."""

from __future__ import annotations

from collections.abc import Mapping

from gorilla_rag.evaluate.html.markup import data_uri, text

_CAPTIONS = {
    "accuracy": (
        "Accuracy of each row with its interval",
        "The further right a dot, the more often exactly the documented call is given; where two lines overlap widely, "
        "the difference may be chance.",
    ),
    "by_rank": (
        "Accuracy by the rank of the right document",
        "Whoever takes the first candidate is right at rank 1 and nowhere else; points above 0 further right are right "
        "documents that the model found among the others.",
    ),
    "calibration": (
        "Confidence against accuracy",
        "On the dashed line, confidence is what it says; below it the answers are less often right than they claim, "
        "and ECE is the mean distance, each answer counting the same.",
    ),
    "risk_coverage": (
        "Accuracy against coverage",
        "Read from the right, where every answer is kept, to the left, where only the most confident ones are: a line "
        "that rises to the left has a confidence worth a threshold.",
    ),
    "latency": (
        "Time of each step of an answer",
        "Each mark is the median and each line goes on to the 95th percentile, on a scale where every step to the "
        "right is ten times as long; percentiles of steps don't add up to that of the whole.",
    ),
}


def picture(name: str, files: Mapping[str, bytes]) -> str:
    """A picture that needs no file beside the page; a click on `PNG` saves it."""
    what, reading = _CAPTIONS[name]
    png = data_uri("image/png", files["png"])
    return (
        f'<figure>\n<img alt="{text(what)}" src="{data_uri("image/svg+xml", files["svg"])}">\n'
        f'<figcaption>{text(reading)} <a download="{name}.png" href="{png}">PNG</a></figcaption>\n</figure>'
    )

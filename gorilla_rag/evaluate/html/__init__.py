"""The report as one HTML page that needs nothing else: no network, no script, no file beside it.

Knows the report's JSON and pictures as bytes; draws and measures nothing. Every text of the report is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping

from gorilla_rag.evaluate.html.costs import costs
from gorilla_rag.evaluate.html.facts import facts, made_with
from gorilla_rag.evaluate.html.figures import picture
from gorilla_rag.evaluate.html.labels import labels
from gorilla_rag.evaluate.html.markup import Data, text
from gorilla_rag.evaluate.html.style import PAGE_STYLE, STYLE
from gorilla_rag.evaluate.html.tables import main, metrics, overrides, refusals, retrieval

Pictures = Mapping[str, Mapping[str, bytes]]


def page(data: Data, pictures: Pictures) -> str:
    """The whole document.

    Args:
        data: a report's JSON.
        pictures: by name, each as `png` and `svg`.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(data['benchmark']['name'])}: evaluation</title>\n<style>{PAGE_STYLE}</style>\n</head>\n"
        f"<body>\n{body(data, pictures)}\n</body>\n</html>\n"
    )


def body(data: Data, pictures: Pictures) -> str:
    """What stands in the document, as a notebook shows it: styled by itself, in the colours around it.

    Args:
        data: a report's JSON.
        pictures: by name, each as `png` and `svg`.
    """
    parts = (
        facts(data),
        main(data),
        labels(data),
        *(picture(name, files) for name, files in pictures.items()),
        metrics(data),
        retrieval(data),
        overrides(data),
        refusals(data),
        costs(data),
        made_with(data),
    )
    return f'<div class="gorilla-report">\n<style>{STYLE}</style>\n' + "\n".join(filter(None, parts)) + "\n</div>"

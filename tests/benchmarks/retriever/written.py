"""Questions that were written for training, each from one document; and catalogues that were invented for it.

`questions/README.md` says how. `packages` is read as it is installed (`constraints.txt`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.sources import python as packages
from gorilla_rag.train.corpus import Corpus, Pair
from tests.benchmarks.retriever import openapi

FOLDER = Path(__file__).parent / "questions"
PACKAGES = tuple(
    """
    scipy sympy matplotlib nltk pyarrow aiohttp rich jinja2 pydantic click sqlalchemy websockets joblib pygments fsspec
    hypothesis tqdm tomlkit sortedcontainers attrs orjson tenacity regex werkzeug huggingface_hub datasets markdown
    mpmath jsonschema
    """.split()
)
"""Packages whose questions are trained on: none that the 150 questions, or the corpus of docstrings, are about."""
HELD_OUT = tuple(
    """
    networkx pillow httpx psutil python-dateutil pyyaml platformdirs filelock urllib3 narwhals tinytag yarl
    """.split()
)
"""Packages whose questions are never trained on."""
INVENTED = (
    "models", "services", "organisations", "marketplace",
    "models_near", "services_near", "tools_near", "rest_near", "python_near",
)  # fmt: skip
_OWN = "written for this project by a language model (questions/README.md)"
LICENCES = "each package's own (BSD, MIT, Apache-2.0, PSF, MPL-2.0, CNRI-Python); questions: this project's"


def corpora(archive: Path) -> Iterator[Corpus]:
    """Every corpus of written questions, but the one that is held out."""
    operations, products = openapi.documents(archive)
    own = {doc.id: doc.id for doc in (*operations, *products)}
    for name, docs in (("operations", operations), ("operations_near", operations), ("products", products)):
        yield _written(name, docs, own, openapi.ORIGIN, openapi.LICENCE)
    docs, ids = read(PACKAGES)
    for name in ("packages", "packages_near"):
        yield _written(name, docs, ids, f"docstrings of {', '.join(PACKAGES)}", LICENCES)
    for name in INVENTED:
        yield _invented(name)


def held_out() -> Corpus:
    """Questions about packages of which none is trained on."""
    docs, ids = read(HELD_OUT)
    return _written("packages_held_out", docs, ids, f"docstrings of {', '.join(HELD_OUT)}", LICENCES)


@cache
def read(names: tuple[str, ...]) -> tuple[tuple[ApiDoc, ...], Mapping[str, str]]:
    """The documents of installed packages, and ids by the name of what is documented."""
    docs = packages.read(names, skip_bad=True).docs
    return docs, {doc.api_name: doc.id for doc in docs}


def _written(name: str, docs: Sequence[ApiDoc], ids: Mapping[str, str], origin: str, licence: str) -> Corpus:
    found = list(_lines(name))
    if unknown := {row["about"] for row in found if row["about"] not in ids}:
        raise LookupError(f"{len(unknown)} questions of {name} are about nothing that was read: {sorted(unknown)[:5]}")
    pairs = [Pair(row["question"], (ids[row["about"]],), "written", group=row.get("group", "")) for row in found]
    return Corpus(
        f"{name}-written".replace("_", "-"), tuple(docs), tuple(pairs), f"{origin}; questions {_OWN}", licence
    )


def _invented(name: str) -> Corpus:
    docs: list[ApiDoc] = []
    pairs: list[Pair] = []
    for row in _lines(f"invented_{name}"):
        doc = ApiDoc(
            id=f"{name}:{row['name']}",
            api_call=row["name"],
            api_name=row["name"],
            domain=row["domain"],
            description=row["description"],
            api_arguments=row["arguments"] or None,
            kind="tool",
        )
        docs.append(doc)
        questions, group = row.get("questions") or [row["question"]], row.get("group", "")
        pairs += [Pair(question, (doc.id,), "written", group=group) for question in questions]
    return Corpus(f"invented-{name}".replace("_", "-"), tuple(docs), tuple(pairs), _OWN, "this project's")


def _lines(name: str) -> Iterator[dict[str, Any]]:
    with (FOLDER / f"{name}.jsonl").open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)

"""The example of a documented object: the part of its docstring's code that calls it, with every import written out.

Docstrings leave imports out by convention (`np`, `pd`, the object itself); an example on its own can't.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Sequence

from gorilla_rag import syntax

_CONVENTIONS = {
    "np": "import numpy as np",
    "pd": "import pandas as pd",
    "plt": "import matplotlib.pyplot as plt",
    "sp": "import scipy as sp",
    "torch": "import torch",
    "nn": "from torch import nn",
    "F": "import torch.nn.functional as F",
    "tf": "import tensorflow as tf",
}
_BUILT_IN = frozenset(dir(builtins))
_LONGEST = 1500


def example(name: str, blocks: Sequence[str]) -> str:
    """The first block that calls an object, after those that it needs; empty where there is none.

    Args:
        name: the object's dotted name; its last part is what has to be called.
        blocks: code in the order of the docstring, where a later block may use an earlier one's names.
    """
    leaf = name.rsplit(".", 1)[-1]
    for number, block in enumerate(blocks):
        if f"{leaf}(" not in block or not _calls(_tree(block), leaf):
            continue
        code, unknown = _importing(name, block)
        if number and unknown:
            whole, left = _importing(name, "\n".join(blocks[: number + 1]))
            code = whole if len(whole) <= _LONGEST and left < unknown else code
        if len(code) <= _LONGEST:
            return code
    return ""


def _importing(name: str, code: str) -> tuple[str, int]:
    """The code below the imports of those of its names that are known, and how many are left unknown."""
    missing = _missing(_tree(code))
    known = {**_CONVENTIONS, **_own(name)}
    imports = [known[word] for word in missing if word in known]
    return "\n".join([*dict.fromkeys(imports), code]), len(missing) - len(imports)


def _own(name: str) -> dict[str, str]:
    """How each part of a dotted name is imported: `import scipy`, `from scipy import stats`."""
    parts = name.split(".")
    inner = {part: f"from {'.'.join(parts[:end])} import {part}" for end, part in enumerate(parts) if end}
    return {**inner, parts[0]: f"import {parts[0]}"}


def _missing(tree: ast.Module) -> list[str]:
    """Names that are used and nowhere bound, in order."""
    nodes = list(ast.walk(tree))
    bound = {name for node in nodes for name in _bound(node)} | _BUILT_IN
    used = (node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
    return list(dict.fromkeys(word for word in used if word not in bound))


def _tree(code: str) -> ast.Module:
    try:
        return syntax.module(code)
    except syntax.UNREADABLE:
        return ast.Module(body=[], type_ignores=[])


def _calls(tree: ast.Module, leaf: str) -> bool:
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "") for node in functions]
    return leaf in names


def _bound(node: ast.AST) -> Iterable[str]:
    """The names that a part of the code gives a value to."""
    if isinstance(node, ast.Name):
        return [] if isinstance(node.ctx, ast.Load) else [node.id]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ExceptHandler):
        return [node.name or ""]
    return [node.arg] if isinstance(node, ast.arg) else []

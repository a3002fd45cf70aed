"""Calls that run, delete or load whatever they are given: what a document that nobody vouched for may not slip in.

A list can't be complete. It is there so that the plain cases are seen, in the verdict and by every client.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

_RUN = "runs what it is given"
_DELETE = "deletes files"
_LOAD = "runs what is in the data that it reads"
_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("eval", "exec", "compile", "__import__", "importlib.import_module", "code.interact"), _RUN),
    **dict.fromkeys(("os.system", "os.popen", "os.startfile", "os.posix_spawn", "pty.spawn"), _RUN),
    **dict.fromkeys(("os.remove", "os.unlink", "os.rmdir", "os.removedirs", "shutil.rmtree"), _DELETE),
    **dict.fromkeys((f"subprocess.{name}" for name in ("run", "Popen", "call", "check_call", "check_output")), _RUN),
    **dict.fromkeys(("subprocess.getoutput", "subprocess.getstatusoutput"), _RUN),
    **dict.fromkeys(("pickle.load", "pickle.loads", "marshal.load", "marshal.loads", "dill.load", "dill.loads"), _LOAD),
}
_BEGINNINGS: Mapping[str, str] = {
    **dict.fromkeys(("subprocess.", "os.exec", "os.spawn", "runpy.", "ctypes."), _RUN),
}


_OTHER_NAMES = {"builtins.": "", "posix.": "os.", "nt.": "os."}


def harm(dotted: str, *, called: bool = True) -> str:
    """What a function could do to whoever calls it; empty where nothing is known.

    Args:
        dotted: its full name.
        called: whether it is; of what is only named, as a constant of a module, less is suspected.
    """
    for other, plain in _OTHER_NAMES.items():
        if dotted.startswith(other):
            dotted = plain + dotted.removeprefix(other)
    found = (what for beginning, what in _BEGINNINGS.items() if called and dotted.startswith(beginning))
    return _NAMES.get(dotted) or next(found, "")


def harms(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Of each place of a program that names something harmful: its full name, what it could do, and the place's code.

    What is named is taken for what it is by name, whatever else the program binds to that name: a program that hides
    `os.system` behind an `os` of its own is no better than one that doesn't. Only a function that the program itself
    defines hides a builtin one.
    """
    imported, stars = _imported(tree)
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        name = _dotted(node)
        if not name or (name in own and name not in imported):
            continue
        head, dot, rest = name.partition(".")
        for full in (name, imported.get(head, head) + dot + rest, *(f"{module}.{name}" for module in stars)):
            if what := harm(full, called=id(node) in called):
                yield full, what, ast.unparse(called.get(id(node), node))
                break


def _imported(tree: ast.Module) -> tuple[dict[str, str], list[str]]:
    """Full names by those that imports bind, anywhere in a program; and the modules of which all is imported."""
    names, stars = dict[str, str](), list[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            stars += [node.module for alias in node.names if alias.name == "*"]
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names, stars


def _dotted(node: ast.AST) -> str:
    """The name that an expression reads, such as `os.system`, or `getattr(os, 'system')`; empty for any other."""
    if isinstance(node, ast.Name):
        return node.id if isinstance(node.ctx, ast.Load) else ""
    if isinstance(node, ast.Attribute):
        return f"{inner}.{node.attr}" if (inner := _dotted(node.value)) else ""
    match node:
        case ast.Call(func=ast.Name(id="getattr"), args=[of, ast.Constant(value=str(name)), *_]):
            return f"{inner}.{name}" if (inner := _dotted(of)) else ""
        case ast.Call(func=ast.Name(id="__import__"), args=[ast.Constant(value=str(name)), *_]):
            return name
    return ""

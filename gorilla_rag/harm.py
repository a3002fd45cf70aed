"""Calls that run, delete or load whatever they are given: what a document that nobody vouched for may not slip in.

A list can't be complete. It is there so that the plain cases are seen, in the verdict and by every client.
"""

from __future__ import annotations

from collections.abc import Mapping

_RUN = "runs what it is given"
_DELETE = "deletes files"
_LOAD = "runs what is in the data that it reads"
_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("eval", "exec", "compile", "__import__", "importlib.import_module", "code.interact"), _RUN),
    **dict.fromkeys(("os.system", "os.popen", "os.startfile", "os.posix_spawn", "pty.spawn"), _RUN),
    **dict.fromkeys(("os.remove", "os.unlink", "os.rmdir", "os.removedirs", "shutil.rmtree"), _DELETE),
    **dict.fromkeys(("pickle.load", "pickle.loads", "marshal.load", "marshal.loads", "dill.load", "dill.loads"), _LOAD),
}
_BEGINNINGS: Mapping[str, str] = {
    **dict.fromkeys(("subprocess.", "os.exec", "os.spawn", "runpy.", "ctypes."), _RUN),
}


def harm(dotted: str) -> str:
    """What a function could do to whoever calls it; empty where nothing is known."""
    plain = dotted.removeprefix("builtins.")
    found = (what for beginning, what in _BEGINNINGS.items() if plain.startswith(beginning))
    return _NAMES.get(plain) or next(found, "")

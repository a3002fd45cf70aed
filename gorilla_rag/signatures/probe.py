"""Asks another, isolated interpreter what only running code can tell: built-ins, compiled modules, run-time names.

Nothing is imported in this process. The other one imports only modules of the standard library and of packages that
the user named, answers a line of JSON for each line of JSON, and is killed when an answer takes too long.
"""

from __future__ import annotations

import atexit
import contextlib
import inspect
import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gorilla_rag.errors import PackageUnreadable
from gorilla_rag.signatures.environment import Environment

TIMEOUT = 20.0
IMPORT_TIMEOUT = 120.0
NOT_LOOKED_UP = frozenset({"antigravity", "this", "idlelib", "turtledemo", "test", "__main__"})
_PROGRAM = r"""
import importlib, inspect, json, os, sys, warnings
warnings.simplefilter("ignore")
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
requests = os.fdopen(os.dup(0), encoding="utf-8")
os.dup2(2, 1)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
PATHS = json.loads(sys.argv[1])
EMPTY = inspect.Parameter.empty

def text(value):
    if value is EMPTY:
        return None
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, type) and value.__module__ == "builtins":
        return value.__name__
    shown = repr(value)
    return shown if len(shown) < 80 and not shown.startswith("<") and "\n" not in shown else "..."

def annotation(value):
    if value is EMPTY:
        return None
    if isinstance(value, str):
        return value
    return value.__name__ if isinstance(value, type) else str(value).replace("typing.", "")

def signature(found):
    try:
        made = inspect.signature(found)
    except (ValueError, TypeError, RecursionError, NameError, AttributeError):
        return None
    rows = [[p.name, int(p.kind), text(p.default), annotation(p.annotation)] for p in made.parameters.values()]
    return {"parameters": rows, "returns": annotation(made.return_annotation)}

def certain(found):
    if isinstance(found, type):
        meta = type(found)
        return meta is type or meta.__call__ is type.__call__
    return "__signature__" in getattr(found, "__dict__", {}) or not hasattr(found, "__wrapped__")

def described(found, name):
    if inspect.ismodule(found):
        return {"state": "found", "kind": "module"}
    if not callable(found):
        return {"state": "not callable", "kind": "value", "type": type(found).__name__}
    kind = "class" if isinstance(found, type) else "function"
    plain = inspect.isroutine(found) or hasattr(found, "__code__") or hasattr(found, "__wrapped__")
    if kind == "function" and not plain:
        kind = "instance"
    doc = found.__doc__ if isinstance(found.__doc__, str) else ""
    made = {"state": "found", "kind": kind, "signature": signature(found), "certain": certain(found)}
    made["doc"] = inspect.cleandoc(doc)[:20000]
    made["module"] = str(getattr(found, "__module__", "") or "")
    made["name"] = str(getattr(found, "__qualname__", "") or getattr(found, "__name__", "") or "")
    return made

def imported(parts):
    error = ""
    for size in range(len(parts), 0, -1):
        try:
            return importlib.import_module(".".join(parts[:size])), parts[size:], ""
        except ModuleNotFoundError as missing:
            if missing.name is None or not ".".join(parts[:size]).startswith(missing.name):
                error = error or f"{type(missing).__name__}: {missing}"
        except BaseException as failed:
            error = error or f"{type(failed).__name__}: {failed}"
    return None, parts, error

def look_up(dotted):
    found, rest, error = imported(dotted.split("."))
    if found is None:
        return {"state": "unknown", "detail": error or "can't be imported on this machine"}
    for name in rest:
        try:
            owner, found = found, getattr(found, name)
        except AttributeError:
            sure = not error and (inspect.ismodule(found) or isinstance(found, type))
            return {"state": "missing"} if sure else {"state": "unknown", "detail": error or "it is a value"}
    made = described(found, dotted)
    if rest and isinstance(owner, type) and inspect.isroutine(found):
        raw = inspect.getattr_static(owner, rest[-1], None)
        if not isinstance(raw, (staticmethod, classmethod)) and not (inspect.isbuiltin(found)):
            made["kind"] = "method"
    return made

def members(dotted):
    found, rest, error = imported(dotted.split("."))
    for name in rest:
        found = getattr(found, name, None)
    if found is None:
        return {"error": error or "can't be imported"}
    exported = getattr(found, "__all__", None)
    names = [n for n in (exported if exported is not None else dir(found)) if isinstance(n, str)]
    rows = {}
    for name in names:
        if name.startswith("_"):
            continue
        try:
            value = getattr(found, name)
        except Exception:
            continue
        if inspect.ismodule(value) or not callable(value):
            continue
        rows[name] = described(value, f"{dotted}.{name}")
    return {"members": rows, "all": exported is not None}

for line in requests:
    request = json.loads(line)
    sys.path[:] = PATHS
    try:
        made = (members if request["what"] == "members" else look_up)(request["name"])
    except BaseException as failed:
        made = {"state": "unknown", "error": f"{type(failed).__name__}: {failed}", "detail": f"{type(failed).__name__}"}
    answers.write(json.dumps(made) + "\n")
    answers.flush()
"""


class Probe:
    """An isolated interpreter that looks names up.

    Args:
        environment: whose packages.
        packages: modules that it may import, besides the standard library's.
        timeout: seconds for an answer.
        import_timeout: seconds for the first answer about a package, which imports it.
    """

    def __init__(
        self,
        environment: Environment,
        packages: Iterable[str] = (),
        *,
        timeout: float = TIMEOUT,
        import_timeout: float = IMPORT_TIMEOUT,
    ) -> None:
        self.environment, self.packages = environment, frozenset(packages)
        self._timeout, self._import_timeout = timeout, import_timeout
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._seen: set[str] = set()
        self._broken: dict[str, str] = {}
        self._lock = threading.Lock()

    def allows(self, dotted: str) -> bool:
        """Whether a name may be looked up here."""
        root = dotted.partition(".")[0]
        if not all(part.isidentifier() for part in dotted.split(".")) or root in NOT_LOOKED_UP:
            return False
        return root in self.packages or self.environment.is_standard(root)

    def look_up(self, dotted: str) -> dict[str, Any]:
        """What a name is: `{"state", "kind", "signature", "certain", "doc", …}`.

        Raises:
            PackageUnreadable: its package fails, or takes too long.
        """
        return self._ask("name", dotted)

    def members(self, dotted: str) -> Mapping[str, dict[str, Any]]:
        """The public callables of a module, by name.

        Raises:
            PackageUnreadable: the module fails, or takes too long.
        """
        found = self._ask("members", dotted)
        if "error" in found:
            raise PackageUnreadable(f"{dotted}: {found['error']}", hint="see that `import` of it works by itself")
        return found["members"]  # type: ignore[no-any-return]

    def close(self) -> None:
        """Ends the interpreter."""
        with self._lock:
            self._stop()

    def _ask(self, what: str, dotted: str) -> dict[str, Any]:
        root = dotted.partition(".")[0]
        with self._lock:
            if root in self._broken:
                raise PackageUnreadable(self._broken[root], hint="leave the package out, or mend it")
            limit = self._timeout if root in self._seen else max(self._timeout, self._import_timeout)
            self._seen.add(root)
            try:
                answer = self._answer(json.dumps({"what": what, "name": dotted}), limit)
            except (OSError, ValueError, queue.Empty) as error:
                self._stop()
                why = f"no answer within {limit:g} s" if isinstance(error, queue.Empty) else "it ended the interpreter"
                self._broken[root] = f"{root} can't be read: {why}, asked for {dotted}"
                raise PackageUnreadable(self._broken[root], hint="leave the package out, or mend it") from error
        return answer

    def _answer(self, request: str, limit: float) -> dict[str, Any]:
        process = self._process or self._start()
        if process.stdin is None:
            raise OSError("closed")
        process.stdin.write(request + "\n")
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._lines.get(timeout=limit))
        return answer

    def _start(self) -> subprocess.Popen[str]:
        isolated = ["-I", "-S"] if not self.packages else ["-I"]
        paths = json.dumps([str(path.absolute()) for path in self.environment.paths])
        quiet = {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}
        kept = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT", "TMPDIR") if name in os.environ
        }
        process = subprocess.Popen(
            [self.environment.python, *isolated, "-c", _PROGRAM, paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=kept | quiet,
            start_new_session=True,  # so that what a package starts can be ended with it
        )
        self._process, self._lines = process, queue.SimpleQueue()
        threading.Thread(target=_read, args=(process, self._lines), daemon=True).start()
        atexit.register(self.close)
        return process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process:
            atexit.unregister(self.close)
            _end(process)
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if stream:
                        stream.close()


def _end(process: subprocess.Popen[str]) -> None:
    """Ends an interpreter and everything that it has started."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def signature_of(found: Mapping[str, Any]) -> inspect.Signature | None:
    """The signature in an answer, annotations and defaults as source text."""
    if not found.get("signature"):
        return None
    empty = inspect.Parameter.empty
    rows = [
        inspect.Parameter(
            name,
            inspect._ParameterKind(kind),
            default=empty if default is None else default,
            annotation=empty if hint is None else hint,
        )
        for name, kind, default, hint in found["signature"]["parameters"]
    ]
    returns = found["signature"]["returns"]
    return inspect.Signature(rows, return_annotation=inspect.Signature.empty if returns is None else returns)


def _read(process: subprocess.Popen[str], lines: queue.SimpleQueue[str]) -> None:
    """Hands the interpreter's lines on; an empty one when it has ended."""
    sequence: Iterable[str] | Sequence[str] = process.stdout or ()
    with contextlib.suppress(ValueError, OSError):
        for line in sequence:
            lines.put(line)
    lines.put("")

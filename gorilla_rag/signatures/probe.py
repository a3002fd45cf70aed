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
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gorilla_rag.errors import PackageUnreadable
from gorilla_rag.signatures.environment import Environment

TIMEOUT = 20.0
IMPORT_TIMEOUT = 120.0
_TOGETHER = 200
_MOST_FAILURES = 3
_HINT = "leave the package out, or mend it"
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
    kind = kind_of(found)
    doc = found.__doc__ if isinstance(found.__doc__, str) else ""
    made = {"state": "found", "kind": kind, "signature": signature(found), "certain": certain(found)}
    made["doc"] = inspect.cleandoc(doc)[:20000]
    made["module"] = str(getattr(found, "__module__", "") or "")
    made["name"] = str(getattr(found, "__qualname__", "") or getattr(found, "__name__", "") or "")
    return made

def imported(parts):
    # The innermost module on the way to a name, what is left of the name, and why it went no further.
    found = None
    for size, name in enumerate(parts):
        inside = attribute(found, name)
        if inspect.ismodule(inside):
            found = inside
            continue
        if inside is not None:
            return found, parts[size:], ""
        try:
            found = importlib.import_module(".".join(parts[: size + 1]))
        except ModuleNotFoundError as missing:
            here = missing.name is not None and ".".join(parts[: size + 1]).startswith(missing.name)
            return found, parts[size:], "" if here else f"{type(missing).__name__}: {missing}"
        except BaseException as failed:
            return found, parts[size:], f"{type(failed).__name__}: {failed}"
    return found, [], ""

def attribute(found, name):
    try:
        return getattr(found, name, None)
    except BaseException:
        return None

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

def members(dotted, also):
    found, error = owner_of(dotted)
    if found is None:
        return {"error": error or "can't be imported"}
    exported = getattr(found, "__all__", None)
    names = [n for n in (exported if exported is not None else dir(found)) if isinstance(n, str)] + also
    values = {name: attribute(found, name) for name in names if not name.startswith("_")}
    rows = {name: listed(found, name, value) for name, value in values.items() if is_usable(value)}
    return {"members": rows, "all": exported is not None}

def owner_of(dotted):
    # A module or class by its name; a module even where its package has something else of that name.
    try:
        return importlib.import_module(dotted), ""
    except ModuleNotFoundError as missing:
        if missing.name is None or not dotted.startswith(missing.name):
            return None, f"{type(missing).__name__}: {missing}"
    except BaseException as failed:
        return None, f"{type(failed).__name__}: {failed}"
    found, rest, error = imported(dotted.split("."))
    for name in rest:
        found = attribute(found, name)
    return found, error

def is_usable(value):
    # Whether it is called by anyone: types of `typing` can be called too, and only raise.
    typed = type(value).__module__ in ("typing", "typing_extensions", "types", "collections.abc")
    return callable(value) and not inspect.ismodule(value) and not typed

def listed(owner, name, value):
    made = {"kind": kind_of(value), "id": id(value) if attribute(owner, name) is value else 0}
    made["module"] = str(getattr(value, "__module__", "") or "")
    made["name"] = str(getattr(value, "__qualname__", "") or getattr(value, "__name__", "") or "")
    made["late"] = inspect.ismodule(owner) and name not in vars(owner)
    return made

def kind_of(found):
    if isinstance(found, type):
        return "class"
    plain = inspect.isroutine(found) or hasattr(found, "__code__") or hasattr(found, "__wrapped__")
    return "function" if plain else "instance"

for line in requests:
    request = json.loads(line)
    sys.path[:] = PATHS
    try:
        named = request["name"]
        made = members(named, request["also"]) if request["what"] == "members" else look_up(named)
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
        self._answered: set[str] = set()
        self._failures: Counter[str] = Counter()
        self._broken: dict[str, str] = {}
        self._lock = threading.Lock()

    def allows(self, dotted: str) -> bool:
        """Whether a name may be looked up here."""
        root = dotted.partition(".")[0]
        if not all(part.isidentifier() for part in dotted.split(".")) or root in NOT_LOOKED_UP:
            return False
        return root in self.packages or self.environment.is_standard(root)

    def may_run(self, dotted: str) -> bool:
        """Whether a name is of a package that may be run to learn what it shows: one that the user named."""
        return dotted.partition(".")[0] in self.packages and self.allows(dotted)

    def look_up(self, dotted: str) -> dict[str, Any]:
        """What a name is: `{"state", "kind", "signature", "certain", "doc", …}`.

        Raises:
            PackageUnreadable: its package fails, or takes too long.
        """
        return self._ask("name", dotted)

    def look_up_all(self, names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """What some names are, asked together; those that can't be looked up are left out."""
        for start in range(0, len(names), _TOGETHER):
            waiting = list(names[start : start + _TOGETHER])
            while waiting:
                with self._lock:
                    done, failed = self._batch(waiting)
                yield from done.items()
                waiting = waiting[len(done) + failed :]

    def members(self, dotted: str) -> Mapping[str, dict[str, Any]]:
        """The public callables of a module or class, by name: `{"kind", "module", "name", "id", "late"}`.

        `id` is 0 for what is made anew each time (bound methods), so that no two objects share one.
        `late` are those that a module makes when they are asked for.

        Raises:
            PackageUnreadable: the module fails, or takes too long.
        """
        return self.namespace(dotted)[0]

    def namespace(self, dotted: str, *, also: Sequence[str] = ()) -> tuple[Mapping[str, dict[str, Any]], bool]:
        """The same with some names more, and whether an `__all__` decides on it.

        Raises:
            PackageUnreadable: the module fails, or takes too long.
        """
        found = self._ask("members", dotted, also=also)
        if "error" in found:
            raise PackageUnreadable(f"{dotted}: {found['error']}", hint="see that `import` of it works by itself")
        return found["members"], found["all"]

    def close(self) -> None:
        """Ends the interpreter."""
        with self._lock:
            self._stop()

    def _ask(self, what: str, dotted: str, *, also: Sequence[str] = ()) -> dict[str, Any]:
        with self._lock:
            self._ready(dotted)
            try:
                self._send([{"what": what, "name": dotted, "also": list(also)}])
                return self._answer(self._timeout)
            except (OSError, ValueError, queue.Empty) as error:
                raise self._failed(dotted, error, self._timeout) from error

    def _batch(self, names: Sequence[str]) -> tuple[dict[str, dict[str, Any]], int]:
        """Answers about names, up to the first that has none, and how many that are (none or one) have failed."""
        done: dict[str, dict[str, Any]] = {}
        try:
            self._ready(names[0])
            self._send([{"what": "name", "name": name} for name in names])
            for name in names:
                done[name] = self._answer(self._timeout)
        except PackageUnreadable:
            return done, 1
        except (OSError, ValueError, queue.Empty) as error:
            self._failed(names[len(done)], error, self._timeout)
            return done, 1
        return done, 0

    def _ready(self, dotted: str) -> None:
        """Has the name's package imported, so that what fails later is the name's own fault.

        Raises:
            PackageUnreadable: it can't be, or the name has failed before.
        """
        parts = dotted.split(".")
        for size in range(1, len(parts) + 1):
            if why := self._broken.get(".".join(parts[:size])):
                raise PackageUnreadable(why, hint=_HINT)
        if parts[0] in self._answered:
            return
        limit = max(self._timeout, self._import_timeout)
        try:
            self._send([{"what": "name", "name": parts[0]}])
            self._answer(limit)
        except (OSError, ValueError, queue.Empty) as error:
            raise self._failed(parts[0], error, limit) from error
        self._answered.add(parts[0])

    def _failed(self, dotted: str, error: Exception, limit: float) -> PackageUnreadable:
        """Notes that a name can't be asked for, and after some of them that its package can't."""
        self._stop()
        self._answered.clear()
        root = dotted.partition(".")[0]
        self._failures[root] += 1
        place = root if self._failures[root] >= _MOST_FAILURES else dotted
        why = f"no answer within {limit:g} s" if isinstance(error, queue.Empty) else "it ended the interpreter"
        self._broken[place] = f"{place} can't be read: {why}" + (f", asked for {dotted}" if place != dotted else "")
        return PackageUnreadable(self._broken[place], hint=_HINT)

    def _answer(self, limit: float) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._lines.get(timeout=limit))
        return answer

    def _send(self, requests: Sequence[Mapping[str, Any]]) -> None:
        process = self._process or self._start()
        if process.stdin is None:
            raise OSError("closed")
        process.stdin.write("".join(f"{json.dumps(request)}\n" for request in requests))
        process.stdin.flush()

    def _start(self) -> subprocess.Popen[str]:
        isolated = ["-I", "-S"] if self.packages <= self.environment.standard else ["-I"]
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

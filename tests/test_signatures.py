"""What an environment offers, read without importing: names, signatures, and what can't be known."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gorilla_rag.check import check_code
from gorilla_rag.errors import PackageMissing, PackageUnreadable, UsageError
from gorilla_rag.signatures.binding import Given, fault
from gorilla_rag.signatures.environment import Environment
from gorilla_rag.signatures.probe import Probe
from gorilla_rag.signatures.resolve import Resolved, Resolver

Make = Callable[..., Resolver]
STANDARD = [path for path in sys.path if path == sysconfig.get_path("stdlib") or path.endswith("lib-dynload")]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Writes a package's files and gives a resolver of an environment with nothing else."""
    made: list[Resolver] = []

    def write(files: dict[str, str], *, inspect: tuple[str, ...] = (), timeout: float | None = None) -> Resolver:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), encoding="utf-8")
        for package in {name.partition("/")[0] for name in files if inspect}:
            info = tmp_path / f"{package}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
            rows = "".join(f"{name},,\n" for name in files if name.startswith(f"{package}/"))
            (info / "RECORD").write_text(rows, encoding="utf-8")
        made.append(Resolver(Environment([tmp_path, *STANDARD]), inspect=inspect, timeout=timeout))
        return made[-1]

    yield write
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def installed() -> Iterator[Resolver]:
    made = Resolver()
    yield made
    made.close()


def names(found: Resolved) -> list[str]:
    return list(found.signatures[0].parameters) if found.signatures else []


# Environment


def test_modules_are_found_by_their_files(tmp_path: Path) -> None:
    for name in ("one.py", "two/__init__.py", "two/inner.py", "three/inner.py", "four.pyi", "five.abi3.so"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    environment = Environment([tmp_path])
    assert environment.files("one").source == tmp_path / "one.py"
    assert environment.files("two.inner").source == tmp_path / "two" / "inner.py"
    assert environment.files("three").folder == (tmp_path / "three",)
    assert environment.files("four").stub == tmp_path / "four.pyi"
    assert environment.files("five").compiled == (os.name != "nt")
    assert not environment.files("six").exists
    assert list(environment.submodules("two")) == ["inner"]


def test_a_distribution_is_known_by_its_name_and_by_what_is_imported() -> None:
    environment = Environment()
    assert environment.distribution("scikit-learn") == environment.distribution("sklearn")
    owner = environment.owner("sklearn.cluster")
    assert owner
    assert (owner.name, owner.modules) == ("scikit-learn", ("sklearn",))
    with pytest.raises(PackageMissing) as caught:
        environment.distribution("scikit-lern")
    assert "scikit-learn" in caught.value.hint


def test_one_owner_is_found_alike_with_and_without_reading_all(installed: Resolver) -> None:
    every, one = Environment(), Environment()
    assert every.distributions
    for module in ("numpy", "sklearn", "yaml", "PIL", "gorilla_rag", "pandas", "nothing"):
        assert one.owner(module) == every.owner(module)


def test_another_interpreter_tells_its_paths(tmp_path: Path) -> None:
    found = Environment.of(sys.executable)
    assert found.version == sys.version_info[:2]
    assert found.files("numpy").exists
    with pytest.raises(UsageError):
        Environment.of(tmp_path / "python")


# Names


TREE = {
    "p/__init__.py": """
        from ._core import made, Base as Root
        from .stars import *
        from . import inner
        other = made
        norm = Root(1)
        first, second = 1, 2
        """,
    "p/_core.py": """
        def made(x, *, y=2): ...
        class Base:
            def __init__(self, n): ...
            def method(self, a): ...
        """,
    "p/stars.py": "__all__ = ['listed']\ndef listed(a): ...\ndef unlisted(a): ...\n",
    "p/inner.py": "def f(): ...\n",
    "p/open.py": "globals()['x'] = 1\n",
    "p/lazy.py": "def __getattr__(name):\n    return getattr(other, name)\n",
    "p/strict.py": "def __getattr__(name):\n    if name == 'late':\n        return 1\n    raise AttributeError(name)\n",
    "p/twice.py": "import sys\nif sys.platform == 'x':\n    def f(a): ...\nelse:\n    def f(b): ...\n",
    "p/round.py": "from .about import x\n",
    "p/about.py": "from .round import x\n",
    "p/broken.py": "def f(:\n",
}


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("p.made", "found"),
        ("p.other", "found"),
        ("p.Root", "found"),
        ("p.norm.method", "found"),
        ("p.listed", "found"),
        ("p.unlisted", "missing"),
        ("p.inner.f", "found"),
        ("p.inner.g", "missing"),
        ("p.inner", "not callable"),
        ("p.nothing", "missing"),
        ("p.Root.nothing", "missing"),
        ("p.first", "unknown"),
        ("p.open.y", "unknown"),
        ("p.lazy.y", "unknown"),
        ("p.strict.late", "unknown"),
        ("p.strict.early", "missing"),
        ("p.twice.f", "no signature"),
        ("p.round.x", "unknown"),
        ("p.broken.f", "unknown"),
        ("q.f", "unknown"),
    ],
)
def test_a_name_is(make: Make, name: str, state: str) -> None:
    assert make(TREE).resolve(name).state == state


def test_what_is_missing_is_told_with_its_owner_and_the_nearest_name(make: Make) -> None:
    resolver = make(TREE)
    assert resolver.missing_name("p.inner.ff.g") == ("p.inner", "ff", "f")
    assert resolver.missing_name("p.Root.methd") == ("p.Root", "methd", "method")


def test_a_module_of_the_name_of_something_in_it_is_imported_as_the_module(make: Make) -> None:
    files = {
        "q/__init__.py": "from .thing import *\n",
        "q/thing/__init__.py": "from .thing import *\n",
        "q/thing/thing.py": "__all__ = ['f']\ndef f(): ...\n",
    }
    assert make(files).imported("q.thing.thing").state == "not callable"
    assert make(files).imported("q.thing.nothing").state == "missing"


# Classes


CLASSES = {
    "c.py": """
        import functools
        from dataclasses import dataclass, field
        from typing import NamedTuple
        class A:
            def __init__(self, a): ...
            def method(self): self.late = print
            def _same(self): ...
            renamed = _same
        class B(A):
            def __getattr__(self, name): ...
        class C(Unknown): ...
        class D(A): ...
        @dataclass
        class E:
            x: int
            y: int = 2
            z: list = field(default_factory=list)
            hidden: int = field(init=False, default=1)
        @dataclass
        class F(E):
            def __init__(self, own): ...
        class G(NamedTuple):
            x: int
        class H: ...
        def add_to(cls): ...
        add_to(H)
        class I(ValueError): ...
        class J:
            def __new__(cls, k): ...
        class K(metaclass=type("M", (type,), {})): ...
        """
}


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("c.A", ["a"]),
        ("c.D", ["a"]),
        ("c.E", ["x", "y", "z"]),
        ("c.F", ["own"]),
        ("c.H", []),
        ("c.J", ["k"]),
        ("c.C", None),
        ("c.G", None),
        ("c.I", None),
        ("c.K", None),
    ],
)
def test_making_an_instance_takes(make: Make, name: str, parameters: list[str] | None) -> None:
    found = make(CLASSES).resolve(name)
    assert found.state == ("found" if parameters is not None else "no signature")
    assert names(found) == (parameters or [])


@pytest.mark.parametrize(
    ("owner", "name", "state"),
    [
        ("c.A", "method", "found"),
        ("c.A", "renamed", "found"),
        ("c.A", "nothing", "missing"),
        ("c.A", "late", "unknown"),
        ("c.A", "__eq__", "unknown"),
        ("c.B", "nothing", "unknown"),
        ("c.C", "nothing", "unknown"),
        ("c.D", "nothing", "missing"),
        ("c.G", "_asdict", "unknown"),
        ("c.H", "nothing", "unknown"),
        ("c.K", "nothing", "unknown"),
    ],
)
def test_an_instance_has(make: Make, owner: str, name: str, state: str) -> None:
    assert make(CLASSES).member(owner, name).state == state


# Callables and decorators


FUNCTIONS = {
    "f.py": """
        import functools
        from typing import overload
        def keeps(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function(*args, **kwargs)
            return wrapper
        def keeps_with(option):
            def decorator(function):
                return function
            return decorator
        def adds(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                kwargs["more"] = 1
                return function(*args, **kwargs)
            return wrapper
        def drops(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function(*args[1:], **kwargs)
            return wrapper
        @keeps
        def kept(a): ...
        @keeps_with(1)
        def kept_with(a): ...
        @adds
        def added(a): ...
        @drops
        def dropped(a): ...
        @functools.lru_cache(maxsize=1)
        def cached(a): ...
        @elsewhere.unknown
        def strange(a): ...
        class A:
            @staticmethod
            def static(a): ...
            @classmethod
            def of(cls, a): ...
            @property
            def value(self): ...
        """,
    "s.pyi": """
        from typing import overload
        @overload
        def f(a: int) -> int: ...
        @overload
        def f(a: str, b: str) -> str: ...
        """,
}


@pytest.mark.parametrize(
    ("name", "certain"),
    [
        ("f.kept", True),
        ("f.kept_with", True),
        ("f.cached", True),
        ("f.added", False),
        ("f.dropped", False),
        ("f.strange", False),
        ("f.A.static", True),
        ("f.A.of", True),
        ("f.A.value", False),
    ],
)
def test_a_decorated_function_takes_what_it_says(make: Make, name: str, certain: bool) -> None:
    found = make(FUNCTIONS).resolve(name)
    assert found.state == ("found" if certain else "no signature")
    assert names(found) == (["a"] if certain else [])


def test_every_overload_of_a_stub_counts(make: Make) -> None:
    found = make(FUNCTIONS).resolve("s.f")
    assert [list(one.parameters) for one in found.signatures] == [["a"], ["a", "b"]]
    assert found.from_stub


# Binding


def written(header: str) -> Callable[..., None]:
    space: dict[str, Callable[..., None]] = {}
    exec(f"def f({header}): ...", space)
    return space["f"]


def takes(header: str) -> inspect.Signature:
    return inspect.signature(written(header))


NAMES = ("a", "b", "c", "d")


@given(
    header=st.sampled_from(
        [
            "",
            "a",
            "a, b=1",
            "a, /, b",
            "a, *, b",
            "a, *, b=1",
            "*a",
            "**a",
            "a, *b, c",
            "a, b=1, *, c=2, **d",
            "a=1, /, **b",
        ]
    ),
    positional=st.integers(0, 4),
    keywords=st.lists(st.sampled_from(NAMES), unique=True, max_size=3),
)
def test_a_fault_is_found_exactly_where_python_refuses(header: str, positional: int, keywords: list[str]) -> None:
    try:
        written(header)(*range(positional), **dict.fromkeys(keywords))
        fits = True
    except TypeError:
        fits = False
    assert (fault(Given(positional, tuple(keywords)), [takes(header)]) is None) == fits


def test_unpacking_may_give_what_is_missing_and_never_too_much_is_hidden_by_it() -> None:
    signature = takes("a, b, *, c")
    assert fault(Given(0, starred=True, unpacked=True), [signature]) is None
    wrong = fault(Given(0, ("x",), starred=True, unpacked=True), [signature])
    assert wrong
    assert wrong.kind == "unexpected-argument"


def test_one_fitting_overload_is_enough_and_the_closest_says_why() -> None:
    both = [takes("a, b"), takes("colour, size")]
    assert fault(Given(0, ("a", "b")), both) is None
    wrong = fault(Given(0, ("colour", "sise")), both)
    assert wrong
    assert (wrong.name, wrong.nearest) == ("sise", "size")


def test_a_stub_of_something_compiled_may_ask_for_names_where_a_position_will_do() -> None:
    signature = [takes("a, *, b=1")]
    assert fault(Given(2), signature, from_stub=True) is None
    assert fault(Given(2), signature) is not None
    assert fault(Given(3), signature, from_stub=True) is not None
    assert fault(Given(2, ("c",)), signature, from_stub=True) is not None
    assert fault(Given(2, ("c",)), [takes("*a, b=1")], from_stub=True) is not None


def test_other_names_of_parameters_are_taken() -> None:
    signature = [takes("input, dim")]
    assert fault(Given(1, ("axis",)), signature, {"axis": "dim"}) is None
    assert fault(Given(1, ("axis",)), signature) is not None


# The probe


MISBEHAVING = {
    "sleeps": "import time\ntime.sleep(60)",
    "ends": "import os\nos._exit(3)",
    "exits": "import sys\nsys.exit(3)",
    "raises": "raise RuntimeError('no')",
    "kills": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
}


@pytest.mark.parametrize("code", MISBEHAVING.values(), ids=MISBEHAVING)
def test_a_package_that_fails_is_unknown_and_never_a_false_alarm(code: str, make: Make) -> None:
    resolver = make({"bad/__init__.py": f"globals()['x'] = 1\n{code}\n"}, inspect=("bad",), timeout=2.0)
    began = time.monotonic()
    found = check_code("import bad\nbad.anything(1, 2)\nbad.other()\nlen(1, 2)", resolver=resolver)
    assert [one.rule for one in found.findings] == ["unexpected-argument"]
    assert len([one for one in found.unchecked if one.name.startswith("bad")]) == 2
    assert all("bad" in one.reason for one in found.unchecked)
    assert time.monotonic() - began < 20


NOISY = {
    "prints": "print('{}')\nimport sys, os\nsys.stdout.write('x')\nos.write(1, b'{}')",
    "reads input": "import sys\nsys.stdin.read()",
    "changes the path": "import sys\nsys.path[:] = []",
    "changes the folder": "import os\nos.chdir('/')",
    "closes its streams": "import sys\nsys.stdout.close()\nsys.stdin.close()",
    "starts threads": "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()",
    "sets a hook": "import sys\nsys.excepthook = None\nsys.stderr = None",
}


@pytest.mark.parametrize("code", NOISY.values(), ids=NOISY)
def test_what_a_package_does_while_it_is_imported_changes_no_answer(code: str, make: Make) -> None:
    files = {
        "bad/__init__.py": f"{code}\nglobals()['made'] = lambda x: None\n",
        "good/__init__.py": "globals()['made'] = lambda y: None\n",
    }
    resolver = make(files, inspect=("bad", "good"), timeout=10.0)
    assert names(resolver.resolve("bad.made")) == ["x"]
    assert resolver.resolve("bad.nothing").state == "missing"
    assert names(resolver.resolve("good.made")) == ["y"]


def processes(marker: str) -> str:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in listed.splitlines() if marker in line and "ps -eo" not in line)


@pytest.mark.skipif(os.name == "nt", reason="there is no ps")
def test_no_process_is_left_behind(make: Make, tmp_path: Path) -> None:
    marker = "314.159"
    child = f"import subprocess, time\nsubprocess.Popen(['sleep', '{marker}'])\n"
    resolver = make(
        {"bad/__init__.py": f"globals()['x'] = 1\n{child}", "worse/__init__.py": f"{child}time.sleep(60)"},
        inspect=("bad", "worse"),
        timeout=3.0,
    )
    assert resolver.resolve("bad.nothing").state == "missing"
    assert marker in processes(marker)
    resolver.close()
    assert processes(marker) == ""
    with pytest.raises(PackageUnreadable, match="no answer within"):
        resolver.probe.look_up("worse.y")
    assert processes(marker) == ""
    assert processes(str(tmp_path)) == ""


def test_only_named_packages_and_the_standard_library_are_looked_up(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("open('run', 'w')\n", encoding="utf-8")
    probe = Probe(Environment([tmp_path]), ["mine"])
    assert probe.allows("mine.x")
    assert probe.allows("json.loads")
    assert not probe.allows("numpy.zeros")
    assert not probe.allows("antigravity")
    assert not probe.allows("mine.x()")


# Real packages


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("numpy.zeros", "shape"),
        ("numpy.linalg.norm", "ord"),
        ("pandas.read_csv", "filepath_or_buffer"),
        ("pandas.DataFrame", "columns"),
        ("sklearn.cluster.KMeans", "n_clusters"),
        ("sklearn.model_selection.train_test_split", "test_size"),
        ("torch.nn.Linear", "in_features"),
        ("torch.nn.functional.relu", "inplace"),
        ("json.dumps", "indent"),
    ],
)
def test_a_real_functions_parameters_are_those_that_python_sees(installed: Resolver, name: str, parameter: str) -> None:
    found = installed.resolve(name)
    assert found.state == "found"
    assert any(parameter in one.parameters for one in found.signatures)


@pytest.mark.parametrize(
    "module", ["sklearn.metrics", "sklearn.preprocessing", "pandas", "numpy.linalg", "scipy.optimize"]
)
def test_every_public_name_of_a_real_module_exists(installed: Resolver, module: str) -> None:
    code = f"import {module} as m, json; print(json.dumps([n for n in m.__all__ if callable(getattr(m, n))]))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    public = json.loads(done.stdout)
    assert len(public) > 10
    missing = [name for name in public if installed.resolve(f"{module}.{name}").state in ("missing", "not callable")]
    assert missing == []

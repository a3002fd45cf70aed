"""What making an instance takes, where a class isn't simply what its `__init__` says."""

from __future__ import annotations

import sys
from textwrap import dedent
from types import ModuleType

import pytest

from gorilla_rag.check import check_code
from gorilla_rag.signatures.resolve import Resolver
from tests.test_signatures import Make, make

__all__ = ["make"]

SHAPES = """
    import dataclasses as _dc
    import typing
    from dataclasses import KW_ONLY, InitVar, dataclass, field
    from typing import ClassVar, TYPE_CHECKING

    @dataclass
    class Plain:
        a: int
        b: str = "x"
        shared: ClassVar[int] = 0
        also: "ClassVar[int]" = 0

        @property
        def size(self) -> int:
            return 1

        def __post_init__(self) -> None:
            self.later: int = 3

    @dataclass
    class More(Plain):
        c: list = field(default_factory=list)
        hidden: int = field(init=False, default=0)
        named: int = field(default=0, kw_only=True)

    @_dc.dataclass(kw_only=True)
    class Keywords:
        a: int
        b: int = field(default=0, kw_only=False)

    @dataclass
    class After:
        a: int
        _: KW_ONLY
        b: int

    @dataclass
    class Given:
        start: InitVar[int]
        end: int = 0

    @dataclass(init=False)
    class Own:
        a: int
        def __init__(self, text): ...

    options = {}
    @dataclass(**options)
    class Unsure:
        a: int

    @dataclass
    class Guarded:
        a: int
        if TYPE_CHECKING:
            b: int
"""


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("Plain(1)", None),
        ("Plain(1, 'y')", None),
        ("Plain()", "needs the argument 'a'"),
        ("Plain(1, later=3)", "takes no argument 'later'"),
        ("Plain(1, size=3)", "takes no argument 'size'"),
        ("Plain(1, also=3)", "takes no argument 'also'"),
        ("More(1, 'x', [], named=2)", None),
        ("More(1, 'x', [], 2)", "takes 3 positional arguments, 4 given"),
        ("More(1, hidden=2)", "takes no argument 'hidden'"),
        ("Keywords(3, a=1)", None),
        ("Keywords(1, 2)", "takes 1 positional argument, 2 given"),
        ("After(1, b=2)", None),
        ("After(1, 2)", "takes 1 positional argument, 2 given"),
        ("Given(1, end=2)", None),
        ("Given(end=2)", "needs the argument 'start'"),
        ("Own('x')", None),
        ("Own(a=1)", "takes no argument 'a'"),
        ("Unsure()", None),
        ("Guarded(1, 2, 3)", None),
    ],
)
def test_a_dataclass_takes_the_fields_in_its_body(make: Make, call: str, message: str | None) -> None:
    found = check_code(f"import shapes\nshapes.{call}\n", resolver=make({"shapes.py": SHAPES}))
    assert [one.message.split(" ", 1)[1].partition(";")[0] for one in found.findings] == ([message] if message else [])


def test_python_agrees_with_what_is_said_of_dataclasses(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = ModuleType("shapes_here")
    monkeypatch.setitem(sys.modules, "shapes_here", shapes)
    space = vars(shapes)
    exec(dedent(SHAPES), space)
    for call in ("Plain(1)", "More(1, 'x', [], named=2)", "Keywords(3, a=1)", "After(1, b=2)", "Given(1, end=2)"):
        eval(call, space)
    for call in ("Plain()", "Plain(1, size=3)", "More(1, hidden=2)", "Keywords(1, 2)", "After(1, 2)", "Given(end=2)"):
        with pytest.raises(TypeError):
            eval(call, space)


REMADE = {
    "lib/__init__.py": """
        from lib.plain import Config, Decorated, Registered, Child
        from lib import loader
    """,
    "lib/plain.py": """
        from lib.tools import remake
        class Base:
            def __init__(self): ...
            def __init_subclass__(cls):
                if "__init__" not in vars(cls):
                    cls.__init__ = lambda self, **given: None
        class Config(Base):
            size: int = 3
        class Registered(Base):
            def __init__(self, own): ...
        class Child(Registered):
            pass
        @remake
        class Decorated:
            def __init__(self): ...
    """,
    "lib/tools.py": "def remake(cls): return lambda *a, **k: None",
    "lib/loader.py": """
        import sys
        from lib.made import *
        def widen(cls): cls.__init__ = lambda self, *a: None
        for _name in dir(sys.modules[__name__]):
            _found = getattr(sys.modules[__name__], _name)
            if isinstance(_found, type):
                _cls = _found
                widen(_cls)
    """,
    "lib/made.py": "class Widened:\n    def __init__(self): ...\n",
}


@pytest.mark.parametrize(
    ("call", "faults"),
    [
        ("Config(size=4)", 0),
        ("Registered()", 1),
        ("Child()", 0),
        ("Decorated(1)", 0),
        ("loader.Widened(1)", 0),
        ("loader.Widenedd(1)", 1),
    ],
)
def test_a_class_that_is_made_anew_takes_nobody_knows_what(make: Make, call: str, faults: int) -> None:
    found = check_code(f"import lib\nlib.{call}\n", resolver=make(REMADE))
    assert len(found.findings) == faults


def test_what_a_namespace_package_lacks_may_be_installed_elsewhere(make: Make) -> None:
    resolver = make({"space/present.py": "def f(): ...\n"})
    found = check_code("import space.absent\nfrom space import other\nspace.present.f(1)\n", resolver=resolver)
    assert [one.rule for one in found.findings if one.level == "error"] == ["unexpected-argument"]


def test_a_name_that_is_given_itself_ends_in_unknown(make: Make) -> None:
    resolver: Resolver = make({"loop/__init__.py": "x = x\ny = z\nz = y\n"})
    found = check_code("import loop\nloop.x()\nloop.y(1)\n", resolver=resolver)
    assert found.findings == ()
    assert len(found.unchecked) == 2

"""Python's binding rules: which object a called name is, and when nobody can tell."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from gorilla_rag.check import Checked, check_code
from gorilla_rag.signatures.environment import Environment
from gorilla_rag.signatures.resolve import Resolver

LIBRARY = {
    "tools/__init__.py": """
        from .parts import Machine, Other
        def make(size, *, colour="red"): ...
        def paint(thing): ...
        """,
    "tools/parts.py": """
        class Machine:
            def __init__(self, power=1): ...
            def run(self, speed): ...
        class Other:
            def __init__(self): ...
        """,
    "tools/deep.py": "def inner(x): ...",
}


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resolver]:
    folder = tmp_path_factory.mktemp("packages")
    for name, text in LIBRARY.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
    made = Resolver(Environment([folder]))
    yield made
    made.close()


def check(resolver: Resolver, code: str) -> Checked:
    return check_code(dedent(code), resolver=resolver)


def faults(resolver: Resolver, code: str) -> list[tuple[int, str]]:
    return [(one.line, one.rule) for one in check(resolver, code).findings]


FAULTY = {
    "an alias": "import tools as t\nt.mke(1)",
    "a from-import": "from tools import make as m\nm()",
    "a submodule": "import tools.deep\ntools.deep.iner(1)",
    "a submodule's alias": "import tools.deep as d\nd.iner(1)",
    "another name of it": "import tools\nmaker = tools.make\nmaker(colur=1, size=2)",
    "a name seen from a function": "import tools\ndef f():\n    return tools.mke(1)",
    "a name seen from a method": "import tools\nclass A:\n    def f(self):\n        tools.mke(1)",
    "a name seen from a lambda": "import tools\nf = lambda x: tools.mke(x)",
    "a default argument": "import tools\ndef f(tools=tools.mke(1)): ...",
    "a decorator with arguments": "import tools\n@tools.mke(1)\ndef f(): ...",
    "an annotation": "import tools\ndef f(x: tools.mke(1)): ...",
    "an async function": "import tools\nasync def f():\n    await tools.mke(1)",
    "an async comprehension": "import tools\nasync def f(xs):\n    return [tools.mke(x) async for x in xs]",
    "a comprehension's element": "import tools\nx = [tools.mke(y) for y in (1, 2)]",
    "a comprehension's first iterable in a class": "class A:\n    import tools\n    x = [y for y in tools.mke(1)]",
    "a match case": "import tools\nmatch 1:\n    case 1:\n        tools.mke(1)",
    "a with block": "import tools\nwith open('x') as f:\n    tools.mke(f)",
    "a global": "import tools\ndef f():\n    global tools\n    tools.mke(1)",
    "the same import twice": "if 1 < 2:\n    import tools\nelse:\n    import tools\ntools.mke(1)",
    "an instance": "from tools import Machine\nm = Machine()\nm.rn(1)",
    "an instance's argument": "from tools import Machine\nm = Machine()\nm.run()",
    "a chain": "from tools import Machine\nMachine().rn(1)",
    "an instance by walrus": "from tools import Machine\nif (m := Machine()):\n    m.rn(1)",
    "an annotated instance": "from tools import Machine\nm: Machine = Machine()\nm.rn(1)",
    "a comprehension's walrus": "from tools import Machine\nx = [(m := Machine()) for _ in 'ab']\nm.rn(1)",
    "a class used in its own body": "class A:\n    import tools\n    x = tools.mke(1)",
    "f-strings": "import tools\nprint(f'{tools.mke(1)}')",
    "a keyword given twice": "import tools\ntools.make(1, size=2)",
    "too many": "import tools\ntools.paint(1, 2)",
    "an undefined name": "mke(1)",
    "a name of a class, from its method": "class A:\n    def f(self): ...\n    def g(self):\n        f(self)",
    "a package called": "import tools\ntools(1)",
    "a built-in's argument": "len(1, 2)",
}


@pytest.mark.parametrize("code", FAULTY.values(), ids=FAULTY)
def test_a_fault_is_found_through(resolver: Resolver, code: str) -> None:
    assert len(faults(resolver, code)) == 1


INNOCENT = {
    "a parameter of that name": "import tools\ndef f(tools):\n    tools.mke(1)",
    "a keyword-only parameter": "import tools\ndef f(*, tools):\n    tools.mke(1)",
    "a lambda's parameter": "import tools\nf = lambda tools: tools.mke(1)",
    "a loop's variable": "import tools\nfor tools in []:\n    tools.mke(1)",
    "a with block's variable": "import tools\nwith open('x') as tools:\n    tools.mke(1)",
    "an exception's name": "import tools\ntry: ...\nexcept OSError as tools:\n    tools.mke(1)",
    "a comprehension's variable": "import tools\nx = [tools.mke(1) for tools in 'ab']",
    "a match case's name": "import tools\nmatch 1:\n    case tools:\n        tools.mke(1)",
    "a match case's rest": "import tools\nmatch []:\n    case [_, *tools]:\n        tools.mke(1)",
    "a match case's mapping": "import tools\nmatch {}:\n    case {'a': 1, **tools}:\n        tools.mke(1)",
    "unpacking": "import tools\ntools, x = 1, 2\ntools.mke(1)",
    "an augmented assignment": "import tools\ntools += 1\ntools.mke(1)",
    "a walrus": "import tools\nif (tools := object):\n    tools.mke(1)",
    "del": "import tools\ndel tools\ntools.mke(1)",
    "a second value": "from tools import Machine, Other\nm = Machine()\nm = Other()\nm.rn(1)",
    "a value that comes back changed": "from tools import Machine\nm = Machine()\nm = m.run(1)\nm.rn(1)",
    "a conditional import": "try:\n    import tools\nexcept ImportError:\n    tools = None\ntools.mke(1)",
    "a global set elsewhere": "import tools\ndef f():\n    global tools\n    tools = 1\ntools.mke(1)",
    "a nonlocal": "def f():\n  import tools\n  def g():\n    nonlocal tools\n    tools = 1\n  tools.mke(1)",
    "an own function": "from tools import make\ndef make(): ...\nmake()",
    "an own class": "from tools import Machine\nclass Machine: ...\nMachine(1, 2, 3)",
    "a shadowed built-in": "def len(): ...\nlen()",
    "a built-in shadowed by a parameter": "def f(len):\n    len()",
    "a star import": "from tools import *\nmke(1)",
    "a star import over a built-in": "from tools import *\nlen()",
    "a function's own import": "import tools\ndef f():\n    from elsewhere import tools\n    tools.mke(1)",
    "names made at run time": "globals()['mke'] = print\nmke(1)",
    "starred arguments": "import tools\ntools.make(*[1])\ntools.make(**{})",
    "an unknown base": "from tools import Machine\nclass A(Machine):\n    def f(self):\n        self.rn(1)",
    "what an instance returns": "from tools import Machine\nMachine().run(1).rn(1)",
}


@pytest.mark.parametrize("code", INNOCENT.values(), ids=INNOCENT)
def test_nothing_is_said_because_of(resolver: Resolver, code: str) -> None:
    assert check(resolver, code).errors == ()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="this Python has no syntax for type parameters")
def test_type_parameters_are_names_of_their_function() -> None:
    with_parameters = "import math\ndef f[T](x: T) -> T:\n    return T(x)\nclass A[math]:\n    x = math.nothing()\n"
    assert check_code(with_parameters).errors == ()
    assert len(check_code("import math\ntype X = int\ndef f[T](x: T):\n    math.nothing(x)").errors) == 1


def test_syntax_of_a_newer_python_is_a_finding_with_the_version_that_read_it() -> None:
    if sys.version_info >= (3, 12):
        code = "def f(:\n"
    else:
        code = "def f[T](x: T): ...\n"
    (found,) = check_code(code).findings
    assert found.rule == "syntax-error"
    assert f"{sys.version_info[0]}.{sys.version_info[1]}" in found.message


def test_a_relative_import_is_resolved_in_its_own_package(tmp_path: Path, resolver: Resolver) -> None:
    from gorilla_rag.check import check_files

    place = resolver.environment.paths[0] / "tools" / "user.py"
    place.write_text(
        "from . import make, mke\nfrom .deep import inner\nfrom ..above import x\ninner()\n", encoding="utf-8"
    )
    (result,) = check_files([place], resolver=resolver)
    place.unlink()
    assert [(one.line, one.rule) for one in result.findings] == [(1, "no-such-name"), (4, "missing-argument")]


def test_a_nearest_name_is_suggested_and_one_that_is_out_of_sight_is_not(resolver: Resolver) -> None:
    (found,) = check(resolver, "def painted(): ...\npaintd()").findings
    assert found.suggestion == "painted"
    (hidden,) = check(resolver, "class A:\n    def painted(self): ...\n    def g(self):\n        paintd()").findings
    assert hidden.suggestion == ""

"""The standard library as a package named `python`: what is in it, under which names, and what isn't."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gorilla_rag import signatures
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.cli.app import app
from gorilla_rag.errors import PackageMissing
from gorilla_rag.index import change
from gorilla_rag.signatures import Environment
from gorilla_rag.snippet import code_for
from gorilla_rag.sources import python
from gorilla_rag.sources.python import PackagesRead
from gorilla_rag.verify import verify

Docs = dict[str, ApiDoc]


@pytest.fixture(scope="module")
def library() -> PackagesRead:
    """All of it."""
    return python.read(["python"])


@pytest.fixture(scope="module")
def docs(library: PackagesRead) -> Docs:
    """Its documents by name."""
    return {doc.api_name: doc for doc in library.docs}


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("sorted", "sorted(iterable)"),
        ("open", "open(file)"),
        ("itertools.groupby", "itertools.groupby(iterable)"),
        ("math.sqrt", "math.sqrt(x)"),
        ("sys.exit", "sys.exit()"),
        ("signal.alarm", "signal.alarm(seconds)"),
        ("ssl.RAND_bytes", "ssl.RAND_bytes(n)"),
        ("sqlite3.connect", "sqlite3.connect()"),
        ("importlib.util.spec_from_file_location", "importlib.util.spec_from_file_location(name)"),
        ("typing.cast", "typing.cast(typ, val)"),
    ],
)
def test_built_in_and_compiled_functions_have_the_names_that_people_type(docs: Docs, name: str, call: str) -> None:
    assert docs[name].api_call == call
    assert docs[name].functionality


def test_a_built_in_has_no_module_and_needs_nothing_but_python(docs: Docs) -> None:
    one = docs["sorted"]
    assert (one.example_code, one.framework, one.package) == ("sorted(iterable)", "Python standard library", "python")
    assert (one.version, one.license) == (f"{sys.version_info[0]}.{sys.version_info[1]}", "PSF-2.0")
    assert not any(name.startswith(("builtins.", "_", ".")) for name in docs)
    assert not {"exit", "quit", "copyright"} & set(docs)


@pytest.mark.parametrize(
    ("name", "call", "example"),
    [
        ("str.split", "str.split(str_)", "str_: str\nstr_.split()"),
        ("dict.get", "dict.get(dict_, key)", "dict_: dict\ndict_.get(key)"),
        ("list.sort", "list.sort(list_)", "list_: list\nlist_.sort()"),
        ("dict.fromkeys", "dict.fromkeys(iterable)", "dict.fromkeys(iterable)"),
        ("re.Pattern.sub", "re.Pattern.sub(pattern, repl, string)", None),
        ("datetime.datetime.now", "datetime.datetime.now()", "import datetime\ndatetime.datetime.now()"),
    ],
)
def test_methods_are_documented_with_how_they_are_called(docs: Docs, name: str, call: str, example: str | None) -> None:
    assert docs[name].api_call == call
    assert example in (None, docs[name].example_code)


@pytest.mark.parametrize("name", ["sorted", "str.split", "dict.fromkeys", "os.path.join", "math.sqrt"])
def test_what_is_documented_exists_and_binds_and_its_code_is_whole(docs: Docs, name: str) -> None:
    doc = docs[name]
    made = {one.name: one.outcome for one in verify(doc.call, "", lambda _: [doc], doc=doc).checks}
    assert made["exists"] == made["binds"] == made["version"] == "passed"
    code = code_for(doc, doc.call)
    assert ("import" in code) == (name in ("os.path.join", "math.sqrt"))
    compile(code, "<code>", "exec", ast.PyCF_ONLY_AST)


@pytest.mark.parametrize(
    "names",
    [
        ["os.path.join", "posixpath.join", "ntpath.join", "genericpath.exists"],
        ["os.listdir", "posix.listdir"],
        ["open", "io.open"],
        ["OSError", "IOError", "select.error", "socket.error"],
        ["concurrent.futures.Executor.map", "concurrent.futures.ThreadPoolExecutor.map"],
        ["collections.abc.Mapping", "_collections_abc.Mapping"],
        ["BaseException.add_note", "binascii.Error.add_note"],
        ["int.from_bytes", "bool.from_bytes", "signal.Signals.from_bytes"],
        ["json.JSONDecoder", "json.decoder.JSONDecoder"],
    ],
)
def test_each_object_has_its_documented_name_and_no_other(docs: Docs, names: list[str]) -> None:
    assert [name for name in names if name in docs] == names[:1]


def test_no_two_documents_are_of_one_function(docs: Docs) -> None:
    found = defaultdict(list)
    for name in docs:
        root, _, rest = name.partition(".")
        if root in ("heapq", "itertools", "json", "math", "operator", "os", "re", "shutil", "sqlite3", "time"):
            value: Any = importlib.import_module(root)
            for part in rest.split("."):
                value = getattr(value, part)
            found[id(value)].append((name, value))  # the value stays, so that its id does
    assert [[name for name, _ in same] for same in found.values() if len(same) > 1] == []


@pytest.mark.parametrize(
    "module",
    [
        "antigravity",
        "cgi",
        "distutils",
        "encodings",
        "idlelib",
        "imp",
        "lib2to3",
        "posixpath",
        "pydoc_data",
        "telnetlib",
    ],
)
def test_what_no_program_should_call_is_left_out(docs: Docs, module: str) -> None:
    assert [name for name in docs if name.split(".")[0] == module] == []


def test_undocumented_submodules_are_left_out_of_documented_packages(docs: Docs) -> None:
    inner = ("asyncio.base_events.", "ctypes.macholib.", "email.base64mime.", "json.tool.", "unittest.runner.")
    assert [name for name in docs if name.startswith(inner)] == []


def test_modules_of_other_systems_are_passed_over_without_a_word(library: PackagesRead, docs: Docs) -> None:
    other = "posix" if sys.platform == "win32" else "winreg"
    assert library.problems == ()
    assert [name for name in docs if name.startswith(f"{other}.")] == []


def test_without_running_anything_only_what_has_source_is_read() -> None:
    names = {doc.api_name for doc in python.read(["python"], run=False).docs}
    assert "json.dumps" in names
    assert not {"math.sqrt", "sorted", "sys.exit"} & names


def test_nothing_of_it_is_imported_in_this_process() -> None:
    code = (
        "import sys; from gorilla_rag.sources import python; before = set(sys.modules)\n"
        "python.read(['python']); new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new & sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    imported = set(ast.literal_eval(done.stdout))
    assert not {"curses", "ftplib", "smtplib", "sqlite3", "tkinter", "turtle", "wave", "webbrowser"} & imported


def test_a_module_of_it_is_not_a_package_but_the_hint_names_the_one_it_is_in() -> None:
    with pytest.raises(PackageMissing) as caught:
        Environment().distribution("itertools")
    assert "python" in caught.value.hint


def test_an_index_is_built_of_it_by_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build: Callable[..., Any] = change.build

    def build_few(out: Path, docs: Sequence[ApiDoc], *args: Any, **more: Any) -> Any:
        """The real index, of three documents: encoding them all would take a minute."""
        few = [doc for doc in docs if doc.api_name in ("sorted", "math.sqrt", "os.path.join")]
        return build(out, few, *args, **more)

    monkeypatch.setattr(change, "build", build_few)
    done = CliRunner().invoke(
        app, ["index", "build", "--out", str(tmp_path / "index"), "--packages", "python", "--json"]
    )
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert shown["counts"]["documents"] == 3
    assert shown["recipe"]["packages"]["python"] > 5000
    found = CliRunner().invoke(app, ["search", "square root", "--index", str(tmp_path / "index"), "--json", "--k", "1"])
    assert "math.sqrt" in found.stdout


def test_a_name_is_spelled_out_only_where_it_is_a_built_ins() -> None:
    resolver = signatures.default_resolver()
    assert resolver.spelled_out("str.split") == "builtins.str.split"
    assert resolver.spelled_out("json.dumps") == "json.dumps"
    assert resolver.spelled_out("nowhere.at_all") == "nowhere.at_all"

"""The public API of packages that are written here: which objects it has, and under which names."""

from __future__ import annotations

import sysconfig
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from gorilla_rag.errors import PackageMissing, PackageUnreadable
from gorilla_rag.signatures.environment import Environment
from gorilla_rag.signatures.naming import Name, best
from gorilla_rag.signatures.public import Surface, read_package
from gorilla_rag.signatures.resolve import Resolver

TIMEOUT = 5.0
Read = Callable[..., Surface]


def install(folder: Path, name: str, files: Mapping[str, str], *, version: str = "1.0", editable: bool = False) -> None:
    """Writes a package as an installer would, with its metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
    about = folder / f"{name}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    listed = [f"{name}-{version}.dist-info/METADATA", *([] if editable else files)]
    (about / "RECORD").write_text("".join(f"{path},,\n" for path in listed), encoding="utf-8")
    if editable:
        (about / "direct_url.json").write_text('{"url": "file:///here", "dir_info": {"editable": true}}', "utf-8")


@pytest.fixture
def surface(tmp_path: Path) -> Iterator[Read]:
    """Installs files as a package named `shop` and reads it; without running it, unless told."""
    opened: list[Resolver] = []

    def read_files(files: Mapping[str, str], *, run: bool = False) -> Surface:
        install(tmp_path, "shop", files)
        environment = Environment([tmp_path, sysconfig.get_paths()["stdlib"]])
        resolver = Resolver(environment, inspect=["shop"] if run else [], timeout=TIMEOUT)
        opened.append(resolver)
        return read_package(resolver, "shop")

    yield read_files
    for resolver in opened:
        resolver.close()


def test_a_reexported_object_has_the_name_that_people_type(surface: Read) -> None:
    found = surface(
        {
            "shop/__init__.py": "from shop._till import Till, pay\n",
            "shop/_till.py": "class Till:\n    def open(self, float): ...\n\ndef pay(sum): ...\n\ndef _audit(): ...\n",
        }
    )
    assert set(found.objects) == {"shop.Till", "shop.Till.open", "shop.pay"}
    assert found.objects["shop.Till.open"].kind == "method"
    assert found.aliases == {}


def test_of_two_public_names_the_shorter_is_the_objects_and_the_other_an_alias(surface: Read) -> None:
    found = surface(
        {"shop/__init__.py": "from shop.till import pay\n", "shop/till.py": "def pay(sum):\n    '''Pays.'''\n"}
    )
    assert set(found.objects) == {"shop.pay"}
    assert found.aliases == {"shop.till.pay": "shop.pay"}


def test_another_name_of_an_object_is_an_alias_of_the_one_it_is_written_under(surface: Read) -> None:
    found = surface({"shop/__init__.py": "def concatenate(parts): ...\n\ncat = concatenate\n"})
    assert set(found.objects) == {"shop.concatenate"}
    assert found.aliases == {"shop.cat": "shop.concatenate"}


def test_what_all_leaves_out_is_not_public_and_what_it_takes_from_elsewhere_is(surface: Read) -> None:
    text = "from shutil import copy\n__all__ = ['pay', 'copy']\ndef pay(): ...\ndef audit(): ...\n"
    assert set(surface({"shop/__init__.py": text}).objects) == {"shop.pay", "shop.copy"}


def test_names_added_to_all_are_public(surface: Read) -> None:
    text = "__all__ = ['pay']\n__all__ += ['refund']\n__all__.extend(['count'])\n"
    found = surface(
        {"shop/__init__.py": text + "def pay(): ...\ndef refund(): ...\ndef count(): ...\ndef audit(): ...\n"}
    )
    assert set(found.objects) == {"shop.pay", "shop.refund", "shop.count"}


COMPUTED = """
def pay(): ...
def audit(): ...
__all__ = [name for name in dir() if name == "pay"]
"""


def test_a_computed_all_decides_once_the_package_runs(surface: Read) -> None:
    assert set(surface({"shop/__init__.py": COMPUTED}, run=True).objects) == {"shop.pay"}


def test_without_running_a_computed_all_hides_nothing(surface: Read) -> None:
    assert set(surface({"shop/__init__.py": COMPUTED}).objects) == {"shop.pay", "shop.audit"}


def test_a_star_brings_names_from_inside_and_not_from_outside(surface: Read) -> None:
    files = {"shop/__init__.py": "from shop._till import *\nfrom json import *\n", "shop/_till.py": "def pay(): ...\n"}
    assert set(surface(files).objects) == {"shop.pay"}


def test_a_module_that_only_imports_hands_on_what_it_imports(surface: Read) -> None:
    files = {
        "shop/__init__.py": "",
        "shop/till.py": "from shop._till import pay\n",
        "shop/other.py": "from shop._till import pay\ndef own():\n    '''Its own.'''\n",
        "shop/_till.py": "def pay():\n    '''Pays.'''\n",
    }
    assert set(surface(files).objects) == {"shop.till.pay", "shop.other.own"}


def test_private_parts_and_tests_are_left_out(surface: Read) -> None:
    one = "def pay():\n    '''Pays.'''\n"
    files = dict.fromkeys(("shop/__init__.py", "shop/_a.py", "shop/tests/__init__.py", "shop/conftest.py"), one)
    assert set(surface(files).objects) == {"shop.pay"}


def test_an_undocumented_object_of_a_module_that_nothing_vouches_for_is_left_out(surface: Read) -> None:
    files = {"shop/__init__.py": "", "shop/till.py": "def told():\n    '''Told.'''\n\ndef untold(): ...\n"}
    assert set(surface(files).objects) == {"shop.till.told"}


def test_a_package_that_lists_its_modules_hides_the_others_unless_they_have_an_all(surface: Read) -> None:
    told = "def pay():\n    '''Pays.'''\n"
    files = {
        "shop/__init__.py": "__all__ = ['till']\nfrom shop import till\n",
        "shop/till.py": told,
        "shop/core.py": told.replace("pay", "hidden"),
        "shop/more.py": "__all__ = ['extra']\n" + told.replace("pay", "extra"),
    }
    assert set(surface(files).objects) == {"shop.till.pay", "shop.more.extra"}


def test_a_module_listed_under_another_name_is_read_under_that(surface: Read) -> None:
    files = {
        "shop/__init__.py": "__all__ = ['safe']\nfrom shop._lib import checked as safe\n",
        "shop/_lib/__init__.py": "",
        "shop/_lib/checked.py": "def root(x):\n    '''Root.'''\n",
    }
    assert set(surface(files).objects) == {"shop.safe.root"}


def test_what_a_modules_docstring_lists_is_public(surface: Read) -> None:
    text = '"""Tills.\n\n.. autosummary::\n   :toctree:\n\n   pay\n   refund - gives back\n\nSee also nothing.\n"""\n'
    module = text + "__all__ = ['pay']\nfrom shop._till import refund\ndef pay(): ...\ndef nothing(): ...\n"
    found = surface({"shop/__init__.py": module, "shop/_till.py": "def refund(): ...\n"})
    assert set(found.objects) == {"shop.pay", "shop.refund"}


def test_a_stub_stands_for_a_module_without_source(surface: Read) -> None:
    files = {
        "shop/__init__.py": "from shop.till import pay\n",
        "shop/till.pyi": "def pay(sum: int, to: str = 'me') -> bool: ...\n",
    }
    found = surface(files).objects["shop.pay"]
    assert str(found.signatures[0]) == "(sum: 'int', to: 'str' = \"'me'\") -> 'bool'"


INHERITED = """
class _Base:
    def close(self, now=True):
        '''Closes.'''

class Till(_Base):
    def open(self): ...
    def count(self): ...

class Box(_Base):
    def open(self): ...
"""


def test_a_method_of_a_private_base_is_documented_once_under_the_largest_public_class(surface: Read) -> None:
    found = surface({"shop/__init__.py": INHERITED})
    assert [name for name in found.objects if name.endswith(".close")] == ["shop.Till.close"]
    assert found.aliases["shop.Box.close"] == "shop.Till.close"
    assert list(found.objects["shop.Till.close"].signatures[0].parameters) == ["now"]


def test_a_method_of_a_public_base_is_documented_under_the_base(surface: Read) -> None:
    found = surface({"shop/__init__.py": INHERITED.replace("_Base", "Base")})
    assert "shop.Base.close" in found.objects
    assert found.aliases["shop.Till.close"] == "shop.Base.close"


def test_properties_and_members_for_type_checkers_only_are_no_methods(surface: Read) -> None:
    text = """
    from typing import TYPE_CHECKING
    class Till:
        @property
        def sum(self): ...
        if TYPE_CHECKING:
            def magic(self): ...
        def open(self): ...
    """
    assert set(surface({"shop/__init__.py": text}).objects) == {"shop.Till", "shop.Till.open"}


def test_a_value_that_can_be_called_is_an_object_with_its_methods(surface: Read) -> None:
    text = """
    class _Law:
        def __call__(self, loc=0):
            '''Freezes it.'''
        def pdf(self, x): ...
    class _Plain: ...
    normal = _Law()
    plain = _Plain()
    """
    found = surface({"shop/__init__.py": text})
    assert {name: one.kind for name, one in found.objects.items()} == {
        "shop.normal": "instance",
        "shop.normal.pdf": "function",
    }
    assert list(found.objects["shop.normal.pdf"].signatures[0].parameters) == ["x"]


MADE = """
def _make(name):
    def made(x, scale=2):
        return x
    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"Makes {name}."
    return made

globals()["first"] = _make("first")
second = _make("second")
exec("def third(y): 'Third.'")
"""


def test_what_is_made_at_run_time_is_found_when_the_package_may_run(surface: Read) -> None:
    found = surface({"shop/__init__.py": MADE}, run=True)
    assert set(found.objects) == {"shop.first", "shop.second", "shop.third"}
    assert found.objects["shop.first"].docstring == "Makes first."
    assert str(found.objects["shop.first"].signatures[0]) == "(x, scale='2')"


def test_methods_that_a_class_makes_or_is_given_are_found(surface: Read) -> None:
    text = '''
    from shop._tools import accessor, given, made

    class Words:
        def upper(self):
            """Upper case."""

    @given
    class Till:
        sort = made("sort")
        str = accessor(Words)
        def open(self): ...
    '''
    tools = """
    def made(name):
        def method(self, key): ...
        method.__qualname__ = f"Till.{name}"
        return method

    class accessor:
        def __init__(self, kind):
            self.kind = kind
        def __get__(self, instance, owner):
            return self.kind if instance is None else self.kind()

    def given(kind):
        kind.added = lambda self: None
        return kind
    """
    found = surface({"shop/__init__.py": text, "shop/_tools.py": tools}, run=True)
    names = {*found.objects, *found.aliases}
    assert names >= {"shop.Till.sort", "shop.Till.added", "shop.Till.open", "shop.Till.str.upper", "shop.Words.upper"}
    assert list(found.objects["shop.Till.sort"].signatures[0].parameters) == ["key"]


def test_names_that_a_deprecated_module_makes_late_are_aliases(surface: Read) -> None:
    files = {
        "shop/__init__.py": "",
        "shop/till.py": "from shop._till import pay\n",
        "shop/pay.py": """
        __all__ = ['pay']
        def __getattr__(name):
            import shop._till
            return getattr(shop._till, name)
        """,
        "shop/_till.py": "def pay():\n    '''Pays.'''\n",
    }
    found = surface(files, run=True)
    assert set(found.objects) == {"shop.till.pay"}
    assert found.aliases == {"shop.pay.pay": "shop.till.pay"}


def test_two_objects_that_share_a_line_of_a_stub_stay_two(surface: Read) -> None:
    files = {
        "shop/__init__.py": "from shop._make import *\nfrom shop import _make\n__all__ = list(_make.__all__)\n",
        "shop/_make.py": """
        def _of(n):
            def made(): ...
            return made
        ones = _of(1)
        zeros = _of(0)
        __all__ = ['ones', 'zeros']
        """,
        "shop/_make.pyi": "__all__ = ['ones', 'zeros']\ndef ones(shape: int): ...\nzeros = ones\n",
    }
    assert set(surface(files, run=True).objects) == {"shop.ones", "shop.zeros"}


@pytest.mark.parametrize(
    ("trouble", "why"),
    [("import time; time.sleep(600)", "no answer within"), ("import os; os._exit(3)", "it ended the interpreter")],
)
def test_a_module_that_hangs_or_crashes_is_named_and_the_others_are_read(surface: Read, trouble: str, why: str) -> None:
    files = {
        "shop/__init__.py": "globals()['pay'] = lambda: None\n",
        "shop/bad.py": f"{trouble}\n__all__ = [name for name in ('x',)]\ndef x(): ...\n",
        "shop/good.py": "exec('def late():\\n  \"Late.\"')\n__all__ = [name for name in dir() if name == 'late']\n",
    }
    found = surface(files, run=True)
    assert {"shop.pay", "shop.good.late"} <= set(found.objects)
    assert len(found.notes) == 1
    assert "shop.bad" in found.notes[0]
    assert why in found.notes[0]


def test_a_module_that_fails_on_import_is_named(surface: Read) -> None:
    files = {
        "shop/__init__.py": "def pay(): ...\n",
        "shop/bad.py": "__all__ = list('x')\nraise RuntimeError('no till')\n",
    }
    assert surface(files, run=True).notes == ["shop.bad: RuntimeError: no till"]


def test_a_package_of_which_nothing_can_be_read_is_a_clear_error(surface: Read) -> None:
    with pytest.raises(PackageUnreadable, match="shop: shop: RuntimeError: closed"):
        surface({"shop/__init__.py": "raise RuntimeError('closed')\nglobals()['x'] = 1\n__all__ = dir()\n"}, run=True)


def test_a_package_that_is_not_installed_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(PackageMissing, match="shop isn't installed"):
        read_package(Resolver(Environment([tmp_path])), "shop")


def test_a_syntax_error_in_one_module_leaves_the_others(surface: Read) -> None:
    files = {"shop/__init__.py": "def pay(): ...\n", "shop/bad.py": "def (:\n"}
    assert set(surface(files).objects) == {"shop.pay"}


def test_a_namespace_package_is_read_from_all_its_folders(tmp_path: Path) -> None:
    told = "def {}():\n    '''Told.'''\n"
    install(tmp_path / "a", "space", {"space/one.py": told.format("first")})
    install(tmp_path / "b", "space-more", {"space/two.py": told.format("second")})
    found = read_package(Resolver(Environment([tmp_path / "a", tmp_path / "b"])), "space")
    assert set(found.objects) == {"space.one.first", "space.two.second"}


def test_an_editable_install_is_read_from_its_checkout(tmp_path: Path) -> None:
    (tmp_path / "checkout" / "shop").mkdir(parents=True)
    (tmp_path / "checkout" / "shop" / "__init__.py").write_text("def pay(): ...\n", encoding="utf-8")
    install(tmp_path / "site", "shop", {}, editable=True)
    found = read_package(Resolver(Environment([tmp_path / "site", tmp_path / "checkout"])), "shop")
    assert set(found.objects) == {"shop.pay"}
    assert found.objects["shop.pay"].file == str(tmp_path / "checkout" / "shop" / "__init__.py")


def test_of_several_top_level_modules_those_that_show_nothing_themselves_are_left_out(tmp_path: Path) -> None:
    told = "def make():\n    '''Makes.'''\n"
    install(tmp_path, "shop", {"shop/__init__.py": told, "shopgen/__init__.py": "", "shopgen/gen.py": told})
    assert set(read_package(Resolver(Environment([tmp_path])), "shop").objects) == {"shop.make"}


def test_two_versions_in_two_folders_are_each_read_as_they_are(tmp_path: Path) -> None:
    install(tmp_path / "old", "shop", {"shop/__init__.py": "def pay(sum): ...\ndef gone(): ...\n"}, version="1.0")
    install(tmp_path / "new", "shop", {"shop/__init__.py": "def pay(sum, to): ...\n"}, version="2.0")
    old, new = (read_package(Resolver(Environment([tmp_path / name])), "shop") for name in ("old", "new"))
    assert (set(old.objects), set(new.objects)) == ({"shop.pay", "shop.gone"}, {"shop.pay"})
    assert (old.objects["shop.pay"].version, new.objects["shop.pay"].version) == ("1.0", "2.0")
    assert list(new.objects["shop.pay"].signatures[0].parameters) == ["sum", "to"]


def test_progress_tells_the_package_and_how_far_it_is(tmp_path: Path) -> None:
    text = "".join(f"def f{number}(): ...\n" for number in range(1001))
    install(tmp_path, "shop", {"shop/__init__.py": text})
    told: list[tuple[str, int]] = []
    read_package(Resolver(Environment([tmp_path])), "shop", progress=lambda name, done: told.append((name, done)))
    assert told == [("shop", 500), ("shop", 1000)]


@pytest.mark.parametrize(
    ("names", "definition", "chosen"),
    [
        (["a.cluster.K", "a.cluster.k.K"], "a.cluster._k.K", "a.cluster.K"),
        (["a.pow", "a.power"], "a._core.power", "a.power"),
        (["a.char.upper", "a.strings.upper"], "a._core.strings.upper", "a.strings.upper"),
        (["a.random.ranf", "a.random.sample"], "a.random._of.sample()", "a.random.sample"),
    ],
)
def test_the_name_that_people_type_is_chosen(names: list[str], definition: str, chosen: str) -> None:
    for order in (names, names[::-1]):
        assert best([Name(name) for name in order], definition).name == chosen


def test_a_name_in_a_module_that_the_package_shows_is_chosen_before_a_shorter_one_elsewhere() -> None:
    assert best([Name("a.K", listed=False), Name("a.api.types.K")], "a._k.K").name == "a.api.types.K"


def test_a_method_of_a_private_base_goes_under_the_plainer_class(tmp_path: Path) -> None:
    (tmp_path / "groups").mkdir()
    (tmp_path / "groups" / "__init__.py").write_text("from groups._all import KMeans, MiniBatchKMeans\n")
    (tmp_path / "groups" / "_all.py").write_text(
        "class _Base:\n    def predict(self, X): 'Predict.'\n"
        "class KMeans(_Base):\n    'Plain.'\n"
        "class MiniBatchKMeans(_Base):\n    'More.'\n    def partial_fit(self, X): 'Fit some.'\n"
    )
    info = tmp_path / "groups-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: groups\nVersion: 1\n")
    (info / "RECORD").write_text("groups/__init__.py,,\ngroups/_all.py,,\n")
    surface = read_package(Resolver(Environment([tmp_path])), "groups")
    assert "groups.KMeans.predict" in surface.objects
    assert surface.aliases["groups.MiniBatchKMeans.predict"] == "groups.KMeans.predict"

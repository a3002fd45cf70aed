"""What of Python's standard library is for programs: the modules in its library reference, under their names there."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from gorilla_rag.signatures.shown import Shown

# Names of modules, those of later Pythons too; what one lacks isn't asked for.
_DEAD = frozenset(  # deprecated by PEP 594, or otherwise and removed by Python 3.13
    "aifc asynchat asyncore audioop binhex cgi cgitb chunk crypt distutils imghdr imp mailcap msilib nis nntplib "
    "ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib uu xdrlib".split()
)
_INNER = frozenset(  # what other modules are made of, and what Python starts by itself
    "encodings genericpath nt ntpath nturl2path opcode posix pyexpat sre_compile sre_constants sre_parse "
    "xxlimited xxlimited_35 xxsubtype".split()
)
_SUBMODULES = frozenset(  # packages show these and no others
    "collections.abc compression.bz2 compression.gzip compression.lzma compression.zlib compression.zstd "
    "concurrent.futures concurrent.interpreters ctypes.util ctypes.wintypes curses.ascii curses.panel curses.textpad "
    "dbm.dumb dbm.gnu dbm.ndbm dbm.sqlite3 email.charset email.contentmanager email.encoders email.errors "
    "email.generator email.header email.headerregistry email.iterators email.message email.mime email.mime.application "
    "email.mime.audio email.mime.base email.mime.image email.mime.message email.mime.multipart email.mime.nonmultipart "
    "email.mime.text email.parser email.policy email.utils html.entities html.parser http.client http.cookiejar "
    "http.cookies http.server importlib.abc importlib.machinery importlib.metadata importlib.resources "
    "importlib.resources.abc importlib.util logging.config logging.handlers multiprocessing.connection "
    "multiprocessing.dummy multiprocessing.managers multiprocessing.pool multiprocessing.shared_memory "
    "multiprocessing.sharedctypes pathlib.types profiling.sampling profiling.tracing string.templatelib "
    "tkinter.colorchooser tkinter.commondialog tkinter.dialog tkinter.dnd tkinter.filedialog tkinter.font "
    "tkinter.messagebox tkinter.scrolledtext tkinter.simpledialog tkinter.ttk unittest.mock urllib.error urllib.parse "
    "urllib.request urllib.response urllib.robotparser wsgiref.handlers wsgiref.headers wsgiref.simple_server "
    "wsgiref.types wsgiref.util wsgiref.validate xml.dom xml.dom.minidom xml.dom.pulldom xml.etree "
    "xml.etree.ElementTree xml.parsers xml.parsers.expat xml.sax xml.sax.handler xml.sax.saxutils xml.sax.xmlreader "
    "xmlrpc.client xmlrpc.server".split()
)
_AT_THE_PROMPT = frozenset({"copyright", "credits", "exit", "help", "license", "quit"})
_INHERITED = MappingProxyType({"from_bytes": "int", "fromkeys": "dict"})  # each class seems to have its own
_SHOWN_AS: Mapping[str, str] = MappingProxyType({"builtins": "", "posixpath": "os.path"})
_NOT_HERE = ("ModuleNotFoundError", "ImportError", "can't be imported")


class StandardShown(Shown):
    """What the standard library shows. Its modules are shown one by one: `json` doesn't hand on what `re` has."""

    not_called = ()

    def top(self) -> dict[str, str]:
        """The documented modules, built-in ones too, each with the name that it is reached by."""
        return {name: _SHOWN_AS.get(name, name) for name in self.modules if name in _SHOWN_AS or not _is_hidden(name)}

    def inner(self, module: str) -> dict[str, bool]:
        """The documented modules directly in a package; it shows each."""
        names = self.resolver.environment.submodules(module)
        return {name: True for name in names if f"{module}.{name}" in _SUBMODULES}

    def names(self, module: str) -> Iterator[str]:
        """Names that a module shows, without those that it deletes again."""
        ends = (node for one in self.tree.readings(module) for node in one.syntax.body if isinstance(node, ast.Delete))
        deleted = {target.id for node in ends for target in node.targets if isinstance(target, ast.Name)}
        yield from (name for name in super().names(module) if name not in deleted)

    def may_hand_on(self, module: str, dotted: str) -> bool:
        """Whether something is the module's own, or a hidden module's that it is there to show."""
        root = dotted.partition(".")[0]
        return root == module.partition(".")[0] or (self.is_inside(root) and _is_hidden(root))

    def hands_on(self, module: str, dotted: str, *, whole: bool) -> bool:
        """The same, and what a module takes from a part that nobody else is shown: `ssl.RAND_bytes` is `_ssl`'s."""
        source = dotted.rpartition(".")[0]
        return self._is_part(module, source) or super().hands_on(module, dotted, whole=whole)

    def _is_part(self, module: str, source: str) -> bool:
        """Whether a module is a private one of another's package, or a hidden one that is compiled."""
        root, *inner = source.split(".")
        if root == module.partition(".")[0]:
            return any(name.startswith("_") for name in inner)
        return _is_hidden(root) and self.is_inside(root) and self.is_compiled(root)

    def is_own(self, row: Mapping[str, Any], module: str, *, package: bool) -> bool:
        """Every built-in is, wherever it is from (`open` is `io`'s), but for those of the prompt."""
        if module == "builtins":
            return row["name"] not in _AT_THE_PROMPT
        return self._is_part(module, row["module"]) or super().is_own(row, module, package=package)

    def vouches(self, module: str) -> bool:
        """The same, and that of modules that have no source: C functions may go without a docstring."""
        return super().vouches(module) or not self.tree.readings(module)

    def written_as(self, module: str, name: str) -> str:
        """The same; what a class has from a built-in one is that one's: `binascii.Error` writes no `add_note`."""
        owner, _, leaf = name.rpartition(".")
        owner = _INHERITED.get(leaf, owner)
        return f"builtins.{owner}.{leaf}" if hasattr(builtins, owner) else super().written_as(module, name)

    def is_compiled(self, module: str) -> bool:
        """Whether a module has a compiled part, or is one: a built-in one has no files."""
        files = self.resolver.environment.files(module)
        return files.compiled or not files.exists

    def failed(self, message: str) -> None:
        """Passes over modules that only other systems have."""
        if not any(error in message for error in _NOT_HERE):
            super().failed(message)


def _is_hidden(root: str) -> bool:
    return root.startswith("_") or root in _INNER or root in _DEAD

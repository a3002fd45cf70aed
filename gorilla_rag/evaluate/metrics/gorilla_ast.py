"""Gorilla's own accuracy and hallucination, by syntax tree, with its quirks (arXiv 2305.15334, section 4).

Reproduced from the behaviour of the three scripts that were published with the paper, so that published figures can be
compared. What they do, and what a reader of such figures should know:

- Right means *of the same domain*: the first documented call, in the order of the file, whose arguments all stand in
  the answer decides, and its domain is compared with that of the question's own document.
- An argument matches when its text, without quotes at its ends, is contained anywhere in the sub-tree's text.
- The sub-tree is the first whose leading child reads like the documented function; where none does, the *last*
  sub-tree that was looked at stands in for it.
- Which arguments count differs by hub: on TorchHub those whose text contains `repo_or_dir` or `model`, on TensorFlow
  Hub and Hugging Face all of them.
- An answer without the word `api_call` is read whole, but on TorchHub it is neither right nor hallucinated.

Figures depend on the grammar: these are made with tree-sitter and tree-sitter-python as installed; a report names the
versions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from gorilla_rag.errors import ExtraMissing
from gorilla_rag.evaluate.outcome import Case

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

Hub = Literal["torchhub", "huggingface", "tensorflowhub"]
Judgement = Literal["right", "wrong", "hallucinated", "unread"]


@dataclass(frozen=True, slots=True)
class _Documented:
    function: bytes
    arguments: tuple[str, ...]
    domain: str


class GorillaScorer:
    """Scores answers as Gorilla's script of a hub does.

    Args:
        hub: whose script.
        documented: `(api_call, domain)` of every document, in the order of the file.
        domains: of each question's own document, in the order of the questions.

    Raises:
        ExtraMissing: tree-sitter isn't installed.
    """

    def __init__(self, hub: Hub, documented: Sequence[tuple[str, str]], domains: Sequence[str]) -> None:
        self.hub, self.domains = hub, tuple(domains)
        self._documented = [
            _Documented(*found, domain)
            for call, domain in documented
            if (found := _signature(_parsed(call), _ARGUMENTS[hub])) is not None
        ]

    def judge(self, text: str, number: int) -> Judgement:
        """What the script makes of an answer to question `number` (from 1)."""
        call = _call_text(text, whole=self.hub != "torchhub")
        if call is None:
            return "unread"
        domain = self._domain(call)
        if domain is None:
            return "hallucinated"
        return "right" if domain == self.domains[number - 1] else "wrong"

    def _domain(self, call: str) -> str | None:
        """The domain of the first documented call that is found in the answer's."""
        texts, last = _subtrees(_parsed(call))
        for documented in self._documented:
            text = texts.get(documented.function, last)
            if all(argument in text for argument in documented.arguments):
                return documented.domain
        return None


def accuracy(case: Case) -> float | None:
    """1 when Gorilla's script would count the answer as right, else 0; `None` where there is no such script."""
    return None if case.gorilla is None else float(case.gorilla == "right")


def hallucination(case: Case) -> float | None:
    """1 when Gorilla's script would count the answer as hallucinated, else 0; lower is better."""
    return None if case.gorilla is None else float(case.gorilla == "hallucinated")


def _call_text(text: str, *, whole: bool) -> str | None:
    """What stands between the first `api_call` and the next `api_provider`: from two characters after the first colon
    to the last closing bracket, or, without one, to the last but one character.
    """
    parts = text.split("api_call")
    if len(parts) == 1:
        return text if whole else None
    field = parts[1].split("api_provider")[0]
    start = field.find(":") if ":" in field else 0
    end = field.rindex(")") + 1 if ")" in field else -1
    return field[start + 2 : end]


def _signature(root: Node, arguments: Callable[[Node], list[str]]) -> tuple[bytes, tuple[str, ...]] | None:
    """A documented call's function and the arguments that count, or `None` where the script passes it over."""
    try:
        call = root.children[0].children[0]
        found = arguments(call.children[1]) if call.child_count else []
    except IndexError:  # not a call, or an argument without a value; the scripts stop with this error
        return None
    return (call.children[0].text or b"", tuple(found)) if found else None


def _subtrees(root: Node) -> tuple[dict[bytes, str], str]:
    """The text of the first sub-tree that begins with each child, and that of the last one, in the script's order."""
    first: dict[bytes, str] = {}
    stack = [root]
    while stack:
        node = stack.pop()
        text = _text(node)
        if node.child_count:
            first.setdefault(node.children[0].text or b"", text)
        stack += [child for child in node.children if child.child_count]
    return first, text


def _torchhub(arguments: Node) -> list[str]:
    return [_value(child) for child in arguments.children if any(w in _text(child) for w in ("repo_or_dir", "model"))]


def _huggingface(arguments: Node) -> list[str]:
    return [
        _value(child) if "=" in _text(child) else _bare(_text(child))
        for child in arguments.children
        if _text(child) not in ("(", ")", ",")
    ]


def _tensorflowhub(arguments: Node) -> list[str]:
    named = ("model=", "model =")
    return [
        _value(child) if any(name in _text(child) for name in named) else _bare(_text(child))
        for child in arguments.children
        if _text(child) not in ("(", ")", ",")
    ]


_ARGUMENTS: dict[Hub, Callable[[Any], list[str]]] = {
    "torchhub": _torchhub,
    "huggingface": _huggingface,
    "tensorflowhub": _tensorflowhub,
}


def _value(argument: Node) -> str:
    """The third child: the value of a keyword argument, and of a string its closing quote."""
    return _bare(_text(argument.children[2]))


def _bare(text: str) -> str:
    return text.strip("'")


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _parsed(source: str) -> Node:
    return _parser().parse(source.encode("utf-8", "surrogatepass")).root_node


@cache
def _parser() -> Parser:
    try:
        import tree_sitter_python
        from tree_sitter import Language, Parser
    except ImportError as error:
        raise ExtraMissing(
            "Gorilla's own metric needs tree-sitter", hint="pip install 'gorilla-rag[evaluate]'"
        ) from error
    return Parser(Language(tree_sitter_python.language()))

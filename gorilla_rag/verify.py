"""The checks: is it a call, documented, its literals too; does the name exist, do the arguments bind, is it harmless.

Reads documents, syntax trees and signatures; imports and runs nothing that a document or an answer names.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeGuard

from gorilla_rag import signatures, syntax
from gorilla_rag.answer import Check, Verdict
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import Argument, Call, Expr, Literal, calls_in
from gorilla_rag.errors import CallSyntaxError
from gorilla_rag.harm import harm, harms
from gorilla_rag.snippet import imported_names
from gorilla_rag.validate import parameter_schema, schema_errors

_SHOWN_PARAMETERS = 8
Lookup = Callable[[str], Sequence[ApiDoc]]
"""The documents of a function, one for each distinct call of it."""


def verify(
    call: Call,
    code: str,
    lookup: Lookup,
    *,
    doc: ApiDoc | None = None,
    removed: Sequence[str] = (),
    faults: Sequence[str] = (),
    missing: Sequence[str] = (),
) -> Verdict:
    """Runs every check on an answer's call, then on every other call in its code.

    Args:
        call: the answer's call.
        code: the answer's code.
        lookup: the documents of a function.
        doc: the document that the call was made from, if it was made from one.
        removed: schema keywords that could not be enforced while writing.
        faults: what those keywords, checked afterwards, found wrong with the arguments.
        missing: required arguments of a tool or an HTTP operation that weren't given.
    """
    schema = _schema(doc, removed, faults)
    if doc and doc.kind != "python" and call.raw is None:
        found = (_parses(call, doc), Check("documented", "passed", doc.id), schema, _complete(missing))
        return Verdict((*found, *_harmless(call.path, doc)))
    documented = [*_documented(call, lookup, doc), *_version(doc)]
    checks = [_parses(call, doc), *documented, schema, *_signature(call, call.path), *_harmless(call.path, doc)]
    return Verdict((*checks, *_code_checks(call, code, lookup, doc)))


def placeholders(call: Call) -> tuple[str, ...]:
    """Names in a call's arguments that stand for the user's own values, in order."""
    names: list[str] = []
    for _, value in call.arguments():
        if isinstance(value, Expr):
            names.append(value.source)
        elif isinstance(value, Call):
            names += placeholders(value)
    return tuple(dict.fromkeys(names))


def _parses(call: Call, doc: ApiDoc | None) -> Check:
    if doc and doc.kind != "python":
        return Check("parses", "not applicable", "a call of a tool or an operation isn't Python")
    if call.raw is None:
        return Check("parses", "passed", "one Python call")
    return Check("parses", "failed", "not one Python call; kept as text")


def _documented(call: Call, lookup: Lookup, doc: ApiDoc | None) -> Iterator[Check]:
    """Whether the function is documented, and whether each literal is one that its documents give."""
    docs = [doc] if doc else list(lookup(call.path)) if call.raw is None else []
    if not docs:
        yield Check("documented", "failed", f"no document of {call.path or call.raw!r} in the index")
        yield Check("literals", "not applicable", "nothing documented to compare with")
        return
    yield Check("documented", "passed", docs[0].id if doc else f"{call.path} has {len(docs)} documented calls")
    if call.raw is not None:
        yield Check("literals", "passed" if call == docs[0].call else "failed", "compared as text")
        return
    faults = min((_undocumented(call, one) for one in docs), key=len)
    detail = ", ".join(faults) if faults else "as documented"
    yield Check("literals", "failed" if faults else "passed", f"not documented: {detail}" if faults else detail)


def _version(doc: ApiDoc | None) -> Iterator[Check]:
    """Whether the version that is documented is the one that is installed, where a document names one."""
    if doc is None or doc.kind != "python" or not doc.version:
        return
    installed = signatures.default_resolver().environment.installed_version(doc.package)
    if not installed:
        yield Check("version", "not applicable", f"documents {doc.package} {doc.version}, which isn't installed here")
    elif installed == doc.version:
        yield Check("version", "passed", f"documented and installed: {doc.package} {installed}")
    else:
        yield Check("version", "failed", f"documents {doc.package} {doc.version}; installed is {installed}")


def _undocumented(call: Call, doc: ApiDoc) -> list[str]:
    """The literal arguments that neither the documented call has nor its parameters allow, a chain's first last."""
    names = doc.parameter_names
    documented = dict(doc.call.bind(names).arguments())
    faults = [
        f"{name}={value.source}" if isinstance(name, str) else value.source
        for name, value in call.bind(names).arguments()
        if isinstance(value, Literal)
        and not _same(value, documented.get(name))
        and not (isinstance(name, str) and _allowed(name, value, doc))
    ]
    if call.receiver and doc.call.receiver:
        faults += _undocumented(call.receiver, replace(doc, api_call=doc.call.receiver.render(), parameters={}))
    return faults


def _allowed(name: str, value: Literal, doc: ApiDoc) -> bool:
    """Whether a parameter's schema admits a literal; of an installed package's, also what has no schema."""
    properties = doc.parameters.get("properties", {})
    if name not in properties:
        return doc.source == "python" and isinstance(doc.api_arguments, dict) and name in doc.api_arguments
    given = list(value.value) if isinstance(value.value, tuple) else value.value
    if "default" in properties[name] and properties[name]["default"] == given:
        return True
    return not schema_errors({name: given}, parameter_schema(doc.parameters, name))


def _same(value: Literal, documented: Argument | None) -> bool:
    return isinstance(documented, Literal) and Call(args=(value,)).equals(Call(args=(documented,)))


def _schema(doc: ApiDoc | None, removed: Sequence[str], faults: Sequence[str]) -> Check:
    if doc is None or not doc.parameters.get("properties"):
        return Check("schema", "not applicable", "the documentation has no schema of the arguments")
    if faults:
        return Check("schema", "failed", "; ".join(faults))
    if removed:
        return Check("schema", "passed", f"checked after writing, not enforced while writing: {', '.join(removed)}")
    return Check("schema", "passed", "enforced while writing and checked after")


def _complete(missing: Sequence[str]) -> Check:
    """Whether a tool or an operation is given everything that it requires."""
    if missing:
        return Check("binds", "failed", f"missing: {', '.join(missing)}")
    return Check("binds", "passed", "every required argument is there")


def _signature(call: Call, dotted: str, source: str = "") -> Iterator[Check]:
    """Whether the name exists and the arguments bind, for what is looked up."""
    if call.raw is not None or call.receiver is not None:
        yield Check("exists", "not applicable", "not a plain dotted name", source)
        return
    found = signatures.resolve(dotted)
    if found.state == "unknown":
        yield Check("exists", "not applicable", found.detail, source)
        return
    version = f"{found.package} {found.version}"
    if found.state in ("missing", "not callable"):
        what = "no such name" if found.state == "missing" else "not callable"
        yield Check("exists", "failed", f"{dotted}: {what} in {version}", source)
        return
    yield Check("exists", "passed", f"{dotted} in {version}", source)
    if found.signature is None:
        yield Check("binds", "not applicable", f"{dotted} doesn't tell its signature", source)
        return
    wrong = signatures.fault(signatures.Given.of(call), found.signatures, found.other_names)
    detail = wrong.message if wrong else f"to {dotted}({_takes(found)})"
    yield Check("binds", "failed" if wrong else "passed", detail, source)


def _takes(found: signatures.Resolved) -> str:
    """A signature's parameters, with `=…` after those that may be left out; the rest of a long one is `…`."""
    parameters = list(found.signature.parameters.values()) if found.signature else []
    shown = [
        str(p.replace(default=p.empty, annotation=p.empty)) + ("" if p.default is p.empty else "=…")
        for p in parameters[:_SHOWN_PARAMETERS]
    ]
    return ", ".join([*shown, "…"] if len(parameters) > _SHOWN_PARAMETERS else shown)


def _code_checks(call: Call, code: str, lookup: Lookup, doc: ApiDoc | None) -> Iterator[Check]:
    """The checks of every other call in the code, each with the call it is about."""
    if call.raw is not None or not code:
        return
    try:
        found, tree = calls_in(code), syntax.module(code)
    except CallSyntaxError as error:
        yield Check("parses", "failed", error.message, "code")
        return
    names, own, shown = imported_names(tree), set(_defined(tree)), _example_calls(doc)
    for made in dict.fromkeys(made for made, _ in found if made != call):
        source = made.render()
        head, _, rest = made.function.partition(".")
        dotted = ".".join(part for part in (names.get(head, head), rest) if part)
        if made in shown and doc:
            yield Check("documented", "passed", f"stands in the example of {doc.id}", source)
        elif made.receiver is None and (docs := lookup(dotted)):
            checks = _documented(replace(made, function=dotted), lambda _, docs=docs: docs, None)  # type: ignore[misc]
            yield from (replace(check, call=source) for check in checks)
        if made.receiver is not None or head in own or not dotted.replace(".", "_").isidentifier():
            yield Check("exists", "not applicable", "called on a value of the program", source)
        else:
            yield from _signature(made, dotted, source)
    if _suspect(doc):
        for dotted, what, source in dict.fromkeys(harms(tree)):
            if dotted != call.path:  # of which it is said already
                yield Check("harmless", "failed", f"{dotted} {what}; nobody vouched for {doc.id}", source)


def _harmless(dotted: str, doc: ApiDoc | None, source: str = "") -> Iterator[Check]:
    """Says of a call that could do harm that nobody vouched for the document which it comes from.

    Nothing is said of what the installed packages themselves document.
    """
    if _suspect(doc) and (what := harm(dotted)):
        yield Check("harmless", "failed", f"{dotted} {what}; nobody vouched for {doc.id}", source)


def _suspect(doc: ApiDoc | None) -> TypeGuard[ApiDoc]:
    """Whether nobody vouched for a document, neither its user nor the installed package that it documents."""
    return doc is not None and not doc.trusted and doc.source != "python"


def _example_calls(doc: ApiDoc | None) -> set[Call]:
    """The calls in a document's own example."""
    try:
        return {made for made, _ in calls_in(doc.example_code)} if doc else set()
    except CallSyntaxError:
        return set()


def _defined(tree: ast.Module) -> Iterator[str]:
    """Names that a program binds itself: assignments, functions, classes, loop, `with`, `except` and `case`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name

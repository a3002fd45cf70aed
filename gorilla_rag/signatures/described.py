"""What is known of named objects: what is written, and where that isn't enough, what the running object tells."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gorilla_rag.signatures.callables import describe
from gorilla_rag.signatures.environment import Distribution
from gorilla_rag.signatures.naming import Name
from gorilla_rag.signatures.nodes import Object
from gorilla_rag.signatures.objects import ApiObject, ObjectKind
from gorilla_rag.signatures.probe import signature_of
from gorilla_rag.signatures.resolve import Resolver


def described(resolver: Resolver, distribution: Distribution, names: Sequence[Name]) -> dict[str, ApiObject]:
    """Objects of a package by name, properties left out.

    Where the resolver may run the package, docstrings that aren't written, and signatures, are the running objects'.
    """
    written = {one.name: _written(resolver, distribution, one) for one in names}
    made = {name: one for name, one in written.items() if one is not None}
    probe = resolver.probe
    asked = {resolver.spelled_out(name): name for name, one in made.items() if not (one.docstring and one.signatures)}
    for whole, row in probe.look_up_all([whole for whole in asked if probe.may_run(whole)]):
        if row.get("state") == "found":
            made[asked[whole]] = _with_running(made[asked[whole]], row)
    return made


def _written(resolver: Resolver, distribution: Distribution, name: Name) -> ApiObject | None:
    """What reading tells; `None` for a property."""
    kind: ObjectKind = name.running.get("kind", "function")
    module = resolver.environment.module_of(name.name)
    made = ApiObject(name.name, kind, package=distribution.name, version=distribution.version, module=module)
    if name.node is None:
        return made
    found = describe(resolver.tree, name.node)
    if found.kind == "property":
        return None
    bound = isinstance(name.node, Object) and name.node.bound
    strips = found.kind == "method" and not bound
    return replace(
        made,
        kind="function" if bound else found.kind,
        signatures=tuple(map(_without_self, found.signatures)) if strips else found.signatures,
        docstring=found.docstring,
        deprecated=found.deprecated,
        file=found.file,
        line=found.line,
    )


def _without_self(signature: inspect.Signature) -> inspect.Signature:
    rows = list(signature.parameters.values())
    first = rows[0].kind if rows else inspect.Parameter.VAR_POSITIONAL
    return signature if first is inspect.Parameter.VAR_POSITIONAL else signature.replace(parameters=rows[1:])


def _with_running(made: ApiObject, row: Mapping[str, Any]) -> ApiObject:
    running = signature_of(row)
    kind: ObjectKind = made.kind if made.file else row["kind"]
    signatures = made.signatures or ((_unbound(running, row),) if running else ())
    return replace(made, kind=kind, docstring=made.docstring or row.get("doc", ""), signatures=signatures)


def _unbound(signature: inspect.Signature, row: Mapping[str, Any]) -> inspect.Signature:
    """A method's signature without `self`, which the class's own function still has."""
    rows = list(signature.parameters.values())
    if row.get("kind") == "method" and rows and rows[0].name == "self":
        return signature.replace(parameters=rows[1:])
    return signature

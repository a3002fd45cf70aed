"""What a node of the tree takes when it is called: signatures as written, and whether they hold for certain."""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import griffe

from gorilla_rag.signatures import dataclass_fields
from gorilla_rag.signatures.binding import OTHER_NAMES
from gorilla_rag.signatures.decorators import SAME_PARAMETERS, keeps_parameters
from gorilla_rag.signatures.nodes import Builtin, Definition, Instance, Object, Unknown
from gorilla_rag.signatures.objects import ObjectKind
from gorilla_rag.signatures.tree import Tree, remaking_decorator, written
from gorilla_rag.syntax import literal

_KINDS = {
    griffe.ParameterKind.positional_only: inspect.Parameter.POSITIONAL_ONLY,
    griffe.ParameterKind.positional_or_keyword: inspect.Parameter.POSITIONAL_OR_KEYWORD,
    griffe.ParameterKind.var_positional: inspect.Parameter.VAR_POSITIONAL,
    griffe.ParameterKind.keyword_only: inspect.Parameter.KEYWORD_ONLY,
    griffe.ParameterKind.var_keyword: inspect.Parameter.VAR_KEYWORD,
}
_OWN_CONSTRUCTION = {"NamedTuple", "TypedDict", "Enum", "IntEnum", "StrEnum", "Flag", "IntFlag", "BaseModel"}


@dataclass(frozen=True, slots=True)
class Callable:
    """How something is called.

    Attributes:
        kind: what it is.
        signatures: one, or one an overload; empty where none is written.
        unsure: why they may not be the whole truth; empty when they are.
        docstring: of the definition, cleaned.
        deprecated: what its deprecation says.
        file: where it is defined.
        line: 1-based.
        other_names: of parameters, that are taken too and not written.
        from_stub: whether all of this is a stub's, of something compiled.
    """

    kind: ObjectKind
    signatures: tuple[inspect.Signature, ...] = ()
    unsure: str = ""
    docstring: str = ""
    deprecated: str = ""
    file: str = ""
    line: int = 0
    other_names: Mapping[str, str] = field(default_factory=dict)
    from_stub: bool = False


def describe(tree: Tree, node: Object | Instance) -> Callable:
    """What a class, function or instance takes.

    Args:
        tree: where it was found.
        node: what was found; a method that was reached through an instance has its `self` already.
    """
    if isinstance(node, Instance):
        call = tree.member(node, "__call__")
        made = describe(tree, call) if isinstance(call, Object) else Callable("instance", unsure=_why(call))
        return replace(made, kind="instance")
    item = node.item
    if isinstance(item, griffe.Class):
        return _class(tree, node)
    if isinstance(item, griffe.Function):
        return _function(tree, node)
    kind: ObjectKind = "property" if node.owner else "instance"
    return _located(Callable(kind, unsure=f"{node.path} is a value"), node)


def _why(node: object) -> str:
    return node.reason if isinstance(node, Unknown) else "it isn't callable"


def _located(made: Callable, node: Object) -> Callable:
    docs = [one.item.docstring.value for one in node.definitions if one.item.docstring]
    text = inspect.cleandoc(docs[0]) if docs else ""
    deprecated = next((one for one in map(_deprecation, node.definitions) if one), "")
    other = next((names for place, names in OTHER_NAMES.items() if node.path.startswith(f"{place}.")), {})
    return replace(
        made,
        docstring=text,
        deprecated=deprecated,
        file=str(node.module.path),
        line=node.item.lineno or 0,
        other_names=other,
        from_stub=all(one.module.path.suffix == ".pyi" for one in node.definitions),
    )


def _deprecation(one: Definition) -> str:
    """What `@deprecated("…")` says, or a `.. deprecated::` note at the head of the docstring."""
    for decorator in getattr(one.item, "decorators", ()):
        if decorator.callable_path.rpartition(".")[2] in ("deprecated", "deprecate"):
            value = decorator.value
            first = value.arguments[0] if isinstance(value, griffe.ExprCall) and value.arguments else ""
            try:
                return str(literal(str(first)))
            except (ValueError, SyntaxError):
                return "deprecated"
    return ""


def _function(tree: Tree, node: Object) -> Callable:
    labels = node.item.labels
    static = "staticmethod" in labels or node.item.name == "__new__"
    owned = node.owner is not None
    strips = owned and not static and (node.bound or "classmethod" in labels)
    kind: ObjectKind = "method" if owned and not static and "classmethod" not in labels else "function"
    if "property" in labels:
        return _located(Callable("property", unsure="it is a property"), node)
    found: list[tuple[list[inspect.Signature], str]] = [_of_definition(tree, one) for one in node.definitions]
    chosen = next((one for one in found if not one[1] and _covers(one[0], found[0][0])), found[0])
    unsure = f"{node.path} is defined in several ways" if node.ambiguous else chosen[1]
    signatures = tuple(_without_first(one) if strips else one for one in chosen[0])
    return _located(Callable(kind, signatures, unsure), node)


def _covers(stub: Sequence[inspect.Signature], source: Sequence[inspect.Signature]) -> bool:
    """Whether a stub has every parameter of the source: else it is of another version."""
    told = {name for one in stub for name in one.parameters}
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return all(p.kind in variadic or name in told for one in source for name, p in one.parameters.items())


def _of_definition(tree: Tree, one: Definition) -> tuple[list[inspect.Signature], str]:
    """The signatures that one definition writes, and why they may not hold."""
    item = one.item
    if not isinstance(item, griffe.Function):
        return [], f"{item.name} is a value"
    scope = item.parent
    overloads = scope.overloads.get(item.name) if isinstance(scope, griffe.Module | griffe.Class) else None
    implemented = one.module.path.suffix == ".py" and item not in (overloads or ())
    if overloads and not implemented:
        return [made for other in overloads if (made := signature(other.parameters, other.returns))], ""
    made = signature(item.parameters, item.returns)
    for decorator in item.decorators:
        if not _keeps(tree, one, decorator):
            return [made] if made else [], f"{decorator.callable_path} may change what it takes"
    return ([made], "") if made else ([], "its parameters can't be read")


def _keeps(tree: Tree, one: Definition, decorator: griffe.Decorator) -> bool:
    """Whether a decorator leaves the parameters alone."""
    name = str(decorator.value.function if isinstance(decorator.value, griffe.ExprCall) else decorator.value)
    if name.rpartition(".")[2] in SAME_PARAMETERS:
        return True
    found = tree.expression(one.module, name) if "." not in name else _dotted(tree, one, name)
    if not isinstance(found, Object) or found.ambiguous or not isinstance(found.item, griffe.Function):
        return False
    definition = _syntax(found)
    return definition is not None and keeps_parameters(definition, called=isinstance(decorator.value, griffe.ExprCall))


def _dotted(tree: Tree, one: Definition, name: str) -> object:
    first, _, rest = name.partition(".")
    node = tree.expression(one.module, first)
    for part in rest.split("."):
        node = tree.member(node, part)
    return node


@lru_cache(maxsize=4096)
def _syntax_at(syntax: ast.Module, name: str, line: int) -> ast.FunctionDef | None:
    for node in ast.walk(syntax):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            if first <= line <= node.lineno:
                return node
    return None


def _syntax(node: Object) -> ast.FunctionDef | None:
    return _syntax_at(node.module.syntax, node.item.name, node.item.lineno or 0)


def signature(parameters: Iterable[griffe.Parameter], returns: object = None) -> inspect.Signature | None:
    """A written signature, annotations and defaults as source; `None` when it isn't a possible one."""
    made = []
    for one in parameters:
        kind = _KINDS[one.kind or griffe.ParameterKind.positional_or_keyword]
        variadic = kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        default = inspect.Parameter.empty if variadic or one.default is None else str(one.default)
        hint = inspect.Parameter.empty if one.annotation is None else str(one.annotation)
        made.append(inspect.Parameter(one.name.lstrip("*"), kind, default=default, annotation=hint))
    try:
        return inspect.Signature(made, return_annotation=inspect.Signature.empty if returns is None else str(returns))
    except ValueError:
        return None


def _without_first(found: inspect.Signature) -> inspect.Signature:
    """A method's signature without `self`; one that only has `*args` keeps it."""
    rows = list(found.parameters.values())
    if not rows or rows[0].kind is inspect.Parameter.VAR_POSITIONAL:
        return found
    return found.replace(parameters=rows[1:])


def _class(tree: Tree, node: Object) -> Callable:
    made = _construction(tree, node)
    located = _located(made, node)
    if not located.docstring and (init := written_object(tree, node, "__init__")):
        return replace(located, docstring=_located(made, init).docstring)
    return located


def written_object(tree: Tree, node: Object, name: str) -> Object | None:
    """A class's own or inherited method, where its source is at hand."""
    found = tree.member(node, name)
    return found if isinstance(found, Object) else None


def _construction(tree: Tree, node: Object) -> Callable:
    """What making an instance takes: the first `__init__` and `__new__` along the bases, whichever comes first."""
    order, unsure = tree.mro(node)
    unsure = f"{node.path} is defined in several ways" if node.ambiguous else unsure or _remade(order)
    for one in order:
        if isinstance(one, Builtin):
            plain = one.name == "object"
            return Callable("class", (), "" if plain else f"made as {one.name}")
        if why := _other_construction(one):
            return Callable("class", (), why)
        if _is_dataclass(one) and not _made_otherwise(one, "__init__"):
            bases = [_class_syntax(o) for o in reversed(order) if isinstance(o, Object) and _is_dataclass(o)]
            fields = dataclass_fields.signature(node for node in bases if node is not None)
            return Callable(
                "class", (fields,) if fields else (), unsure or ("" if fields else "its fields can't be read")
            )
        for name in ("__init__", "__new__"):
            made = _own_constructor(tree, one, name)
            if made is not None:
                return Callable("class", made.signatures, unsure or made.unsure or _made_otherwise(one, name))
    if unsure:
        return Callable("class", (), unsure)
    return Callable("class", (inspect.Signature(),))


def _remade(order: Sequence[Object | Builtin]) -> str:
    """Why a class may not be made as its constructor is written: a decorator or a base that makes classes anew."""
    classes = [one for one in order if isinstance(one, Object)]
    own = bool({"__init__", "__new__"} & set(classes[0].item.members))
    for one in classes[:1] if own else classes:
        if name := remaking_decorator(one):
            return f"{name} may change how {one.path} is made"
        if "__init_subclass__" in one.item.members and one is not classes[0]:
            return f"{one.path}.__init_subclass__ may change how it is made"
    return ""


def _other_construction(node: Object) -> str:
    """Why a class isn't made through `__init__`."""
    item = node.item
    if not isinstance(item, griffe.Class):
        return f"{node.path} isn't a class"
    bases = {str(base).partition("[")[0].rpartition(".")[2] for base in item.bases}
    if special := sorted(bases & _OWN_CONSTRUCTION):
        return f"made as {special[0]}"
    meta = str((item.keywords or {}).get("metaclass", "")).rpartition(".")[2]
    return f"its metaclass {meta} may make it" if meta and meta not in ("ABCMeta", "type") else ""


def _own_constructor(tree: Tree, node: Object, name: str) -> Callable | None:
    """`__init__` or `__new__` where the class writes it, without `self`."""
    made = []
    for one in node.definitions:
        member = written(one.item, name) if isinstance(one.item, griffe.Class) else None
        if isinstance(member, griffe.Alias):
            return Callable("class", (), f"{node.path} takes {name} from elsewhere")
        if isinstance(member, griffe.Object):
            made.append(Definition(one.module, member))
    if not made:
        return None
    found = [_of_definition(tree, one) for one in made]
    chosen = next((one for one in found if not one[1]), found[0])
    return Callable("class", tuple(map(_without_first, chosen[0])), chosen[1])


def _made_otherwise(node: Object, name: str) -> str:
    """Why `__init__` may not decide: a `__new__` beside it may make an instance of another class."""
    sourced = any(one.module.path.suffix == ".py" and "__new__" in one.item.members for one in node.definitions)
    return f"{node.path}.__new__ may make something else" if name == "__init__" and sourced else ""


def _is_dataclass(node: Object) -> bool:
    """Whether `@dataclass` makes its `__init__`; one that it writes itself stays."""
    syntax = _class_syntax(node)
    return syntax is not None and "__init__" not in node.item.members and dataclass_fields.decorator(syntax) is not None


def _class_syntax(node: Object) -> ast.ClassDef | None:
    """A class's own statement, in its source."""
    return _class_at(node.module.syntax, node.item.name, node.item.lineno or 0)


@lru_cache(maxsize=4096)
def _class_at(syntax: ast.Module, name: str, line: int) -> ast.ClassDef | None:
    for node in ast.walk(syntax):
        if isinstance(node, ast.ClassDef) and node.name == name:
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            if first <= line <= node.lineno:
                return node
    return None


def is_builtin_callable(name: str) -> bool:
    """Whether this Python has a built-in function or type of that name."""
    return callable(getattr(builtins, name, None))

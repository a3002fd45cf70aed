"""An object of an installed package as an `ApiDoc`. Reads what it is given; imports and runs nothing.

The documented call is what has to be written: required parameters stand in it under their names, and `parameters` has
the schema of those that a question could set. A method is written as the function it is,
`pandas.DataFrame.groupby(dataframe, by)`: unlike `dataframe.groupby(by)` that says what it belongs to and can be
looked up and bound, and unlike `pandas.DataFrame().groupby(by)` it doesn't make an empty one. Its example shows the
usual form.
"""

from __future__ import annotations

import builtins
import inspect
import json
import keyword
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from gorilla_rag import syntax
from gorilla_rag.apidoc import ApiDoc, document_id
from gorilla_rag.signatures.environment import STANDARD_LIBRARY
from gorilla_rag.signatures.objects import ApiObject
from gorilla_rag.sources.annotations import Schema, literal_schema, schema
from gorilla_rag.sources.docstrings import DocstringText, ParameterText, read, signatures_in_docstring
from gorilla_rag.sources.examples import example
from gorilla_rag.sources.markup import bounded

SOURCE = "python"
_ARGUMENT = 200
_SETTABLE = 140
_FRAMEWORKS = {
    STANDARD_LIBRARY: "Python standard library",
    "matplotlib": "Matplotlib",
    "numpy": "NumPy",
    "scipy": "SciPy",
    "sentence-transformers": "Sentence Transformers",
    "tensorflow": "TensorFlow",
    "torch": "PyTorch",
    "transformers": "Hugging Face Transformers",
}
_BUILT_IN = frozenset(dir(builtins))
_EMPTY = inspect.Parameter.empty
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def document(
    item: ApiObject, *, domain: str = "", distribution_license: str = "", trusted: bool = False
) -> ApiDoc | None:
    """The document of what can be called; `None` for modules and properties.

    Args:
        item: a function, class, method or instance, and what is known of it.
        domain: what its module is about; the words of the module's name by default.
        distribution_license: of its package.
        trusted: whether the user vouches for the package.
    """
    if item.kind in ("module", "property"):
        return None
    told = read(item.docstring)
    signature = _signature(item, told)
    deprecated = item.deprecated or told.deprecated
    values: dict[str, Any] = {
        "api_name": item.name,
        "api_call": _call(item, signature),
        "domain": domain or " ".join(re.split(r"[._]+", item.name.rpartition(".")[0])).strip(),
        "framework": _framework(item),
        "functionality": told.summary,
        "description": " ".join(filter(None, (deprecated and f"Deprecated: {deprecated}", told.description))),
        "api_arguments": _arguments(item, signature, told) or None,
        "python_environment_requirements": (item.package,) if item.package else (),
        "example_code": example(item.name, told.examples) or _plain_example(item, signature),
        "parameters": _parameters(signature, told),
        "version": item.version,
        "license": distribution_license,
        "source": SOURCE,
        "trusted": trusted,
    }
    return ApiDoc(id=document_id(values), **values)


def _framework(item: ApiObject) -> str:
    if not item.package and item.name.split(".")[0] in sys.stdlib_module_names:
        return _FRAMEWORKS[STANDARD_LIBRARY]
    return _FRAMEWORKS.get(item.package.lower(), item.package)


def _signature(item: ApiObject, told: DocstringText) -> inspect.Signature:
    """The one that asks for least; the docstring's where the object tells none, or only `(*args, **kwargs)`."""
    forms = [form for form in item.signatures if not _says_nothing(form)]
    forms = forms or list(signatures_in_docstring(item.docstring, item.name))
    if forms:
        return min(forms, key=lambda form: (len(_required(form)), -len(form.parameters)))
    return _from_parameters(told.parameters)


def _says_nothing(form: inspect.Signature) -> bool:
    return {parameter.kind for parameter in form.parameters.values()} == set(_VARIADIC)


def _from_parameters(told: Mapping[str, ParameterText]) -> inspect.Signature:
    """A signature of what a docstring lists: what isn't said to be optional has to be given."""
    names = {name: text for name, text in told.items() if name not in ("args", "kwargs")}
    required = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name, text in names.items() if not text.optional
    ]
    optional = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=text.default or "...")
        for name, text in names.items()
        if text.optional and not keyword.iskeyword(name)
    ]
    return inspect.Signature([*required, *optional])


def _required(form: inspect.Signature) -> list[inspect.Parameter]:
    return [one for one in form.parameters.values() if one.default is _EMPTY and one.kind not in _VARIADIC]


def _call(item: ApiObject, signature: inspect.Signature) -> str:
    receiver = [_receiver(item, signature)] if item.kind == "method" else []
    return f"{item.name}({', '.join([*receiver, *_given(signature)])})"


def _given(signature: inspect.Signature) -> Iterator[str]:
    """The arguments that a call can't do without, each its own placeholder."""
    by_position = [one for one in signature.parameters.values() if one.kind in _POSITIONAL]
    yield from (_placeholder(one.name) for one in by_position if one.default is _EMPTY)
    if all(one.default is _EMPTY for one in by_position):
        yield from (
            f"*{one.name}"
            for one in signature.parameters.values()
            if one.kind is inspect.Parameter.VAR_POSITIONAL and one.name != "args"
        )
    yield from (f"{one.name}={one.name}" for one in _required(signature) if one.kind not in _POSITIONAL)


def _placeholder(name: str) -> str:
    return f"{name}_" if keyword.iskeyword(name) else name


def _receiver(item: ApiObject, signature: inspect.Signature) -> str:
    """What stands for the instance: its class in lower case, unless that means something else."""
    name = item.name.split(".")[-2].lower().strip("_") or "self"
    while name in signature.parameters or keyword.iskeyword(name) or name in _BUILT_IN:
        name += "_"
    return name


def _plain_example(item: ApiObject, signature: inspect.Signature) -> str:
    """The import and the call; of a method, the usual form on an instance."""
    *owner, _ = item.name.split(".")
    module = item.module or _module_by_case(item)
    lines = [f"import {module}"] if module else []
    if item.kind != "method":
        return "\n".join([*lines, _call(item, signature)])
    receiver = _receiver(item, signature)
    return "\n".join([*lines, f"{receiver}: {'.'.join(owner)}", _bound(item, signature)])


def _module_by_case(item: ApiObject) -> str:
    """The module that a name seems to be in: what stands before the first capital; a built-in is in none."""
    *owner, _ = item.name.split(".")
    if not owner or (item.package == STANDARD_LIBRARY and owner[0] in _BUILT_IN):
        return ""
    upper = next((end for end, part in enumerate(owner) if end and part[:1].isupper()), len(owner))
    return ".".join(owner[: min(upper, len(owner) - 1) if item.kind == "method" else upper])


def _bound(item: ApiObject, signature: inspect.Signature) -> str:
    leaf = item.name.rsplit(".", 1)[-1]
    return f"{_receiver(item, signature)}.{leaf}({', '.join(_given(signature))})"


def _arguments(item: ApiObject, signature: inspect.Signature, told: DocstringText) -> dict[str, str]:
    """What each parameter is, of those that anything is known of."""
    found = {name: told.parameters.get(name, ParameterText()) for name in [*signature.parameters, *told.parameters]}
    said = {name: bounded(text.description or text.type, _ARGUMENT) for name, text in found.items()}
    if item.kind == "method":
        owner = item.name.rsplit(".", 1)[0]
        said = {_receiver(item, signature): f"the {owner}; usually written {_bound(item, signature)}", **said}
    return {name: text for name, text in said.items() if text}


def _parameters(signature: inspect.Signature, told: DocstringText) -> dict[str, Any]:
    """JSON Schema of what a question could set by name, or in place of a placeholder."""
    found = {one.name: _schema(one, told.parameters) for one in signature.parameters.values() if _is_settable(one)}
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in signature.parameters.values()):
        more = [name for name in told.parameters if name not in signature.parameters and not keyword.iskeyword(name)]
        named = (inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in more)
        found |= {one.name: _schema(one, told.parameters) for one in named}
    properties = {name: kept for name, kept in found.items() if kept}
    return {"type": "object", "properties": properties, "required": []} if properties else {}


def _is_settable(parameter: inspect.Parameter) -> bool:
    """Whether it has a placeholder in the call or can be given by name."""
    if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
        return parameter.default is _EMPTY and not keyword.iskeyword(parameter.name)
    return parameter.kind not in _VARIADIC


def _schema(parameter: inspect.Parameter, told: Mapping[str, ParameterText]) -> Schema:
    """What a parameter takes, with its default and description; empty where that can't be JSON."""
    text = told.get(parameter.name, ParameterText())
    annotation = parameter.annotation if isinstance(parameter.annotation, str) else ""
    known, default = _json(parameter.default)
    found = schema(annotation, text=text.type)
    if not found and not annotation and not text.type and known:
        found = literal_schema(default)
    if not found:
        return {}
    if found == {"type": "string"} and text.choices:
        found["enum"] = list(dict.fromkeys(text.choices))
    found |= {"default": default} if known else {}
    return found | ({"description": bounded(text.description, _SETTABLE)} if text.description else {})


def _json(source: Any) -> tuple[bool, Any]:
    """Whether a default's source is a JSON literal, and the literal."""
    if not isinstance(source, str):
        return False, None
    try:
        value = syntax.literal(source)
        written = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        return json.loads(written) == value, value
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return False, None

"""What is known of one name of an installed package. Knows nothing about how it was read, nor about documents."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Literal

ObjectKind = Literal["function", "class", "method", "property", "instance", "module"]


@dataclass(frozen=True, slots=True)
class ApiObject:
    """One object under the name that people type.

    Attributes:
        name: the public dotted name: `sklearn.cluster.KMeans`, `pandas.DataFrame.groupby`.
        kind: `method` for what is called on an instance (its signatures leave `self` out); static and class methods
            are functions; `instance` for a value that can be called (a ufunc, a distribution).
        signatures: what it takes: one, or one an overload; empty where it can't be known. Annotations and defaults
            are source text (`"int | None"`, `"'linear'"`).
        docstring: cleaned as `inspect.cleandoc` does; empty where there is none.
        deprecated: what its deprecation says; empty where there is none.
        package: the distribution's name.
        version: the distribution's version.
        module: that it is imported from; empty for a built-in, and where nobody has looked.
        file: where it is defined; empty for what was read from the interpreter.
        line: 1-based line in `file`; 0 when unknown.
    """

    name: str
    kind: ObjectKind
    signatures: tuple[inspect.Signature, ...] = ()
    docstring: str = ""
    deprecated: str = ""
    package: str = ""
    version: str = ""
    module: str = ""
    file: str = ""
    line: int = 0

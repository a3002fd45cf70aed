"""The one exception tree. Every error says what was found, and its `hint` says what to do.

Knows nothing about any other part of the package.
"""


class GorillaError(Exception):
    """Base of everything this library raises on purpose.

    Args:
        message: what was found and what was expected.
        hint: what the reader can do about it, as one sentence or a command.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})"


class UsageError(GorillaError):
    """An argument that can't be served: an unknown mode, `k` below one, an oracle without its document."""

    exit_code = 2


class CallSyntaxError(GorillaError):
    """A text that isn't one Python call.

    Attributes:
        line: 1-based line of the fault in the text.
        column: 1-based column of the fault in that line.
    """

    def __init__(self, message: str, *, line: int, column: int, hint: str) -> None:
        super().__init__(f"line {line}, column {column}: {message}", hint=hint)
        self.line = line
        self.column = column


class SourceError(GorillaError):
    """A documentation file, or an MCP server, that can't be read.

    Attributes:
        file: the file's path as given, or the server.
        line: 1-based line, or the 1-based entry of a list; 0 when the whole file is meant.
    """

    exit_code = 3

    def __init__(self, reason: str, *, file: str, line: int, hint: str) -> None:
        super().__init__(f"{file}:{line}: {reason}" if line else f"{file}: {reason}", hint=hint)
        self.file = file
        self.line = line


class IndexMissing(GorillaError):
    """There is no index at the path."""

    exit_code = 4


class IndexCorrupt(GorillaError):
    """A file of an index is missing, truncated or altered; `file` names it."""

    exit_code = 5

    def __init__(self, message: str, *, file: str, hint: str) -> None:
        super().__init__(f"{file}: {message}", hint=hint)
        self.file = file


class IndexMismatch(GorillaError):
    """An index that was made with another encoder, text layout or format."""

    exit_code = 6


class IndexBusy(GorillaError):
    """Another process is changing the index."""

    exit_code = 7


class ModelMissing(GorillaError):
    """A model's files aren't on this machine."""

    exit_code = 8


class ModelCorrupt(GorillaError):
    """A model file that doesn't have the SHA-256 it should have."""

    exit_code = 9


class DownloadFailed(GorillaError):
    """A model could not be fetched."""

    exit_code = 10


class StorageFull(GorillaError):
    """The disk took no more; what stood there before is untouched."""

    exit_code = 11


class GenerationFailed(GorillaError):
    """The language model stopped with an error, or wrote what its schema forbids."""

    exit_code = 12


class ExtraMissing(GorillaError):
    """An optional package is needed for what was asked."""

    exit_code = 13


class BenchmarkError(GorillaError):
    """A file of questions or answers that can't be used.

    Attributes:
        file: the file's path as given.
        line: 1-based line; 0 when the whole file is meant.
    """

    exit_code = 14

    def __init__(self, reason: str, *, file: str, line: int, hint: str) -> None:
        super().__init__(f"{file}:{line}: {reason}" if line else f"{file}: {reason}", hint=hint)
        self.file = file
        self.line = line


class PackageMissing(GorillaError):
    """A Python package that isn't installed in the environment looked at."""

    exit_code = 15


class PackageUnreadable(GorillaError):
    """A Python package that is installed and can't be read: it fails, or takes too long."""

    exit_code = 16


class EndpointError(GorillaError):
    """A model server that is down, slow or rate-limited, refuses the request, or answers nonsense.

    Attributes:
        reason: which of these.
        status: the HTTP status, 0 where there was no answer.
    """

    exit_code = 17

    def __init__(self, message: str, *, reason: str, status: int = 0, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.status = status


class AdapterMismatch(GorillaError):
    """An adapter, or what an encoder differs in from its base, that was made for another base model."""

    exit_code = 18


class DeviceMissing(GorillaError):
    """A torch device that this machine doesn't have."""

    exit_code = 19


class TrainingDiverged(GorillaError):
    """A training whose loss isn't a number any more."""

    exit_code = 22


class ModelBusy(GorillaError):
    """What a served model does just now contradicts what is wanted of it."""

    exit_code = 23


class ModelTooLarge(GorillaError):
    """A model doesn't fit into the memory that a server gives its models."""

    exit_code = 24


class Overloaded(GorillaError):
    """A server has as many questions waiting as it takes.

    Attributes:
        seconds: after which it is worth asking again.
    """

    exit_code = 25

    def __init__(self, message: str, *, seconds: float, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.seconds = seconds


class TooSlow(GorillaError):
    """A question took longer than a server gives it."""

    exit_code = 26


class NotServed(UsageError):
    """A model or an index that a server doesn't have."""

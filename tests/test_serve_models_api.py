"""The lifecycle's paths and schemas: the server's own description and answers against docs/models-api.yaml."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient

from gorilla_rag import Gorilla
from gorilla_rag.generate.base import Generator
from gorilla_rag.models import registry
from gorilla_rag.serve.answering import Answering
from gorilla_rag.serve.app import make_app
from gorilla_rag.serve.lifecycle import STATES, Entry, Models
from gorilla_rag.serve.routing import Routing, Target
from gorilla_rag.validate import schema_errors
from tests.toys import Toy

FILE = Path(__file__).parent.parent / "docs" / "models-api.yaml"
API: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SCHEMAS = API["components"]["schemas"]


def broken() -> Generator:
    raise OSError("no such device")


@pytest.fixture
def client(gorilla: Gorilla) -> Iterator[TestClient]:
    made = {"a": Entry("a", "a", Toy), "b": Entry("b", "b", broken)}
    answering = Answering({"starter": gorilla.index}, Models(made), Routing(Target("a")))
    answering.close = answering.models.close  # type: ignore[method-assign] # the index is another test's too
    with TestClient(make_app(answering), raise_server_exceptions=False) as client:
        yield client


def fits(value: Any, name: str) -> list[str]:
    """What a file's schema finds wrong with an answer."""
    return schema_errors(value, {"$ref": f"#/components/schemas/{name}", **API})


def test_the_file_is_openapi_and_the_server_has_its_paths(client: TestClient) -> None:
    own = client.get("/openapi.json").json()
    for path, operations in API["paths"].items():
        for method in operations.keys() - {"parameters"}:
            (code,) = operations[method]["responses"]
            assert code in own["paths"][path][method]["responses"], (path, method)
            shown = operations[method]["responses"][code]["content"]["application/json"]["schema"]["$ref"]
            said = own["paths"][path][method]["responses"][code]["content"]["application/json"]["schema"]["$ref"]
            assert shown == said
    assert SCHEMAS["State"]["enum"] == list(STATES)


def properties(schemas: dict[str, Any], name: str) -> set[str]:
    schema = schemas[name]
    parts = [schema, *schema.get("allOf", [])]
    own = {one for part in parts for one in part.get("properties", {})}
    return own.union(*(properties(schemas, part["$ref"].rpartition("/")[2]) for part in parts if "$ref" in part))


@pytest.mark.parametrize("name", [name for name in SCHEMAS if name not in ("State", "ModelObject")])
def test_schemas_have_the_same_properties(name: str, client: TestClient) -> None:
    own = client.get("/openapi.json").json()["components"]["schemas"]
    assert properties(SCHEMAS, name) == properties(own, name)


def test_what_the_server_says_fits(client: TestClient) -> None:
    assert not fits(client.get("/v1/models").json(), "ListModelsResponse")
    assert not fits(client.get("/v1/models/a").json(), "GetModelResponse")
    assert not fits(client.put("/v1/models/a/start").json(), "StartModelResponse")
    assert not fits(client.put("/v1/models/a/stop").json(), "StopModelResponse")
    assert fits({"id": "a"}, "StopModelResponse")


def test_a_server_is_ready_when_its_model_is_there(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get("/readyz").status_code == 200
    answering = Answering({}, Models({"a": Entry("a", "a", Toy, known="api-smollm2")}), Routing(Target("a")))
    monkeypatch.setattr(registry, "state", lambda _: "missing")
    with TestClient(make_app(answering)) as other:
        said = other.get("/readyz")
        assert (said.status_code, said.json()) == (503, {"status": "not_downloaded"})
        assert other.get("/healthz").status_code == 200


def test_where_questions_go_is_among_the_measures(gorilla: Gorilla) -> None:
    route = Routing(Target("a"), fallback=Target("b", "bm25"), below=0.5, other=Target("b"), share=0.25)
    answering = Answering({"starter": gorilla.index}, Models({name: Entry(name, name, Toy) for name in "ab"}), route)
    answering.close = answering.models.close  # type: ignore[method-assign] # the index is another test's too
    with TestClient(make_app(answering)) as client:
        client.post("/v1/ask", json={"question": "convert text to speech", "chooser": "model"})
        measured = client.get("/metrics").text
    for line in (
        'gorilla_rag_route_share{route="a",target="a:hybrid"} 0.75',
        'gorilla_rag_route_share{route="b",target="b:hybrid"} 0.25',
        'gorilla_rag_fallback_below{target="b:bm25"} 0.5',
    ):
        assert line in measured


def test_a_model_that_fails_says_so_and_is_not_listed(client: TestClient) -> None:
    assert [one["id"] for one in client.get("/v1/models").json()["data"]] == ["a", "b"]
    failed = client.put("/v1/models/b/start")
    assert failed.status_code == 503
    stands = client.get("/v1/models/b").json()
    assert (stands["state"], "no such device" in stands["error"]) == ("failed", True)
    assert not fits(stands, "GetModelResponse")
    assert [one["id"] for one in client.get("/v1/models").json()["data"]] == ["a"]
    asked = client.post("/v1/ask", json={"question": "convert text to speech", "model": "b"})
    assert asked.status_code == 503
    assert json.loads(asked.text)["error"]["hint"]

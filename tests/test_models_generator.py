"""A generator made out of another and an adapter: pulled, verified and asked like any."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest

from gorilla_rag.digests import sha256
from gorilla_rag.errors import AdapterMismatch, ModelCorrupt
from gorilla_rag.generate import adapter_card, checkpoint
from gorilla_rag.generate.llama_cpp import LlamaCppGenerator
from gorilla_rag.generate.merged import merge
from gorilla_rag.generate.prompt import PROMPT_VERSION
from gorilla_rag.models import download, pin, registry, tensors
from gorilla_rag.models.registry import Derivation, ModelSpec

NAME, BASE = "noisy-smollm", "smollm2-135m"
LAYERS, RANK = 30, 2
WIDTHS = {"attn_q": (576, 576), "ffn_down": (576, 1536)}
MESSAGES = [{"role": "user", "content": "Which letter comes first?"}]
LABELS = list("ABCDE")


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random adapter as it lies in the package: GGUF, with its card beside it."""
    file = tmp_path_factory.mktemp("deltas") / f"{NAME}.gguf"
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(str(file), "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, 4.0)
    for layer in range(LAYERS):
        for part, (rows, columns) in WIDTHS.items():
            name = f"blk.{layer}.{part}.weight"
            writer.add_tensor(f"{name}.lora_a", rng.normal(scale=0.08, size=(RANK, columns)).astype(np.float16))
            writer.add_tensor(f"{name}.lora_b", rng.normal(scale=0.08, size=(rows, RANK)).astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    base = {"name": BASE, "sha256": sha256(registry.weights(BASE))}
    card = {"title": "SmolLM2 with noise", "base": base, "prompt_version": PROMPT_VERSION}
    file.with_suffix(".json").write_text(
        json.dumps(card | {"joint_weight": 0.25, "refuses": True, "merged": True}), "utf-8"
    )
    return file


@pytest.fixture(scope="module")
def spec(adapter: Path) -> ModelSpec:
    """As `pin` writes it down and the registry reads it."""
    row = pin.pin(adapter.with_name("models.json"))[NAME]
    made_of = Derivation(row["base"], adapter, row["delta"], row["card"])
    return registry.derive(registry.spec(BASE), made_of, name=NAME, title=row["title"], merged=row["merged"])


@pytest.fixture(scope="module")
def home(spec: ModelSpec, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home in which the model was pulled."""
    real, place = registry.path(BASE), tmp_path_factory.mktemp("home")
    shutil.copytree(real, place / "models" / BASE, copy_function=os.symlink)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "MODELS", {**registry.MODELS, NAME: spec})
        patch.setenv(registry.HOME_VARIABLE, str(place))
        download.pull(NAME)
        yield place


def scores(generator: LlamaCppGenerator) -> list[float]:
    return generator.label_log_probabilities(MESSAGES, '{"choice": "', LABELS)[0]


def test_it_answers_as_its_base_with_the_adapter_does(home: Path, adapter: Path, tmp_path: Path) -> None:
    """Its weights are rounded anew, so not to the last digit; what the adapter changes is far more."""
    shutil.copyfile(adapter, tmp_path / adapter_card.GGUF)
    shutil.copyfile(adapter.with_suffix(".json"), tmp_path / adapter_card.CARD)
    made, beside, bare = LlamaCppGenerator(NAME), LlamaCppGenerator(BASE, adapter=tmp_path), LlamaCppGenerator(BASE)
    apart, changed = (np.abs(np.subtract(scores(one), scores(beside))).max() for one in (made, bare))
    assert apart < 0.4 < 0.8 < changed
    assert (made.id, made.joint_weight, made.refuses) == (NAME, 0.25, True)
    assert (bare.joint_weight, bare.refuses) == (0.0, False)
    assert len({made.sha256, beside.sha256, bare.sha256}) == 3


def test_it_is_whole_and_identified_by_its_tensors(home: Path, spec: ModelSpec) -> None:
    assert registry.state(NAME) == "ready"
    assert registry.weights(NAME).name == "model.gguf"
    assert tensors.digest_file(registry.weights(NAME)) == spec.sha256["model.gguf"]
    found = checkpoint.find(NAME)
    assert (found.gguf, found.weights) == ("model.gguf", (registry.weights(NAME),))


@pytest.mark.parametrize("name", ["model.gguf", registry.CARD])
def test_an_altered_file_is_found_out_and_repaired(home: Path, name: str) -> None:
    file = registry.folder(NAME) / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelCorrupt, match="SHA-256"):
        registry.path(NAME)
    download.pull(NAME)
    assert registry.state(NAME) == "ready"


def test_a_card_of_other_prompts_is_refused(home: Path, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter_card, "PROMPT_VERSION", PROMPT_VERSION + 1)
    with pytest.raises(AdapterMismatch, match="prompts of version"):
        LlamaCppGenerator(NAME)


def test_what_was_pinned_is_what_lies_there(adapter: Path, spec: ModelSpec, tmp_path: Path) -> None:
    assert spec.derived
    assert spec.derived.sha256 == hashlib.sha256(adapter.read_bytes()).hexdigest()
    merge(registry.weights(BASE), adapter, tmp_path / "again.gguf")
    assert tensors.digest_file(tmp_path / "again.gguf") == spec.sha256[spec.weights]

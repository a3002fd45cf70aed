"""Models that aren't loaded: pickles, code of their own, damaged or missing parts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gorilla_rag.encoders.load import SentenceTransformersEncoder, load_encoder
from gorilla_rag.errors import ModelCorrupt, ModelMissing, UsageError
from gorilla_rag.models import registry

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model; read-only by agreement."""
    from tests import tiny_encoders

    return tiny_encoders.save("bert", tmp_path_factory.mktemp("models"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.HOME_VARIABLE, str(tmp_path / "home"))


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    """A copy of the model, to be spoilt."""
    return Path(shutil.copytree(model, tmp_path / "model"))


def rewrite(file: Path, **changed: Any) -> None:
    said = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.write_text(json.dumps(said | changed), encoding="utf-8")


def module(folder: Path, number: int, **changed: Any) -> None:
    """Changes one entry of `modules.json`."""
    file = folder / "modules.json"
    said = json.loads(file.read_text(encoding="utf-8"))
    said[number] |= changed
    file.write_text(json.dumps(said), encoding="utf-8")


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def pickled_module(folder: Path) -> None:
    (folder / "2_Dense" / "model.safetensors").rename(folder / "2_Dense" / "pytorch_model.bin")


def own_module(folder: Path) -> None:
    module(folder, 1, type="custom_pooling.Pooling")


def lookalike_module(folder: Path) -> None:
    module(folder, 1, type="sentence_transformers_extra.Pooling")


def own_architecture(folder: Path) -> None:
    rewrite(folder / "config.json", auto_map={"AutoModel": "modeling.Custom"})


def own_tokenizer(folder: Path) -> None:
    rewrite(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["tokens.Custom", None]})


def own_word_splitter(folder: Path) -> None:
    rewrite(folder / "1_Pooling" / "config.json", tokenizer_class="os.path")


def own_activation(folder: Path) -> None:
    rewrite(folder / "2_Dense" / "config.json", activation_function="subprocess.Popen")


def routed_to_own_module(folder: Path) -> None:
    rewrite(folder / "1_Pooling" / "router_config.json", types={"0_X": "custom.Module"})


def elsewhere(folder: Path) -> None:
    module(folder, 1, path="../other/1_Pooling")


def absolute(folder: Path) -> None:
    module(folder, 1, path="/etc")


def tokenizer_elsewhere(folder: Path) -> None:
    rewrite(folder / "sentence_bert_config.json", tokenizer_name_or_path="someone/else")


def adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}", encoding="utf-8")


def reranker(folder: Path) -> None:
    rewrite(folder / "config_sentence_transformers.json", model_type="CrossEncoder")


REFUSED: list[tuple[Callable[[Path], None], str]] = [
    (pickled, "pickle"),
    (pickled_module, "pickle"),
    (own_module, "code of its own.*custom_pooling"),
    (lookalike_module, "code of its own.*extra"),
    (own_architecture, "code of its own.*auto_map"),
    (own_tokenizer, "code of its own.*auto_map"),
    (own_word_splitter, "code of its own.*os.path"),
    (own_activation, "code of its own.*Popen"),
    (routed_to_own_module, "code of its own.*custom.Module"),
    (elsewhere, "outside itself"),
    (absolute, "outside itself"),
    (tokenizer_elsewhere, "someone/else"),
    (adapter, "adapter"),
    (reranker, "CrossEncoder"),
]


@pytest.mark.parametrize(("spoil", "said"), REFUSED, ids=[spoil.__name__ for spoil, _ in REFUSED])
def test_a_model_that_could_run_or_fetch_something_is_refused(
    folder: Path, spoil: Callable[[Path], None], said: str
) -> None:
    SentenceTransformersEncoder(folder)
    spoil(folder)
    with pytest.raises(UsageError, match=said) as caught:
        load_encoder(folder)
    assert caught.value.hint


def test_nothing_that_a_model_names_is_imported(folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    for place in (folder, tmp_path):
        (place / "custom_pooling.py").write_text(f"open({str(mark)!r}, 'w').close()\n", encoding="utf-8")
    own_module(folder)
    script = "import sys\nfrom gorilla_rag.encoders.load import load_encoder\ntry:\n    load_encoder(sys.argv[1])\n"
    script += "except Exception as error:\n    print(type(error).__name__, 'torch' in sys.modules)\n"
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + script
    found = subprocess.run(
        [sys.executable, "-c", script, str(folder)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert found.stdout.split() == ["UsageError", "False"]
    assert not mark.exists()


def test_safetensors_are_read_where_a_pickle_lies_beside_them(folder: Path) -> None:
    expected = SentenceTransformersEncoder(folder).encode(["text"])
    (folder / "pytorch_model.bin").write_bytes(b"not even a pickle")
    assert (SentenceTransformersEncoder(folder).encode(["text"]) == expected).all()


# Missing and damaged


def test_a_folder_that_is_not_there_or_no_model_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="nowhere") as caught:
        load_encoder(tmp_path / "nowhere")
    assert "folder" in caught.value.hint
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelMissing, match=r"no modules\.json"):
        load_encoder(tmp_path / "empty")
    with pytest.raises(ModelMissing, match="no encoder ''"):
        load_encoder("")


def empty_list(folder: Path) -> None:
    (folder / "modules.json").write_text("[]", encoding="utf-8")


def no_list(folder: Path) -> None:
    (folder / "modules.json").write_text('{"type": 3}', encoding="utf-8")


def no_json(folder: Path) -> None:
    (folder / "modules.json").write_text("[{", encoding="utf-8")


def no_settings(folder: Path) -> None:
    (folder / "config.json").write_text("\xff", encoding="latin-1")


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def cut_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def cut_module(folder: Path) -> None:
    file = folder / "2_Dense" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:20])


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def unknown_architecture(folder: Path) -> None:
    rewrite(folder / "config.json", model_type="made-up")


def unknown_module(folder: Path) -> None:
    module(folder, 1, type="sentence_transformers.models.Unheard")


def lacking_layer(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: values for name, values in weights.items() if "layer.1.output.dense" not in name},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )


DAMAGED: list[tuple[Callable[[Path], None], str]] = [
    (empty_list, "doesn't list modules"),
    (no_list, "doesn't list modules"),
    (no_json, "modules.json"),
    (no_settings, "config.json"),
    (no_weights, "can't be loaded"),
    (cut_weights, "can't be loaded"),
    (cut_module, "can't be loaded"),
    (no_tokenizer, "can't be loaded"),
    (unknown_architecture, "can't be loaded.*made-up"),
    (unknown_module, "can't be loaded.*Unheard"),
    (lacking_layer, r"lacks weights.*layer\.1\.output\.dense"),
]


@pytest.mark.parametrize(("spoil", "said"), DAMAGED, ids=[spoil.__name__ for spoil, _ in DAMAGED])
def test_a_damaged_model_is_a_clear_error(folder: Path, spoil: Callable[[Path], None], said: str) -> None:
    spoil(folder)
    with pytest.raises(ModelCorrupt, match=said) as caught:
        load_encoder(folder, device="cpu").encode(["text"])
    assert caught.value.hint


def test_a_pooler_that_no_module_reads_may_be_missing(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    expected = SentenceTransformersEncoder(folder).encode(["text"])
    weights = load_file(folder / "model.safetensors")
    assert any(name.startswith("pooler.") for name in weights)
    kept = {name: values for name, values in weights.items() if not name.startswith("pooler.")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    assert (SentenceTransformersEncoder(folder).encode(["text"]) == expected).all()

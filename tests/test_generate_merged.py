"""An adapter merged with its base as GGUF: the sums, what stays as it was, and files that don't belong together."""

from __future__ import annotations

import resource
import signal
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from gorilla_rag.errors import AdapterMismatch, ModelCorrupt, ModelMissing, StorageFull
from gorilla_rag.generate.merged import changed, merge
from gorilla_rag.models import tensors

RANK, ALPHA = 2, 8.0
TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}"
rng = np.random.default_rng(0)
QUERY = rng.normal(size=(64, 64)).astype(np.float32)
NORM = rng.normal(size=64).astype(np.float32)
A = rng.normal(size=(RANK, 64)).astype(np.float16)
B = rng.normal(size=(64, RANK)).astype(np.float16)
Q8 = gguf.GGMLQuantizationType.Q8_0


def write(file: Path, held: dict[str, Any], *, adapter: bool = False, alpha: bool = True) -> Path:
    writer = gguf.GGUFWriter(str(file), "llama")
    if adapter:
        writer.add_type(gguf.GGUFType.ADAPTER)
    if adapter and alpha:
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, ALPHA)
    if not adapter:
        writer.add_chat_template(TEMPLATE)
        writer.add_token_list(["<s>", "a", "é"])
    for name, value in held.items():
        array, kind = value if isinstance(value, tuple) else (value, None)
        writer.add_tensor(name, array, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A matrix in eight bits, another, and a norm."""
    other = gguf.quants.quantize(2 * QUERY, gguf.GGMLQuantizationType.Q4_1)
    held = {
        "blk.0.attn_q.weight": (gguf.quants.quantize(QUERY, Q8), Q8),
        "blk.0.attn_k.weight": (other, gguf.GGMLQuantizationType.Q4_1),
        "blk.0.attn_norm.weight": NORM,
    }
    return write(tmp_path / "base.gguf", held)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    held = {"blk.0.attn_q.weight.lora_a": A, "blk.0.attn_q.weight.lora_b": B}
    return write(tmp_path / "adapter.gguf", held, adapter=True)


def read(file: Path) -> dict[str, Any]:
    return {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}


def test_a_change_is_added_and_everything_else_stays(base: Path, adapter: Path, tmp_path: Path) -> None:
    merge(base, adapter, tmp_path / "model.gguf")
    before, after = read(base), read(tmp_path / "model.gguf")
    found = gguf.quants.dequantize(after["blk.0.attn_q.weight"].data, after["blk.0.attn_q.weight"].tensor_type)
    wanted = QUERY.astype(np.float64) + ALPHA / RANK * (B.astype(np.float64) @ A.astype(np.float64))
    step = np.abs(wanted).max() / 127
    assert np.abs(found - wanted).max() < 2 * step
    assert np.abs(QUERY - wanted).max() > 20 * step
    for name in ("blk.0.attn_k.weight", "blk.0.attn_norm.weight"):
        assert after[name].tensor_type == before[name].tensor_type
        assert after[name].data.tobytes() == before[name].data.tobytes()
    said = gguf.GGUFReader(tmp_path / "model.gguf").fields
    assert said["tokenizer.chat_template"].contents() == TEMPLATE
    assert said["tokenizer.ggml.tokens"].contents() == ["<s>", "a", "é"]


def test_the_same_files_give_the_same_tensors_whatever_order_they_are_written_in(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    merge(base, adapter, tmp_path / "one.gguf")
    merge(base, adapter, tmp_path / "two.gguf")
    digest = tensors.digest_file(tmp_path / "one.gguf")
    assert digest
    assert tensors.digest_file(tmp_path / "two.gguf") == digest
    held: dict[str, Any] = {
        name: (one.data, one.tensor_type) for name, one in reversed(read(tmp_path / "one.gguf").items())
    }
    assert tensors.digest_file(write(tmp_path / "turned.gguf", held)) == digest
    held["blk.0.attn_norm.weight"] = NORM + 1
    assert tensors.digest_file(write(tmp_path / "other.gguf", held)) != digest


def test_whatever_byte_is_altered_a_digest_is_another_or_none_and_soon_there(base: Path, tmp_path: Path) -> None:
    content, digest = base.read_bytes(), tensors.digest_file(base)
    assert digest
    altered = tmp_path / "altered.gguf"
    header = content.index(b"blk.0.attn_norm.weight")
    for place in [*range(header), header + 4, len(content) - 1]:
        for bit in (0, 7):
            altered.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
            assert tensors.digest_file(altered) != digest


def test_no_file_of_its_kind_has_no_digest(base: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    for length in (0, 4, 40, base.stat().st_size // 2):
        cut.write_bytes(base.read_bytes()[:length])
        assert tensors.digest_file(cut) == ""


def test_the_sum_does_not_depend_on_how_a_library_adds() -> None:
    held = changed(QUERY, A.astype(np.float32), B.astype(np.float32), ALPHA, "q")
    first = np.multiply.outer(B[:, 0].astype(np.float32), A[0].astype(np.float32))
    second = np.multiply.outer(B[:, 1].astype(np.float32), A[1].astype(np.float32))
    assert (held == QUERY + np.float32(ALPHA / RANK) * (first + second)).all()


def test_files_that_do_not_belong_together_are_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.gguf"
    held = {"blk.7.attn_q.weight.lora_a": A, "blk.7.attn_q.weight.lora_b": B}
    elsewhere = write(tmp_path / "elsewhere.gguf", held, adapter=True)
    with pytest.raises(AdapterMismatch, match=r"blk\.7"):
        merge(base, elsewhere, out)
    short = {"blk.0.attn_q.weight.lora_a": A[:, :32], "blk.0.attn_q.weight.lora_b": B}
    with pytest.raises(AdapterMismatch, match="another shape"):
        merge(base, write(tmp_path / "short.gguf", short, adapter=True), out)
    with pytest.raises(ModelCorrupt, match="no LoRA adapter"):
        merge(base, write(tmp_path / "none.gguf", {}, adapter=True, alpha=False), out)
    with pytest.raises(ModelCorrupt, match="no GGUF"):
        merge(Path(__file__), adapter, out)
    with pytest.raises(ModelMissing):
        merge(tmp_path / "nowhere.gguf", adapter, out)
    assert not out.exists()


def test_half_an_adapter_is_refused(base: Path, tmp_path: Path) -> None:
    half = write(tmp_path / "half.gguf", {"blk.0.attn_q.weight.lora_a": A}, adapter=True)
    with pytest.raises(AdapterMismatch, match="lora_b"):
        merge(base, half, tmp_path / "model.gguf")


def test_a_full_disk_leaves_no_model(base: Path, adapter: Path, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
        with pytest.raises(StorageFull):
            merge(base, adapter, tmp_path / "model.gguf")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert {file.name for file in tmp_path.iterdir()} == {base.name, adapter.name}

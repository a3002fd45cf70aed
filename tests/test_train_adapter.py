"""Training an adapter: a tiny random model of Llama's architecture the whole way."""

from __future__ import annotations

import json
import resource
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

from gorilla_rag import starter
from gorilla_rag.digests import sha256
from gorilla_rag.errors import (
    AdapterMismatch,
    DeviceMissing,
    GenerationFailed,
    GorillaError,
    ModelCorrupt,
    ModelMissing,
    StorageFull,
    TrainingDiverged,
    UsageError,
)
from gorilla_rag.generate import adapter_card
from gorilla_rag.generate.adapters import WEIGHTS
from gorilla_rag.generate.transformers import TransformersGenerator
from gorilla_rag.generate.vocabulary import Vocabulary
from gorilla_rag.train import checkpoints
from gorilla_rag.train.adapter import ADAPTER, Adapter, mean_over_turns, train_adapter
from gorilla_rag.train.adapter_gguf import turned_rows, write_gguf
from gorilla_rag.train.folder import CHECKPOINTS, LOGS
from gorilla_rag.train.merge import merge_adapter
from gorilla_rag.train.model_card import README
from gorilla_rag.train.reading import cut, tokens
from gorilla_rag.train.settings import AdapterSettings
from gorilla_rag.train.turns import Turn
from tests import tiny

pytestmark = pytest.mark.usefixtures("one_thread")
TURNS = [
    Turn("recall", ({"role": "user", "content": doc.domain},), '{"api_call": "', f'{doc.api_name}"}}', "starter")
    for doc in starter.documents()[:24]
]
TOO_LONG = Turn("recall", ({"role": "user", "content": "word " * 400},), "", "x", "starter")
SETTINGS = AdapterSettings(epochs=4, rank=8, learning_rate=5e-3, device="cpu", dropout=0.0, checks=1)


@pytest.fixture(scope="module")
def base(tiny_llama: Path) -> Path:
    return tiny_llama


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    return train_adapter(TURNS, base, tmp_path_factory.mktemp("out") / "run", settings=SETTINGS)


def answer(folder: Path, adapter: Path | None, turn: Turn) -> str:
    generator = TransformersGenerator(folder, adapter=adapter, device="cpu")
    pieces = generator.stream(turn.messages, turn.prefill, grammar=None, max_tokens=30)
    return "".join(piece for piece in pieces if isinstance(piece, str))


def test_the_loss_falls_and_all_that_goes_with_it_is_written(trained: Adapter) -> None:
    assert trained.losses[-1] < trained.losses[0] - 0.4
    assert (trained.turns, trained.too_long, trained.steps) == (24, 0, 12)
    assert list(trained.folder.parent.glob(f"{LOGS}/*"))
    assert not (trained.folder.parent / CHECKPOINTS).exists()
    names = {file.name for file in trained.folder.iterdir()}
    assert names == {WEIGHTS, "adapter_config.json", adapter_card.CARD, adapter_card.GGUF, README}
    assert "/" not in json.loads((trained.folder / "adapter_config.json").read_text("utf-8"))["base_model_name_or_path"]


def test_the_card_for_people_says_what_the_machines_card_says(base: Path, tmp_path: Path, trained: Adapter) -> None:
    card = json.loads((trained.folder / adapter_card.CARD).read_text("utf-8"))
    text = (trained.folder / README).read_text("utf-8")
    assert 'base_model: "tiny-llama"' in text.split("---")[1]
    assert f"SHA-256 `{card['base']['sha256']}`" in text
    assert "| starter | 24 | 24 |" in text
    assert "Left out of these 24 turns, as they have more than 1,024 tokens: 0." in text
    assert f"{', '.join(map(str, trained.losses))}." in text
    assert str(base) not in text
    again = train_adapter(
        [*TURNS[:8], TOO_LONG],
        base,
        tmp_path / "run",
        settings=AdapterSettings(longest=256, device="cpu"),
        check=lambda _: {"right": 0.25},
    )
    text = (again.folder / README).read_text("utf-8")
    assert "Left out of these 9 turns, as they have more than 256 tokens: 1." in text
    assert "| Step | right |\n| --- | --: |\n| 0 | 0.25 |\n| 1 | 0.25 |" in text


def test_a_model_learns_one_turn_by_heart(base: Path, tmp_path: Path) -> None:
    """The loss counts only what is to be written, to the end of it."""
    turn = TURNS[3]
    settings = AdapterSettings(epochs=60, batch=1, micro_batch=1, rank=8, learning_rate=1e-2, dropout=0, device="cpu")
    made = train_adapter([turn], base, tmp_path / "run", settings=settings)
    assert made.losses[-1] < 0.1
    assert answer(base, made.folder, turn) == turn.target
    assert answer(base, None, turn) != turn.target


def test_what_is_held_out_is_measured_before_and_at_each_check(base: Path, tmp_path: Path) -> None:
    seen: list[str] = []

    def check(generator: TransformersGenerator) -> dict[str, float]:
        (first, _), _ = generator.label_log_probabilities([{"role": "user", "content": "x"}], "", ["A", "B"])
        seen.append(generator.id)
        return {"first": first}

    made = train_adapter(TURNS, base, tmp_path / "run", settings=SETTINGS, check=check)
    assert list(made.checks) == ["0", "3", "6", "9", "12"]
    assert len({figures["first"] for figures in made.checks.values()}) > 1
    card = json.loads((made.folder / adapter_card.CARD).read_text("utf-8"))
    assert card["checks"] == made.checks


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(base: Path, tmp_path: Path, trained: Adapter) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_adapter(TURNS, base, tmp_path / "run", settings=SETTINGS, progress=stop)
    with pytest.raises(UsageError, match="isn't empty"):
        train_adapter(TURNS, base, tmp_path / "run", settings=SETTINGS)
    with pytest.raises(UsageError, match="another turns"):
        train_adapter(TURNS[1:], base, tmp_path / "run", settings=SETTINGS, resume=True)
    made = train_adapter(TURNS, base, tmp_path / "run", settings=SETTINGS, resume=True)
    whole, resumed = (load_file(one.folder / WEIGHTS) for one in (trained, made))
    assert all(torch.allclose(whole[name], resumed[name], atol=1e-5) for name in whole)
    assert train_adapter(TURNS, base, tmp_path / "run", settings=SETTINGS, resume=True).losses == made.losses


def test_what_was_measured_before_a_stop_is_kept(base: Path, tmp_path: Path) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    counted = iter(range(100))
    how: dict[str, Any] = {"settings": SETTINGS, "check": lambda _: {"number": next(counted)}}
    with pytest.raises(KeyboardInterrupt):
        train_adapter(TURNS, base, tmp_path / "run", progress=stop, **how)
    made = train_adapter(TURNS, base, tmp_path / "run", resume=True, **how)
    assert made.checks == {step: {"number": n} for n, step in enumerate(("0", "3", "6", "9", "12"))}


def test_a_base_may_be_reached_by_a_link_of_another_name(base: Path, tmp_path: Path) -> None:
    (tmp_path / "nickname").symlink_to(base)
    settings = AdapterSettings(device="cpu", longest=256)
    made = train_adapter(TURNS[:8], tmp_path / "nickname", tmp_path / "run", settings=settings)
    assert TransformersGenerator(tmp_path / "nickname", adapter=made.folder, device="cpu").sha256


def test_what_can_not_be_trained_leaves_nothing_behind(base: Path, tmp_path: Path) -> None:
    """So that the same folder can be given again."""
    for settings in (AdapterSettings(longest=20, device="cpu"), AdapterSettings(device="cuda:7")):
        with pytest.raises((UsageError, DeviceMissing)):
            train_adapter(TURNS, base, tmp_path / "run", settings=settings)
        assert not (tmp_path / "run").exists()


def test_a_model_without_the_projections_is_refused(base: Path, tmp_path: Path) -> None:
    other = tmp_path / "gpt2"
    tokenizer = AutoTokenizer.from_pretrained(base)
    GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2)).save_pretrained(other)
    tokenizer.save_pretrained(other)
    with pytest.raises(UsageError, match="has no q_proj"):
        train_adapter(TURNS, other, tmp_path / "run", settings=SETTINGS)


def test_checkpoints_and_losses_are_paced_by_packed_rows(base: Path, tmp_path: Path) -> None:
    packed = AdapterSettings(epochs=4, batch=2, micro_batch=2, packing=True, longest=256, device="cpu", checks=1)
    made = train_adapter(TURNS, base, tmp_path / "run", settings=packed, check=lambda _: {"x": 1.0})
    assert made.steps < len(TURNS)
    assert len(made.losses) >= min(10, made.steps)
    assert len(made.checks) in (5, 6)


def test_several_turns_in_a_row_do_not_see_each_other(base: Path, tmp_path: Path) -> None:
    """Packed or not, the first loss of the same batch is the same."""
    settings = {"epochs": 1, "batch": 24, "dropout": 0.0, "device": "cpu", "learning_rate": 1e-9}
    apart = AdapterSettings(micro_batch=24, **settings)  # type: ignore[arg-type]
    packed = AdapterSettings(micro_batch=24, packing=True, longest=4096, **settings)  # type: ignore[arg-type]
    made = [train_adapter(TURNS, base, tmp_path / name, settings=one) for name, one in (("a", apart), ("p", packed))]
    assert made[0].losses[0] == pytest.approx(made[1].losses[0], abs=2e-3)


def test_a_loss_that_is_no_number_stops_it(base: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(base, broken)
    weights = load_file(broken / "model.safetensors")
    weights["model.layers.1.mlp.down_proj.weight"][:] = torch.nan
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingDiverged, match="step 1 of 12"):
        train_adapter(TURNS, broken, tmp_path / "run", settings=SETTINGS)
    assert not (tmp_path / "run" / ADAPTER).exists()


def test_a_full_disk_loses_no_checkpoint_that_was_whole(base: Path, tmp_path: Path) -> None:
    """A limit on a file's size stands for the disk: the second checkpoint's weights don't fit any more."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(what: str, done: int, total: int) -> None:
        if done == 5:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))

    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(StorageFull):
            train_adapter(TURNS, base, tmp_path / "run", settings=SETTINGS, progress=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    kept = checkpoints.last(tmp_path / "run")
    assert kept is not None
    assert kept.name == "checkpoint-3"
    made = train_adapter(TURNS, base, tmp_path / "run", settings=SETTINGS, resume=True)
    assert made.steps == 12


CONVERSATION = replace(
    TURNS[0], then=(({"role": "user", "content": "and now?"}, 'B"}'), ({"role": "user", "content": "more"}, 'none"}'))
)


def test_a_conversation_is_one_row_in_which_all_that_is_written_is_learnt() -> None:
    tokenizer = tiny.tokenizer()
    vocabulary = Vocabulary(tokenizer, size=len(tokenizer), stops=())
    ((row, mask),) = tokens(CONVERSATION, vocabulary)
    written = "".join(tokenizer.decode([token]) if learnt else "\0" for token, learnt in zip(row, mask, strict=True))
    end = tokenizer.decode([min(vocabulary.stops)])
    targets = [CONVERSATION.target, *(target for _, target in CONVERSATION.then)]
    assert [one for one in written.split("\0") if one] == [f"{target}{end}" for target in targets]
    said = [{"role": "assistant", "content": TURNS[0].prefill + TURNS[0].target}, CONVERSATION.then[0][0]]
    before = vocabulary.prompt([*TURNS[0].messages, *said], TURNS[0].prefill)
    assert row[: len(before)] == before


def test_a_conversation_is_cut_to_the_questions_that_fit() -> None:
    tokenizer = tiny.tokenizer()
    vocabulary = Vocabulary(tokenizer, size=len(tokenizer), stops=())
    rows = []
    for length in range(len(CONVERSATION.then) + 1):
        ((row, mask),) = tokens(replace(CONVERSATION, then=CONVERSATION.then[:length]), vocabulary)
        rows.append((row, mask))
    one, two, three = (len(row) for row, _ in rows)
    whole = rows[-1]
    assert [cut(*whole, longest) for longest in (three, three - 1, two, two - 1, one)] == [
        *rows[:0:-1],
        rows[1],
        rows[0],
        rows[0],
    ]
    assert cut(*whole, one - 1) == ([], [])


def test_a_template_that_forgets_what_was_said_gets_a_row_for_each_question() -> None:
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = "{{ messages[-1]['content'] }} "
    rows = list(tokens(CONVERSATION, Vocabulary(tokenizer, size=len(tokenizer), stops=())))
    assert len(rows) == 3
    assert all(sum(mask) for _, mask in rows)


def test_a_training_goes_on_from_another_adapter(base: Path, tmp_path: Path, trained: Adapter) -> None:
    settings = replace(SETTINGS, epochs=1)
    further = train_adapter(TURNS, base, tmp_path / "further", start=trained.folder, settings=settings)
    assert further.losses[0] < trained.losses[0] - 0.4
    card = json.loads((further.folder / adapter_card.CARD).read_text("utf-8"))
    assert card["start"] == sha256(trained.folder / WEIGHTS)
    with pytest.raises(UsageError, match="another start"):
        train_adapter(TURNS, base, tmp_path / "further", settings=settings, resume=True)


def test_a_training_starts_from_no_adapter_of_other_weights_prompts_or_origin(
    base: Path, tmp_path: Path, trained: Adapter
) -> None:
    start = tmp_path / "start"
    shutil.copytree(trained.folder, start)
    card = json.loads((start / adapter_card.CARD).read_text("utf-8"))
    for changed in ({"prompt_version": 99}, {"base": {"name": "x", "sha256": "0" * 64}}):
        (start / adapter_card.CARD).write_text(json.dumps(card | changed), encoding="utf-8")
        with pytest.raises(AdapterMismatch):
            train_adapter(TURNS, base, tmp_path / "run", start=start, settings=SETTINGS)
    (start / adapter_card.CARD).unlink()
    with pytest.raises(AdapterMismatch, match=r"gorilla\.json"):
        train_adapter(TURNS, base, tmp_path / "run", start=start, settings=SETTINGS)
    shutil.copy(trained.folder / adapter_card.CARD, start)
    (start / WEIGHTS).unlink()
    with pytest.raises(ModelMissing):
        train_adapter(TURNS, base, tmp_path / "run", start=start, settings=SETTINGS)
    assert not (tmp_path / "run").exists()


def test_turns_that_are_too_long_are_counted(base: Path, tmp_path: Path) -> None:
    settings = AdapterSettings(longest=256, device="cpu")
    made = train_adapter([*TURNS[:8], TOO_LONG], base, tmp_path / "run", settings=settings)
    assert (made.turns, made.too_long) == (8, 1)
    with pytest.raises(UsageError, match="more than 20 tokens"):
        train_adapter([TOO_LONG], base, tmp_path / "other", settings=AdapterSettings(longest=20, device="cpu"))
    with pytest.raises(UsageError, match="nothing to train on"):
        train_adapter([], base, tmp_path / "third")


def test_turns_longer_than_the_bases_context_are_too_long_whatever_the_setting(base: Path, tmp_path: Path) -> None:
    small = Path(shutil.copytree(base, tmp_path / "small"))
    config = json.loads((small / "config.json").read_text("utf-8"))
    (small / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 256}), encoding="utf-8")
    made = train_adapter([*TURNS[:8], TOO_LONG], small, tmp_path / "run", settings=AdapterSettings(device="cpu"))
    assert (made.turns, made.too_long) == (8, 1)
    assert "more than 256 tokens: 1" in (made.folder / README).read_text("utf-8")
    with pytest.raises(UsageError, match="more than 256 tokens") as caught:
        train_adapter([TOO_LONG], small, tmp_path / "other", settings=AdapterSettings(device="cpu"))
    assert "longer context" in caught.value.hint
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("template", "error", "match"),
    [
        (None, UsageError, "no chat template"),
        ("{{ raise_exception('never') }}", GenerationFailed, "never"),
        ("{% if %}", GenerationFailed, "chat template"),
        ("{{ messages[0]['content'] + 1 }}", GenerationFailed, "chat template"),
        ({"tool_use": "x"}, GenerationFailed, "multiple chat templates"),
    ],
    ids=["none", "refuses", "no syntax", "wrong types", "several"],
)
def test_a_base_without_a_chat_template_that_works_is_refused_and_leaves_nothing_behind(
    base: Path, tmp_path: Path, template: Any, error: type[GorillaError], match: str
) -> None:
    target = Path(shutil.copytree(base, tmp_path / "other"))
    (target / "chat_template.jinja").unlink()
    tokenizer = AutoTokenizer.from_pretrained(target)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(target)
    with pytest.raises(error, match=match):
        train_adapter(TURNS, target, tmp_path / "run", settings=SETTINGS)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"batch": 6, "micro_batch": 4},
        {"dropout": 1.0},
        {"rank": 0},
        {"learning_rate": float("inf")},
        {"learning_rate": "2e-4"},
        {"rank": 16.5},
        {"seed": None},
        {"packing": "false"},
        {"quantize": "8bit"},
        {"device": 0},
    ],
)
def test_settings_that_can_not_be_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="training with"):
        AdapterSettings(**changed)


def test_an_adapter_for_other_weights_or_prompts_is_refused(base: Path, tmp_path: Path, trained: Adapter) -> None:
    other = tmp_path / "tiny-llama"
    shutil.copytree(base, other)
    weights = load_file(other / "model.safetensors")
    weights["model.norm.weight"] += 1
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(AdapterMismatch, match="SHA-256"):
        TransformersGenerator(other, adapter=trained.folder, device="cpu")
    changed = tmp_path / "changed"
    shutil.copytree(trained.folder, changed)
    card = json.loads((changed / adapter_card.CARD).read_text("utf-8"))
    for values, error, match in (
        ({"prompt_version": 99}, AdapterMismatch, "version 99"),
        ({"base": "x"}, ModelCorrupt, "can't be read"),
        ({"joint_weight": -1}, ModelCorrupt, "joint weight"),
    ):
        (changed / adapter_card.CARD).write_text(json.dumps(card | values), encoding="utf-8")
        with pytest.raises(error, match=match):
            TransformersGenerator(base, adapter=changed, device="cpu")


def test_the_adapters_own_weight_in_choosing_together_is_taken(base: Path, tmp_path: Path, trained: Adapter) -> None:
    weighted = tmp_path / "weighted"
    shutil.copytree(trained.folder, weighted)
    card = json.loads((weighted / adapter_card.CARD).read_text("utf-8"))
    (weighted / adapter_card.CARD).write_text(json.dumps(card | {"joint_weight": 0.5}), encoding="utf-8")
    assert TransformersGenerator(base, adapter=weighted, device="cpu").joint_weight == 0.5
    assert TransformersGenerator(base, adapter=trained.folder, device="cpu").joint_weight == 0.0


def test_a_merged_model_answers_as_base_and_adapter_do(base: Path, tmp_path: Path, trained: Adapter) -> None:
    card = json.loads((trained.folder / adapter_card.CARD).read_text("utf-8"))
    weighted = tmp_path / "weighted"
    shutil.copytree(trained.folder, weighted)
    (weighted / adapter_card.CARD).write_text(json.dumps(card | {"joint_weight": 0.5, "refuses": True}), "utf-8")
    merged = merge_adapter(base, weighted, tmp_path / "new" / "merged", dtype="float32")
    one, two = TransformersGenerator(merged, device="cpu"), TransformersGenerator(base, adapter=weighted, device="cpu")
    for turn in TURNS[:4]:
        said, expected = (
            generator.label_log_probabilities(turn.messages, turn.prefill, "ABC", reuse=False)[0]
            for generator in (one, two)
        )
        assert said == pytest.approx(expected, abs=1e-4)
    assert (one.joint_weight, one.refuses) == (0.5, True)
    bare = TransformersGenerator(base, device="cpu")
    before = bare.label_log_probabilities(TURNS[0].messages, TURNS[0].prefill, "ABC", reuse=False)[0]
    assert before != pytest.approx(one.label_log_probabilities(TURNS[0].messages, TURNS[0].prefill, "ABC")[0], abs=1e-2)
    assert {file.name for file in merged.iterdir()} >= {"model.safetensors", "config.json", "tokenizer.json"}
    text, adapters = ((one / README).read_text("utf-8") for one in (merged, weighted))
    assert "library_name: transformers\n" in text
    assert "--generator transformers:MODEL" in text
    assert "--adapter" not in text
    assert text.partition("## What it was")[2] == adapters.partition("## What it was")[2]


def test_merging_refuses_what_does_not_belong_together_and_overwrites_nothing(
    base: Path, tmp_path: Path, trained: Adapter
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(trained.folder, changed)
    card = json.loads((changed / adapter_card.CARD).read_text("utf-8"))
    (changed / adapter_card.CARD).write_text(json.dumps(card | {"prompt_version": 99}), encoding="utf-8")
    with pytest.raises(AdapterMismatch, match="version 99"):
        merge_adapter(base, changed, tmp_path / "out")
    with pytest.raises(UsageError, match="there is something"):
        merge_adapter(base, trained.folder, changed)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_while_merging_leaves_nothing_behind(base: Path, tmp_path: Path, trained: Adapter) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        with pytest.raises(StorageFull):
            merge_adapter(base, trained.folder, tmp_path / "there" / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert not list((tmp_path / "there").iterdir())


def test_each_turn_counts_the_same_whatever_its_length() -> None:
    losses = torch.tensor([[3.0, 9.0, 9.0, 9.0], [1.0, 1.0, 1.0, 5.0]])
    written = torch.tensor([[True, False, False, False], [True, True, True, False]])
    turn = torch.tensor([[0] * 4, [1] * 4])
    assert mean_over_turns(losses, written, turn).item() == pytest.approx(2)
    in_one_row = mean_over_turns(torch.tensor([[3.0, 9, 1, 1, 1]]), torch.tensor([[1, 0, 1, 1, 1]]).bool(),
                                 torch.tensor([[1, 1, 2, 2, 2]]))  # fmt: skip
    assert in_one_row.item() == pytest.approx(2)


def test_rows_are_turned_as_llama_cpp_turns_those_of_a_model() -> None:
    """Each head's halves, which transformers rotates against each other, become neighbours."""
    rows = np.arange(2 * 4, dtype=np.float32).reshape(8, 1)
    assert turned_rows(rows, 2).ravel().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_an_adapter_of_another_kind_is_not_written_as_gguf(tmp_path: Path, trained: Adapter) -> None:
    shape = {"model_type": "llama", "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    with pytest.raises(UsageError, match="mamba"):
        write_gguf(trained.folder, shape | {"model_type": "mamba"}, tmp_path / "a.gguf")
    with pytest.raises(ModelCorrupt):
        write_gguf(tmp_path, shape, tmp_path / "a.gguf")
    odd = tmp_path / "odd"
    shutil.copytree(trained.folder, odd)
    config = json.loads((odd / "adapter_config.json").read_text("utf-8"))
    (odd / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}), encoding="utf-8")
    with pytest.raises(UsageError, match="plain LoRA"):
        write_gguf(odd, shape, tmp_path / "a.gguf")
    assert not list(tmp_path.glob("*.gguf"))

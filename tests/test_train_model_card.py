"""The card of an adapter for people: of numbers made up, by a pure function."""

from __future__ import annotations

from typing import Any

import yaml

from gorilla_rag.models import registry
from gorilla_rag.train.model_card import merged_card, model_card
from gorilla_rag.train.turns import Step, Turn

CARD: dict[str, Any] = {
    "base": {"name": "some-model", "sha256": "ab" * 32},
    "prompt_version": 1,
    "joint_weight": 0.0,
    "refuses": False,
    "settings": {"rank": 4, "alpha": 8, "seed": 7, "longest": 512, "quantize": None},
    "steps": 1200,
    "checks": {"0": {"fill": 0.5}, "600": {"choose": 0.75, "fill": 0.625}},
    "turns": "cd" * 32,
    "start": None,
    "versions": {"trl": "1.0", "peft": "2.0"},
}


def turn(step: Step, source: str) -> Turn:
    return Turn(step, ({"role": "user", "content": "x"},), "", "y", source)


TURNS = [turn("choose", "b"), turn("choose", "a|c"), turn("explain", "b"), turn("explain", "b")]


def made(**changes: Any) -> str:
    return model_card(CARD | changes, TURNS, too_long=1, longest=512, losses=(2.5, 1.25))


def test_what_is_counted_and_measured_stands_in_tables() -> None:
    text = made()
    assert "| Turns from | choose | explain | all |" in text
    assert "| a\\|c | 1 | 0 | 1 |\n| b | 1 | 2 | 3 |\n| all | 2 | 2 | 4 |" in text
    assert "Left out of these 4 turns, as they have more than 512 tokens: 1." in text
    assert "| Step | choose | fill |\n| --- | --: | --: |\n| 0 | – | 0.5 |\n| 600 | 0.75 | 0.625 |" in text
    assert "of the 1,200 steps, in training: 2.5, 1.25." in text
    assert "| quantize | null |" in text
    assert "| peft | 2.0 |" in text
    assert "isn't known" in made(checks={})


def test_front_matter_is_yaml_whatever_the_base_is_called() -> None:
    text = made(base={"name": 'a: "b" #', "sha256": "0"})
    assert yaml.safe_load(text.split("---")[1])["base_model"] == 'a: "b" #'
    assert "licen" not in text.split("---")[1]


def test_what_the_machines_card_says_changes_what_is_said_to_people() -> None:
    assert "May answer `none`: no" in made()
    assert "hasn't learnt to say that no document" in made()
    assert "hasn't learnt to say that no document" not in made(refuses=True)
    assert "(`--chooser joint`): 0.5." in made(joint_weight=0.5)
    assert "the retriever alone decides" in made()
    assert "seed 7; rank 4, alpha 8." in made()
    assert f"SHA-256 `{'ef' * 32}`" in made(start="ef" * 32)
    assert "; rank 4" not in made(start="ef" * 32)


def test_a_base_of_the_registry_is_named_and_another_is_to_be_filled_in() -> None:
    own = made(base={"name": registry.GENERATOR, "sha256": "0"})
    assert f"--generator {registry.GENERATOR} --adapter FOLDER" in own
    assert f"--base {registry.GENERATOR} --out" in own
    assert "--generator transformers:BASE --adapter FOLDER" in made()
    assert "`BASE` the name or path of some-model" in made()


def test_of_a_merged_model_only_its_use_is_another() -> None:
    before, after = made(), merged_card(made())
    assert "--adapter" not in after
    assert after.count("## ") == before.count("## ")
    assert after.partition("## What")[2] == before.partition("## What")[2]
    assert merged_card("# My own words\n") == "# My own words\n"

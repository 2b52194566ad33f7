"""Preset directories."""

from dataclasses import replace
from pathlib import Path

import keras

from s2s_zoo.data.pairs import Pair
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS
from tests.fuzzing.subjects import Subject
from tests.text_corpus import SMALL
from tests.tiny import tiny_preset

PAIRS = [
    Pair("1", "a b c d e f g h", "8 7 6 5 4 3 2 1"),
    Pair("2", "a b", "2 1"),
]
TEXT = SMALL | {
    "task.joint": False,
    "task.tokenizer": "bpe",
    "task.vocabulary": 18,
    "decoder.tie_source": False,
}


def make_speech(directory: Path) -> None:
    keras.utils.set_random_seed(0)
    tiny_preset().build().save_to_preset(directory)


def make_text(directory: Path) -> None:
    """With a tokenizer of each side."""
    keras.utils.set_random_seed(0)
    preset = PRESETS.get("transformer_tiny").scaled().with_settings(TEXT)
    task = preset.task.fit(PAIRS)
    assert len(task.assets()) == 2
    model = replace(preset, task=task).build()
    model.save_to_preset(directory)


def load_text(directory: Path) -> None:
    """The model, and what reads its tokenizers by themselves."""
    task = Seq2Seq.from_preset(directory).task
    for tokenizer in (task.fitted.source, task.fitted.target):
        tokenizer.encode(["a b é"])
        tokenizer.encode_randomly(["a b é"], 0.1, ["1"])
        assert len(tokenizer.pieces) == tokenizer.size


MODELS = [
    Subject("speech preset", make_speech, Seq2Seq.from_preset, share=6),
    Subject("text preset", make_text, load_text, share=6),
]

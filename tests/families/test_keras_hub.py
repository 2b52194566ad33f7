"""Families on backbones of keras-hub: BERT, ResNet and Whisper, small and random."""

import runpy
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.decoders import ClassifierDecoder, CTCDecoder
from s2s_zoo.encoders import KerasHubEncoder
from s2s_zoo.features import KerasHubAudio, KerasHubImages, TokenIds
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS
from s2s_zoo.workflows.infer import infer
from s2s_zoo.workflows.train import train
from tests.encoders.test_keras_hub import BERT, CONVERTER, RESNET, WHISPER, WORDS, hub

pytestmark = pytest.mark.skipif(hub is None, reason="keras-hub is not installed")

ROOT = Path(__file__).parents[2]
GOOD, BAD = "the fine film", "the film films"


def learn(preset, steps=12):
    """The model, and its losses on one batch of noise."""
    keras.utils.set_random_seed(0)
    model = preset.build()
    preset.compile(model, steps)
    (inputs, target), _ = preset.task.random_batch(4.0)
    losses = [float(model.train_on_batch(inputs, target)) for _ in range(steps)]
    return model, inputs, losses


def recipe(name, **optimizer):
    adam = partial(keras.optimizers.Adam, **optimizer)
    return replace(PRESETS.get(name).recipe, optimizer=adam, precision="float32")


@pytest.fixture
def bert(tmp_path):
    """A preset directory with a tokenizer, on which every word has an id."""
    directory = tmp_path / "bert"
    keras.utils.set_random_seed(1)
    hub.models.BertBackbone(**BERT).save_to_preset(str(directory))
    tokenizer = hub.tokenizers.BertTokenizer(WORDS, lowercase=True)
    tokenizer.save_to_preset(str(directory))
    return directory


def test_sentiment_on_bert_is_saved_whole(bert, tmp_path, monkeypatch):
    small = PRESETS.get("sentiment_small")
    monkeypatch.setattr(PRESETS, "_entries", dict(PRESETS._entries))
    task = replace(small.task, tokenizer="keras_hub", tokenizer_file=str(bert))
    encoder = partial(KerasHubEncoder, backbone=str(bert), learning_rate_factor=0.5)
    preset = replace(
        small,
        name="on_bert",
        task=task,
        features=partial(TokenIds),
        encoder=encoder,
        decoder=partial(ClassifierDecoder),
        recipe=recipe("sentiment_small"),
    )
    PRESETS.register("on_bert", preset, __file__)
    lines = [f"{label},{text}" for label, text in (("good", GOOD), ("bad", BAD))]
    for split, times in (("train", 20), ("validation", 1)):
        text = "\n".join(["label,text", *lines * times])
        (tmp_path / f"{split}.csv").write_text(text)
    settings = {"recipe.epochs": 16, "recipe.batch": 240.0}
    settings |= {"recipe.schedule.initial_learning_rate": 0.02}
    settings |= {"recipe.validate_every": 100_000, "task.buckets": 1}
    run = tmp_path / "run"
    train(preset="on_bert", data=str(tmp_path), run_dir=run, settings=settings)
    shutil.rmtree(bert)
    told = infer(run=run, inputs=[GOOD, BAD, "The FINE film"])
    assert [found["output"] for found in told] == ["good", "bad", "good"]
    assert told[0]["output"] != told[1]["output"]
    again = Seq2Seq.from_preset(run / "preset", load_weights=True)
    assert again.task.fitted.size == len(WORDS)
    assert again.encoder.backbone["name"] == "keras_hub>BertBackbone"


def test_the_example_fine_tunes_a_preset(bert, tmp_path, monkeypatch, capsys):
    PRESETS.names()
    monkeypatch.setattr(PRESETS, "_entries", dict(PRESETS._entries))
    monkeypatch.chdir(tmp_path)
    for split in ("train", "validation", "test"):
        text = f"label,text\ngood,{GOOD}\nbad,{BAD}\n"
        (tmp_path / f"{split}.csv").write_text(text)
    example = runpy.run_path(str(ROOT / "examples" / "fine_tune.py"))
    example["main"](str(bert), str(tmp_path), "1")
    measured, *told = capsys.readouterr().out.splitlines()
    assert measured.endswith("of the test split right")
    assert {line.split()[1] for line in told} == {"good", "bad"}


def test_images_on_a_residual_network():
    resnet = PRESETS.get("resnet18_v2")
    pixels = {"name": "keras_hub>ResNetImageConverter", "config": {"scale": 1 / 255}}
    described = {"name": "keras_hub>ResNetBackbone", "config": RESNET}
    preset = replace(
        resnet,
        task=replace(resnet.task, size=(16, 16), shorter_side=0, classes=3),
        features=partial(KerasHubImages, converter=pixels),
        encoder=partial(KerasHubEncoder, backbone=described),
        decoder=partial(ClassifierDecoder),
        recipe=recipe("resnet18_v2"),
    ).with_settings({"recipe.schedule.initial_learning_rate": 0.01})
    _, _, losses = learn(preset)
    assert losses[-1] < 0.5 * losses[0]


def test_speech_on_the_encoder_of_whisper():
    lstm = PRESETS.get("lstm_ctc_small")
    described = {"name": "keras_hub>WhisperBackbone", "config": WHISPER}
    preset = replace(
        lstm,
        task=replace(lstm.task, alphabet=" ab", max_seconds=1.0),
        features=partial(KerasHubAudio, converter=CONVERTER),
        encoder=partial(KerasHubEncoder, backbone=described),
        decoder=partial(CTCDecoder),
        recipe=recipe("lstm_ctc_small"),
    ).with_settings({"recipe.schedule.initial_learning_rate": 0.02})
    keras.utils.set_random_seed(0)
    model = preset.build()
    preset.compile(model, 80)
    rng = np.random.default_rng(0)
    source = rng.normal(0, 0.1, (2, 16000)).astype("float32")
    inputs = {"source": source, "source_lengths": np.array([16000, 12000], "int32")}
    target = {"target": np.array([[1, 2], [2, -1]], "int32")}
    target["target_lengths"] = np.array([2, 1], "int32")
    losses = [float(model.train_on_batch(inputs, target)) for _ in range(80)]
    assert losses[-1] < 0.2 * losses[0]
    mask = model.predict_on_batch(inputs)["mask"]
    assert ops.convert_to_numpy(mask).sum(1).tolist() == [50, 38]
    assert model.generate([source[0]])[0] == "ab"


def test_gradual_unfreezing_is_in_the_step_of_a_preset():
    small = PRESETS.get("sentiment_small").scaled()
    described = {"name": "keras_hub>BertBackbone", "config": {**BERT, "dropout": 0.0}}
    encoder = partial(KerasHubEncoder, backbone=described, unfreeze_every=2)
    preset = replace(
        small,
        task=replace(small.task, vocabulary=12, max_tokens=16),
        features=partial(TokenIds),
        encoder=encoder,
        decoder=partial(ClassifierDecoder),
    )
    keras.utils.set_random_seed(0)
    model = preset.build()
    preset.compile(model, 10)
    (inputs, target), _ = preset.task.random_batch(64.0)
    begins = {path: rate.begin for path, rate in model.encoder.own_rates().items()}
    start = {v.path: ops.convert_to_numpy(v) for v in model.encoder.trainable_weights}
    for step in range(4):
        model.train_on_batch(inputs, target)
        for v in model.encoder.trainable_weights:
            if begins[v.path] > step:
                np.testing.assert_array_equal(ops.convert_to_numpy(v), start[v.path])
    moved = [v for v in model.encoder.trainable_weights if begins[v.path] < 3]
    assert any((ops.convert_to_numpy(v) != start[v.path]).any() for v in moved)

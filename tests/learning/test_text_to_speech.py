"""Synthesizers learn to speak letters as tones."""

import numpy as np
import pytest

from s2s_zoo.data.manifests import read_manifest
from s2s_zoo.metrics.speech import distortion
from s2s_zoo.registry import PRESETS
from s2s_zoo.workflows.evaluate import evaluate
from s2s_zoo.workflows.train import train
from tests.speech_corpus import write_corpus

FAMILIES = {
    "centaur_small": {
        "features.width": 32,
        "encoder.units": 32,
        "encoder.layers": 2,
        "decoder.units": 48,
        "decoder.prenet_units": 48,
        "decoder.mel_layers": 2,
    },
}
RECIPE = {
    "task.buckets": 1,
    "task.spectrogram.num_mels": 20,
    "task.spectrogram.stride": 320,
    "task.vocoder.iterations": 2,
    "recipe.batch": 16.0,
    "recipe.epochs": 60,
    "recipe.validate_every": 100_000,
    "recipe.schedule.initial_learning_rate": 3e-3,
    "recipe.schedule.begin": 200,
    "recipe.schedule.decay_steps": 200,
}


def chance(task, corpus):
    """Mel-cepstral distortion of recordings from those of other texts."""
    spoken = [task.reference(u) for u in read_manifest(corpus / "validation.csv")]
    frames = [one.frames / task.spectrogram.scale for one in spoken]
    costs = [
        distortion(frames[i], frames[i - 1])
        for i in range(len(frames))
        if spoken[i].text != spoken[i - 1].text
    ]
    return np.divide(*np.sum(costs, axis=0))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
@pytest.mark.parametrize("preset", FAMILIES)
def test_speaks_letters_as_their_tones(preset, precision, tmp_path):
    corpus = write_corpus(tmp_path / "corpus", train=120, validation=20)
    settings = {**RECIPE, **FAMILIES[preset], "recipe.precision": precision}
    train(preset=preset, data=str(corpus), run_dir=tmp_path / "run", settings=settings)
    measured = evaluate(run=tmp_path / "run", split="validation").metrics
    task = PRESETS.get(preset).with_settings(settings).task
    assert measured["mel_cepstral_distortion"] < chance(task, corpus) / 2
    assert measured["attention_diagonality"] > 0.9
    assert measured["stop_accuracy"] > 0.9

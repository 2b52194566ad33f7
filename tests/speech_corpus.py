"""A tiny corpus whose letters are tones, made on the spot."""

from pathlib import Path

import numpy as np

from s2s_zoo.data.audio import write_wav
from s2s_zoo.data.manifests import Utterance, write_manifest
from s2s_zoo.settings import parse_setting

RATE = 16000
TONE_SECONDS = 0.12
LETTERS = "abcde"


def tones(text: str, rng: np.random.Generator) -> np.ndarray:
    """One tone a letter, silence between them."""
    time = np.arange(int(TONE_SECONDS * RATE)) / RATE
    gap = np.zeros(int(0.05 * RATE))
    parts = [gap]
    for letter in text:
        frequency = 300.0 + 500.0 * LETTERS.index(letter)
        parts += [0.3 * np.sin(2 * np.pi * frequency * time), gap]
    audio = np.concatenate(parts)
    return (audio + 0.003 * rng.normal(size=len(audio))).astype(np.float32)


def write_corpus(directory: Path, train: int = 12, validation: int = 4) -> Path:
    """`train.csv`, `validation.csv` and `test.csv` with their wavs."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("validation", validation), ("test", 3)):
        utterances = []
        for i in range(count):
            text = "".join(rng.choice(list(LETTERS), rng.integers(2, 5)))
            path = directory / f"{split}_{i}.wav"
            directory.mkdir(parents=True, exist_ok=True)
            audio = tones(text, rng)
            write_wav(path, audio, RATE)
            name, seconds = path.name, len(audio) / RATE
            utterances.append(Utterance(name, str(path), seconds, text))
        write_manifest(directory / f"{split}.csv", utterances)
    return directory


TINY = (
    "features.num_features=16",
    "encoder.kernels=[[5,5]]",
    "encoder.strides=[[2,2]]",
    "encoder.filters=[2]",
    "encoder.rnn_layers=0",
    "encoder.projection=8",
    "task.buckets=1",
)
TINY_SETTINGS = dict(map(parse_setting, TINY))
"""Of deepspeech2-small: one convolution, no recurrence, quickly traced."""

"""Style tokens learn how a text is spoken from recordings that nobody labelled."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.data.padding import pad
from s2s_zoo.data.voices import TAIL, stops
from s2s_zoo.registry import PRESETS
from s2s_zoo.vocabulary import PAD

LETTERS, LONGEST = "abcde", 5
SIZE, ROOM = LONGEST + 1, 6 * LONGEST + TAIL
SPEED = (4, 6)
"""Frames of a letter in each style."""
SETTINGS = {
    "task.objective.error": "squared",
    "task.spectrogram.num_mels": 10,
    "task.search.frames_per_token": 8.0,
    "task.search.extra_frames": 4,
    "features.width": 24,
    "encoder.text.units": 16,
    "encoder.text.filters": 32,
    "encoder.filters": (4, 8),
    "encoder.units": 16,
    "encoder.width": 16,
    "decoder.units": 64,
    "decoder.prenet_units": 32,
    "decoder.attention_units": 16,
    "decoder.postnet_filters": 16,
}
STEPS, ROWS = 400, 32


def spoken(text, style):
    """(U, 10) a channel for each letter, higher and for longer in the second style."""
    frames = np.zeros((len(text) * SPEED[style], 10), "float32")
    for i, letter in enumerate(text):
        channel = 5 * style + LETTERS.index(letter)
        frames[i * SPEED[style] : (i + 1) * SPEED[style], channel] = 2
    return frames


def batch(task, texts, styles):
    recordings = map(spoken, texts, styles)
    frames = [np.pad(found, ((0, TAIL), (0, 0))) for found in recordings]
    target, lengths = pad(frames, len(texts), ROOM, 0)
    source, sizes = pad([task.text.encode(t) for t in texts], len(texts), SIZE, PAD)
    wanted = {"target": target, "target_lengths": lengths}
    inputs = {"source": source, "source_lengths": sizes, **wanted}
    return inputs, {**wanted, "stop": stops(lengths, ROOM)}


def texts(count, rng):
    return [
        "".join(rng.choice(list(LETTERS), rng.integers(2, 6))) for _ in range(count)
    ]


HELD_OUT = sorted(set(texts(12, np.random.default_rng(0))))


def learned():
    """A model that has heard other texts in either style, untold which."""
    keras.utils.set_random_seed(0)
    model = PRESETS.get("tacotron2_gst_small").scaled().with_settings(SETTINGS).build()
    model.compile(optimizer=keras.optimizers.Adam(3e-3, global_clipnorm=1.0))
    rng = np.random.default_rng(1)
    for _ in range(STEPS):
        others = [text for text in texts(48, rng) if text not in HELD_OUT]
        styles = rng.integers(0, len(SPEED), ROWS)
        model.train_on_batch(*batch(model.task, others[:ROWS], styles))
    return model


@pytest.mark.slow
def test_a_recording_of_another_text_decides_the_style():
    """Which channels are loud, and how long a letter lasts; the letters are those read.

    Each reference says another text than the one that is to be spoken.
    """
    model = learned()
    references, right = HELD_OUT[1:] + HELD_OUT[:1], []
    for style in range(len(SPEED)):
        heard, _ = batch(model.task, references, [style] * len(references))
        weights = model.encoder.weigh(heard["target"], heard["target_lengths"])
        inputs, _ = batch(model.task, HELD_OUT, [style] * len(HELD_OUT))
        free = {name: inputs[name] for name in ("source", "source_lengths")}
        found = model.predict_on_batch({**free, "style": ops.convert_to_numpy(weights)})
        rows = map(ops.convert_to_numpy, (found["refined"], found["lengths"]))
        for text, frames, length in zip(HELD_OUT, *rows, strict=True):
            loudness = np.square(frames[:length]).reshape(-1, len(SPEED), 5).sum((0, 2))
            assert loudness.argmax() == style, text
            durations = np.multiply(SPEED, len(text))
            assert np.abs(durations - length).argmin() == style, text
            wanted = spoken(text, style).argmax(1)[:length]
            right.extend(frames[: len(wanted)].argmax(1) == wanted)
    assert np.mean(right) > 2 / len(LETTERS)

"""The loss of spectrograms, number by number."""

import numpy as np
import pytest
from keras import ops

from s2s_zoo.losses.base import as_tensors
from s2s_zoo.losses.spectrogram import SpectrogramLoss

B, U, T, M, F = 2, 5, 4, 3, 6
LENGTHS, TOKENS = np.array([5, 3]), np.array([4, 2])


def batch(seed=0, frames=U, tokens=T):
    """What lies in the padding is no number."""
    rng = np.random.default_rng(seed)
    real = np.arange(frames)[None] < LENGTHS[:, None]
    draw = {
        "target": rng.normal(size=(B, U, M + F)),
        "frames": rng.normal(size=(B, U, M)),
        "refined": rng.normal(size=(B, U, M)),
        "magnitudes": rng.normal(size=(B, U, F)),
        "stop": rng.normal(size=(B, U)),
        "alignments": rng.dirichlet(np.ones(T), size=(B, U)),
    }
    padded = {}
    for name, x in draw.items():
        more = [(0, 0), (0, frames - U), *[(0, 0)] * (x.ndim - 2)]
        x = np.pad(x, more)
        x[~real] = 1e3
        padded[name] = x.astype("float32")
    more = ((0, 0), (0, 0), (0, tokens - T))
    padded["alignments"] = np.pad(padded["alignments"], more)
    target = {"target": padded.pop("target"), "target_lengths": LENGTHS}
    target["stop"] = (np.arange(frames)[None] == LENGTHS[:, None] - 1).astype("float32")
    padded["mask"] = np.arange(tokens)[None] < TOKENS[:, None]
    return target, padded


def expected(loss, target, output):
    """Row by row, frame by frame."""
    total = 0.0
    power = 2 if loss.error == "squared" else 1
    for b in range(B):
        for u in range(LENGTHS[b]):
            wanted = target["target"][b, u].astype("float64")
            for name in ("frames", "refined"):
                error = np.abs(output[name][b, u] - wanted[:M]) ** power
                total += loss.mel_weight * error.mean()
            error = np.abs(output["magnitudes"][b, u] - wanted[M:]) ** power
            total += loss.magnitude_weight * error.mean()
            chance = 1 / (1 + np.exp(-float(output["stop"][b, u])))
            chance = chance if u == LENGTHS[b] - 1 else 1 - chance
            total -= loss.stop_weight * np.log(chance)
            for t in range(TOKENS[b]):
                off = t / TOKENS[b] - u / LENGTHS[b]
                share = 1 - np.exp(-(off**2) / (2 * loss.guide_width**2))
                weight = loss.guide_weight * output["alignments"][b, u, t]
                total += weight * share
    return total


def number(loss, *batch):
    return float(ops.convert_to_numpy(loss(*map(as_tensors, batch))))


@pytest.mark.parametrize(
    "loss",
    [
        SpectrogramLoss(),
        SpectrogramLoss(
            error="absolute",
            mel_weight=2.0,
            magnitude_weight=0.5,
            stop_weight=3.0,
            guide_weight=4.0,
            guide_width=0.3,
        ),
    ],
)
def test_it_is_its_definition(loss):
    target, output = batch()
    value = number(loss, target, output)
    assert value == pytest.approx(expected(loss, target, output), rel=1e-5)
    assert loss.weight({}, target) == LENGTHS.sum()
    more = batch(frames=U + 3, tokens=T + 2)
    assert number(loss, *more) == pytest.approx(value, rel=1e-5)


def test_magnitudes_count_where_they_are_told():
    target, output = batch()
    del output["magnitudes"]
    whole = SpectrogramLoss(magnitude_weight=0.0)
    without = number(SpectrogramLoss(), target, output)
    assert without == pytest.approx(number(whole, *batch()), rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"error": "cubed"}, "error is one of squared, absolute"),
        ({"stop_weight": -1.0}, "stop_weight is 0 to"),
        ({"guide_width": 0.0}, "guide_width is 0.001 to"),
    ],
)
def test_values_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SpectrogramLoss(**settings)

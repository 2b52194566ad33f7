"""Statistics of parts against those of the whole."""

import numpy as np
import pytest

from s2s_zoo.features.spectrogram import LogSpectrogram
from s2s_zoo.features.statistics import RunningStatistics


@pytest.mark.parametrize("sizes", [(50,), (1, 49), (0, 20, 0, 29, 1)])
def test_mean_and_variance_of_parts_are_those_of_the_whole(sizes):
    rows = np.random.default_rng(0).normal(-60, 9, (50, 3)).astype("float32")
    found = RunningStatistics()
    for part in np.split(rows, np.cumsum(sizes)[:-1]):
        found.add(part)
    exact = rows.astype(np.float64)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.variance, exact.var(axis=0), rtol=1e-12)


def test_what_never_varies_has_no_variance_at_all():
    found = RunningStatistics()
    for size in (3, 5, 7):
        found.add(np.full((size, 2), -23.02585, "float32"))
    assert found.variance.tolist() == [0.0, 0.0]
    assert found.mean.astype("float32").tolist() == [np.float32(-23.02585)] * 2


@pytest.mark.parametrize("normalization", ["per_feature", "global", "none"])
def test_parts_normalized_by_the_whole_are_parts_of_the_whole(normalization):
    layer = LogSpectrogram(7, normalization=normalization)
    rng = np.random.default_rng(0)
    raw = rng.normal(-60, 9, (1, 40, 7)).astype("float32")
    raw[..., 2] = -100.0
    whole, _ = layer(raw, np.array([40]))
    given = {}
    measured = layer.measure([raw[0, :11], raw[0, 11:]])
    if normalization == "none":
        assert measured is None
    else:
        given = {"statistics": measured[None]}
    for part in (slice(0, 13), slice(13, 40)):
        size = part.stop - part.start
        x, mask = layer(raw[:, part], np.array([size - 2]), **given)
        expected = np.array(whole)[0, part].copy()
        expected[-2:] = 0.0
        np.testing.assert_allclose(np.array(x)[0], expected, atol=1e-5)
        assert np.array(mask)[0].tolist() == [True] * (size - 2) + [False] * 2
    if normalization == "per_feature":
        assert (np.array(whole)[..., 2] == 0).all()

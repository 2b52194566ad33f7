"""Weights of another model: all that are there fit, or those that do not are named."""

import keras
import numpy as np
import pytest

from s2s_zoo.errors import UserError
from s2s_zoo.models.transfer import SHOWN, copy_all_weights, copy_fitting_weights
from s2s_zoo.registry import PRESETS
from tests.tiny import draw_weights, tiny_preset

TRANSFORMER = {"task.vocabulary": 40, "encoder.layers": 1, "decoder.layers": 1}


def transformer(**settings):
    changed = {name.replace("__", "."): value for name, value in settings.items()}
    preset = PRESETS.get("transformer_tiny").scaled()
    return preset.with_settings(TRANSFORMER | changed).build()


def recognizer(**settings):
    changed = {name.replace("__", "."): value for name, value in settings.items()}
    return tiny_preset().with_settings(changed).build()


def saved(model, directory):
    model.save_to_preset(directory)
    return directory


@pytest.mark.parametrize(
    ("make", "settings", "told"),
    [
        (
            recognizer,
            {"task__alphabet": " abcäöüß"},
            # the blank beside 8 and 28 characters, of a projection to 4
            [
                "decoder/dense/kernel (4, 9), there (4, 29)",
                "decoder/dense/bias (9,), there (29,)",
            ],
        ),
        (
            recognizer,
            {"encoder__projection": 5},
            # both directions of 3 units
            [
                "encoder/dense/kernel (6, 5), there (6, 4)",
                "encoder/dense/bias (5,), there (4,)",
                "decoder/dense/kernel (5, 29), there (4, 29)",
            ],
        ),
        (
            transformer,
            {"task__vocabulary": 50},
            ["features/embedding/embeddings (50, 8), there (40, 8)"],
        ),
    ],
)
def test_weights_of_another_shape_are_named(make, settings, told, tmp_path):
    model = make(**settings)
    before = model.get_weights()
    with pytest.raises(UserError) as caught:
        copy_all_weights(model, saved(make(), tmp_path / "there"))
    first, *lines, last = str(caught.value).split("\n  ")
    lines, partly = [*lines, last.split("\n")[0]], last.split("\n")[1]
    assert str(tmp_path / "there") in first
    assert lines == told
    count = len(model.weights)
    assert partly == f"--init-partly takes the {count - len(told)} of {count} that fit"
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("here", "there"), [(1, 2), (2, 1)])
def test_layers_that_only_one_of_them_has_are_named(here, there, tmp_path):
    model = transformer(encoder__layers=here)
    directory = saved(transformer(encoder__layers=there), tmp_path / "there")
    with pytest.raises(UserError) as caught:
        copy_all_weights(model, directory)
    lines = str(caught.value).split("\n")[1:-1]
    assert lines
    assert all(line.startswith("  encoder/block_1/") for line in lines)
    ends = (", there none",) if here > there else (" none, there (8,)", "(8, 8)")
    assert any(line.endswith(ends) for line in lines)


def test_long_lists_are_cut(tmp_path):
    model = transformer(encoder__layers=1, encoder__hidden=32)
    directory = saved(transformer(encoder__layers=4), tmp_path / "there")
    with pytest.raises(UserError) as caught:
        copy_all_weights(model, directory)
    *_, last, partly = str(caught.value).split("\n")
    assert str(caught.value).count("\n") == SHOWN + 2
    assert last.startswith("  and ")
    assert last.endswith(" more")
    assert "--init-partly" in partly


def test_where_nothing_fits_there_is_no_line_to_type(tmp_path):
    there = saved(recognizer(), tmp_path / "there")
    model = transformer()
    with pytest.raises(UserError, match="None of them fits"):
        copy_all_weights(model, there)
    with pytest.raises(UserError, match=r"Nothing of .*there fits this model"):
        copy_fitting_weights(model, there)


def test_all_weights_arrive(tmp_path):
    there, here = recognizer(), recognizer()
    draw_weights(there)
    copy_all_weights(here, saved(there, tmp_path / "there"))
    for a, b in zip(there.get_weights(), here.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_fitting_weights_arrive_and_the_others_are_told(tmp_path):
    there, here = recognizer(), recognizer(task__alphabet="ab")
    draw_weights(there)
    before = keras.ops.convert_to_numpy(here.decoder.weights[0])
    found = copy_fitting_weights(here, saved(there, tmp_path / "there"))
    count, told = len(here.weights), str(found)
    assert set(found.taken) | set(found.skipped) == {
        f"{part}/{weight.path.split('/', 2)[2]}"
        for part in ("encoder", "decoder")
        for weight in getattr(here, part).weights
    }
    assert len(found.skipped) == 2
    assert told.startswith(f"{count - 2} of {count} weights, ")
    assert "; not\n  decoder/dense/kernel (4, 3), there (4, 29)\n" in told
    pairs = zip(there.encoder.get_weights(), here.encoder.get_weights(), strict=True)
    for a, b in pairs:
        np.testing.assert_array_equal(a, b)
    after = keras.ops.convert_to_numpy(here.decoder.weights[0])
    np.testing.assert_array_equal(before, after)

"""Several batches against the one large batch that holds them all."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.optimizers.accumulation import GradientAccumulation
from s2s_zoo.optimizers.larc import LARC
from s2s_zoo.optimizers.loss_scaling import AutomaticLossScaleOptimizer
from s2s_zoo.registry import PRESETS
from tests.tiny import speech_batch

SIZES = (5, 1, 3)
INNER = {
    "adam": lambda: keras.optimizers.Adam(0.1),
    "clipped": lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.1),
    "decayed": lambda: keras.optimizers.AdamW(0.1, weight_decay=0.1),
    "larc": lambda: LARC(keras.optimizers.SGD(0.1, momentum=0.9), eta=0.02),
}


def model(optimizer):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile(optimizer, loss="mse", auto_scale_loss=False)
    optimizer.build(model.trainable_variables)
    return model


def groups(count):
    """Inputs and targets of `count` large batches."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        x = rng.normal(size=(sum(SIZES), 3)).astype("float32")
        yield x, np.sin(x.sum(axis=1, keepdims=True))


def train_in_pieces(model, accumulation, steps=None):
    for x, y in groups(3):
        start = 0
        for i, size in enumerate(SIZES):
            rows = slice(start, start + size)
            accumulation.announce(size, last=steps is None and i == len(SIZES) - 1)
            model.train_on_batch(x[rows], y[rows])
            start += size


@functools.cache
def after_large_batches(inner):
    """The weights; tracing takes TensorFlow longer than three steps."""
    whole = model(INNER[inner]())
    whole.run_eagerly = keras.backend.backend() == "tensorflow"
    for x, y in groups(3):
        whole.train_on_batch(x, y)
    return whole.get_weights()


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize(("steps", "scaled"), [(len(SIZES), True), (100, False)])
def test_pieces_equal_the_large_batch(inner, scaled, steps):
    accumulation = GradientAccumulation(INNER[inner](), steps)
    outer = AutomaticLossScaleOptimizer(accumulation) if scaled else accumulation
    pieces = model(outer)
    train_in_pieces(pieces, accumulation, steps if steps == len(SIZES) else None)
    assert int(ops.convert_to_numpy(outer.iterations)) == 3
    pairs = zip(pieces.get_weights(), after_large_batches(inner), strict=True)
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


def test_a_piece_that_overflows_is_left_out():
    rows = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    targets = rows.sum(axis=1, keepdims=True)
    whole = model(keras.optimizers.SGD(0.1))
    whole.train_on_batch(rows[:4], targets[:4])
    accumulation = GradientAccumulation(keras.optimizers.SGD(0.1), 10)
    pieces = model(AutomaticLossScaleOptimizer(accumulation))
    for part, last in ((slice(0, 3), False), (slice(4, 6), False), (slice(3, 4), True)):
        x = rows[part] * (np.nan if part.start == 4 else 1.0)
        accumulation.announce(len(x), last)
        pieces.train_on_batch(x, targets[part])
    for found, expected in zip(pieces.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_recipe_accumulates_by_utterance():
    inputs, target = speech_batch(seconds=0.2)
    settings = {
        "encoder.dropout": 0.0,
        "recipe.precision": "float32",
        "features.dither": 0.0,
    }
    preset = PRESETS.get("lstm_ctc_small").scaled().with_settings(settings)
    trained = []
    for parts, accumulate in (([slice(None)], 1), ([slice(0, 1), slice(1, None)], 5)):
        keras.utils.set_random_seed(0)
        some = preset.with_settings({"recipe.accumulate": accumulate})
        recognizer = some.build()
        some.compile(recognizer, updates=10)
        for i, part in enumerate(parts):
            x = {name: value[part] for name, value in inputs.items()}
            y = {name: value[part] for name, value in target.items()}
            if accumulate > 1:
                weight = some.task.objective.weight(x, y)
                recognizer.optimizer.announce(weight, last=i == len(parts) - 1)
            recognizer.train_on_batch(x, y)
        trained.append(recognizer.get_weights())
    for found, expected in zip(*trained, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="steps is 1 or more"):
        GradientAccumulation(keras.optimizers.SGD(), 0)
    inner = keras.optimizers.SGD(gradient_accumulation_steps=2)
    with pytest.raises(ValueError, match="gradient_accumulation_steps"):
        GradientAccumulation(inner, 2)


def test_it_serializes():
    optimizer = GradientAccumulation(keras.optimizers.Adam(0.3), 7)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()


def test_replicas_that_do_not_sum_their_gradients_first_are_refused():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("tf.distribute belongs to the TensorFlow backend")
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        pieces = model(GradientAccumulation(keras.optimizers.SGD(0.1), 2))
        with pytest.raises(ValueError, match="sum_gradients_first"):
            pieces.train_on_batch(np.ones((2, 3)), np.ones((2, 1)))


def test_a_group_of_nothing_is_an_update_by_zero():
    """As a batch of nothing is without accumulation."""
    moved = []
    for accumulate in (1, 2):
        inner = keras.optimizers.AdamW(0.1, weight_decay=0.5)
        accumulation = GradientAccumulation(inner, accumulate)
        variable = keras.Variable(np.ones(2, "float32"))
        optimizer = AutomaticLossScaleOptimizer(accumulation, algorithm="none")
        optimizer.build([variable])
        for weight in [1.0] * accumulate + [0.0] * accumulate:
            accumulation.announce(weight, last=False)
            optimizer.apply([ops.full((2,), weight)], [variable])
        moved.append(ops.convert_to_numpy(variable))
    np.testing.assert_allclose(*moved, rtol=1e-6)
    assert np.isfinite(moved).all()

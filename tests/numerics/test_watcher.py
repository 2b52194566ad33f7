"""What the watcher sees, against closed forms, and that it changes nothing."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.checkpoints import host_random_state
from s2s_zoo.layers.normalization import LayerNormalization
from s2s_zoo.numerics.watcher import Watcher, watched_layers
from tests.numerics.test_exponents import exponents_of
from tests.tiny import speech_batch, tiny_preset


class Chain(keras.Model):
    """Layers one after the other; the loss is Σ output · target."""

    def __init__(self, *layers):
        super().__init__(autocast=False)
        self.chain = list(layers)

    def call(self, inputs, training=None):
        for layer in self.chain:
            inputs = layer(inputs)
        return ops.cast(inputs, "float32")

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        return ops.sum(y_pred * ops.convert_to_tensor(y))


def dense(name, kernel, dtype="float32"):
    return keras.layers.Dense(
        kernel.shape[-1],
        kernel_initializer=lambda shape, dtype=None: ops.cast(kernel, dtype),
        name=name,
        dtype=dtype,
    )


def chain(*layers, shape):
    model = Chain(*layers)
    model.compile(optimizer=keras.optimizers.SGD(0.1), auto_scale_loss=False)
    model(np.zeros(shape, "float32"))
    return model


def integers(shape, seed):
    """Small whole numbers, so that every product and sum is exact in float16."""
    return np.random.default_rng(seed).integers(-3, 4, shape).astype("float32")


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("scale", [1.0, 64.0])
def test_a_chain_of_two_against_its_closed_form(dtype, scale):
    x, t = integers((6, 4), 0), integers((6, 3), 1) / 1024
    a, b = integers((4, 5), 2), integers((5, 3), 3)
    layers = dense("first", a, dtype), dense("second", b, dtype)
    watcher = Watcher(chain(*layers, shape=x.shape))
    for _ in range(2):
        seen = watcher.watch(x, t, scale)
        assert list(seen.layers) == ["first", "second"]
        first, second = seen.layers.values()
        assert seen.loss == pytest.approx(np.sum(x @ a @ b * t), rel=1e-2)
        assert first.activation == exponents_of(x @ a)
        assert second.activation == exponents_of(x @ a @ b)
        assert second.gradient == exponents_of(t)
        assert first.gradient == exponents_of(t @ b.T)
        bias = exponents_of(t.sum(axis=0))
        assert second.weights == exponents_of((x @ a).T @ t) + bias
        assert first.dtype == dtype.removeprefix("mixed_")
        assert seen.overflow() is None


def test_an_activation_that_overflows_is_named():
    x = np.full((2, 4), 100, "float32")
    large = np.full((4, 4), 20, "float32")
    layers = [dense(n, large, "mixed_float16") for n in ("first", "second", "third")]
    watcher = Watcher(chain(*layers, shape=x.shape))
    seen = watcher.watch(x, np.ones_like(x), 1.0)
    assert seen.layers["first"].activation.largest == 8000
    assert seen.overflow() == ("second", "activation")
    assert seen.layers["second"].activation.non_finite == 8


@pytest.mark.parametrize(
    ("scale", "found"),
    [
        (2.0**9, None),
        (2.0**10, ("first", "weights")),
        (2.0**12, ("first", "gradient")),
        (2.0**15, ("second", "weights")),
        (2.0**17, ("second", "gradient")),
    ],
)
def test_a_gradient_that_overflows_is_named(scale, found):
    """Backward from the second layer: S, 2·S (weights), 16·S and 64·S (weights)."""
    x, target = np.full((1, 1), 4.0), np.ones((1, 1), "float32")
    kernels = (np.array([[0.5]]), np.array([[16.0]]))
    layers = [
        dense(name, k.astype("float32"), "mixed_float16")
        for name, k in zip(("first", "second"), kernels, strict=True)
    ]
    watcher = Watcher(chain(*layers, shape=x.shape))
    assert watcher.watch(x.astype("float32"), target, scale).overflow() == found


def test_a_loss_that_is_not_finite_is_no_layer():
    x = np.ones((1, 1), "float32")
    watcher = Watcher(chain(dense("only", x), shape=x.shape))
    assert watcher.watch(x, x * np.inf, 1.0).overflow() == ("loss", "activation")


def test_values_flushed_to_zero_are_zeros():
    x, kernel = np.ones((1, 2), "float32"), np.ones((2, 1), "float32")
    model = chain(
        dense("first", kernel * 2.0**-10, "mixed_float16"),
        dense("second", kernel[:1], "mixed_float16"),
        shape=x.shape,
    )
    target = np.full((1, 1), 2.0**-30, "float32")
    watcher = Watcher(model)
    flushed = watcher.watch(x, target, 1.0).layers["second"].gradient
    assert (flushed.zeros, flushed.total) == (1, 0)
    kept = watcher.watch(x, target, 2.0**20).layers["second"].gradient
    assert (kept.lowest, kept.counts, kept.zeros) == (-30, (1,), 0)


def test_a_layer_called_twice_is_counted_as_one():
    x = integers((3, 4), 4)
    twice = dense("twice", np.eye(4, dtype="float32") * 2)
    watcher = Watcher(chain(twice, twice, shape=x.shape))
    seen = watcher.watch(x, x, 1.0).layers["twice"].activation
    both = exponents_of(np.concatenate([2 * x, 4 * x]))
    assert seen.counts == both.counts
    assert both.largest <= seen.largest <= 2 * both.largest


def test_layers_that_do_nothing_are_left_out():
    x = integers((3, 4), 5)
    layers = [dense("dense", x.T), keras.layers.Dropout(0.0, name="nothing")]
    watcher = Watcher(chain(*layers, shape=x.shape))
    assert list(watcher.watch(x, x @ x.T, 1.0).layers) == ["dense"]


def test_embeddings_and_keras_rnns():
    x = np.array([[0, 1, 1], [2, 0, 1]], "int32")
    embedding = keras.layers.Embedding(3, 4, name="embedding")
    model = chain(embedding, keras.layers.GRU(2, name="rnn"), shape=x.shape)
    assert list(watched_layers(model)) == ["embedding", "rnn"]
    seen = Watcher(model).watch(x, np.ones((2, 2), "float32"), 8.0)
    assert seen.layers["embedding"].weights.total == 12
    assert seen.layers["embedding"].activation.total == 24


def test_layers_with_weights_and_sublayers_are_both_watched():
    class Scaled(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=shape[-1:], initializer="ones")
            self.inner = LayerNormalization(name="inner")
            self.inner.build(shape)

        def call(self, inputs, training=None):
            return self.scale * self.inner(inputs)

    x = integers((2, 5, 3), 6)
    model = chain(Scaled(name="scaled"), shape=x.shape)
    seen = Watcher(model).watch(x, x, 1.0)
    assert list(seen.layers) == ["scaled/inner", "scaled"]
    assert seen.layers["scaled"].weights.total > 0
    assert seen.layers["scaled/inner"].weights is None


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_nothing_is_changed(precision):

    preset = tiny_preset().with_settings(
        {"recipe.precision": precision, "encoder.dropout": 0.5}
    )
    keras.utils.set_random_seed(0)
    model = preset.build()
    preset.compile(model, 10)
    inputs, target = speech_batch()
    model.train_on_batch(inputs, target)

    def state():
        variables = model.variables + model.optimizer.variables
        arrays = [np.array(ops.convert_to_numpy(v)) for v in variables]
        return arrays + list(host_random_state().values())

    before, step = state(), model.train_function
    seen = Watcher(model).watch(inputs, target, 1024.0)
    assert model.train_function is step
    pairs = zip(before, state(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert next(iter(seen.layers)) == "encoder/conv_0/convolution"
    assert list(seen.layers)[-1] == "decoder/dense"
    logs = model.train_on_batch(inputs, target, return_dict=True)
    assert logs["loss"] == pytest.approx(seen.loss, rel=1e-5)

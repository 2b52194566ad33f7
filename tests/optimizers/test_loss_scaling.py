"""The optimizer around the rules: what a skipped step may change, on every path."""

import itertools
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from s2s_zoo.optimizers.loss_scaling import (
    AutomaticLossScaleOptimizer,
    LossScalingError,
    SkipBudget,
)
from tests import prepared

ALGORITHMS = ["backoff", "logmax", 256.0]
BACKEND = keras.backend.backend()
INNER = {
    "adam": lambda: keras.optimizers.Adam(0.1),
    "clipped": lambda: keras.optimizers.Adam(0.1, global_clipnorm=0.5),
    "decayed": lambda: keras.optimizers.AdamW(0.1, weight_decay=0.01),
    "averaged": lambda: keras.optimizers.SGD(
        0.1, momentum=0.9, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3
    ),
    "accumulated": lambda: keras.optimizers.Adam(0.1, gradient_accumulation_steps=2),
}
CASES = [(name, "backoff") for name in INNER] + [("adam", "logmax"), ("adam", 256.0)]


def variables() -> list[keras.Variable]:
    rng = np.random.default_rng(0)
    return [
        keras.Variable(rng.normal(size=shape).astype("float32"), name=f"w{i}")
        for i, shape in enumerate([(3, 2), (4,)])
    ]


def gradients(step: int, value: float | None = None) -> list[Any]:
    rng = np.random.default_rng(step)
    found = [rng.normal(size=s).astype("float32") for s in [(3, 2), (4,)]]
    if value is not None:
        found[1][2] = value
    return [ops.convert_to_tensor(g) for g in found]


def values(items: Any) -> list[np.ndarray[Any, Any]]:
    return [np.array(ops.convert_to_numpy(item)) for item in items]


def scaled(grads: list[Any], optimizer: AutomaticLossScaleOptimizer) -> list[Any]:
    scale = ops.copy(optimizer.dynamic_scale)
    return [g * scale for g in grads]


@pytest.mark.parametrize(("inner", "algorithm"), CASES)
def test_a_skipped_step_changes_the_scaler_alone(
    inner: str, algorithm: str | float
) -> None:
    weights = variables()
    optimizer = AutomaticLossScaleOptimizer(INNER[inner](), algorithm)
    optimizer.build(weights)
    for step in range(3):
        optimizer.apply(scaled(gradients(step), optimizer), weights)
    held = values([*weights, *optimizer.inner_optimizer.variables])
    for bad in (np.nan, -np.inf):
        optimizer.apply(gradients(3, bad), weights)
    after = values([*weights, *optimizer.inner_optimizer.variables])
    for expected, found in zip(held, after, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert float(ops.convert_to_numpy(optimizer.skipped_steps)) == 2
    assert optimizer.overflowed() == [weights[1].path]


@pytest.mark.parametrize(("inner", "algorithm"), CASES)
@pytest.mark.parametrize("path", ["stateful", "stateless"])
def test_training_goes_on_as_if_bad_steps_had_not_been(
    inner: str, algorithm: str | float, path: str
) -> None:
    if path == "stateless" and BACKEND != "jax":
        pytest.skip("the stateless path is JAX's")
    expected, weights = variables(), variables()
    plain = INNER[inner]()
    plain.build(expected)
    optimizer = AutomaticLossScaleOptimizer(INNER[inner](), algorithm)
    optimizer.build(weights)
    take = {"stateful": stateful, "stateless": stateless}[path]
    for step in range(8):
        if step in (2, 3, 6):
            take(optimizer, gradients(step, np.inf), weights)
        else:
            plain.apply(gradients(step), expected)
            take(optimizer, scaled(gradients(step), optimizer), weights)
    for one, other in zip(values(expected), values(weights), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-7)


def stateful(optimizer: Any, grads: list[Any], weights: list[keras.Variable]) -> None:
    optimizer.apply(grads, weights)


def stateless(optimizer: Any, grads: list[Any], weights: list[keras.Variable]) -> None:
    """One step as JAX's trainer takes it, compiled."""
    state = [v.value for v in optimizer.variables]
    step = pytest.importorskip("jax").jit(optimizer.stateless_apply)
    found, state = step(state, grads, [v.value for v in weights])
    for variable, value in zip(
        [*weights, *optimizer.variables], [*found, *state], strict=True
    ):
        variable.assign(value)


def test_the_largest_unscaled_gradient_drives_logmax() -> None:
    weights = variables()
    optimizer = AutomaticLossScaleOptimizer(
        keras.optimizers.SGD(0.0), "logmax", log_max=4.0
    )
    optimizer.build(weights)
    grads = [ops.zeros((3, 2)) + 0.25, ops.zeros((4,)) - 0.5]
    for _ in range(3):
        optimizer.apply(scaled(grads, optimizer), weights)
    scale = float(ops.convert_to_numpy(optimizer.dynamic_scale))
    assert scale == pytest.approx(2.0 ** (4.0 + 1.0), rel=1e-4)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_state_is_float32_under_every_policy(policy: str) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        optimizer = AutomaticLossScaleOptimizer(keras.optimizers.Adam(), "logmax")
        optimizer.build(variables())
        dtypes = {v.name: v.dtype for v in optimizer.variables}
    finally:
        keras.config.set_dtype_policy(before)
    assert {d for n, d in dtypes.items() if n != "iteration"} == {"float32"}


def test_state_survives_saving(tmp_path: Path) -> None:
    first, second = tiny("logmax"), tiny("logmax")
    inputs = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    for _ in range(3):
        first.train_on_batch(inputs, inputs[:, :1])
    first.save(tmp_path / "model.keras")
    second = keras.models.load_model(tmp_path / "model.keras")
    assert second.optimizer.get_config() == first.optimizer.get_config()
    for model in (first, second):
        inputs_with_nan = inputs * np.array([1.0, np.nan, 1.0], "float32")
        model.train_on_batch(inputs_with_nan, inputs[:, :1])
        model.train_on_batch(inputs, inputs[:, :1])
    pairs = zip(first.optimizer.variables, second.optimizer.variables, strict=True)
    for a, b in pairs:
        np.testing.assert_array_equal(*values([a, b]), err_msg=a.path)


def tiny(algorithm: str | float, **settings: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(4, name="first"), keras.layers.Dense(1, name="last")]
    model = keras.Sequential([keras.Input((3,)), *layers])
    inner = keras.optimizers.Adam(0.01)
    optimizer = AutomaticLossScaleOptimizer(inner, algorithm, **settings)
    model.compile(optimizer, loss="mse")
    return model


@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_budget_of_skips_ends_fit_with_a_diagnosis(algorithm: str | float) -> None:
    model = tiny(algorithm, max_consecutive_skips=5)
    held = model.get_weights()
    inputs = np.full((20, 3), np.nan, "float32")
    with pytest.raises(LossScalingError, match=r"6 steps in a row.*last/bias"):
        model.fit(
            inputs, inputs[:, :1], batch_size=2, verbose=0, callbacks=[SkipBudget()]
        )
    for expected, found in zip(held, model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_good_step_renews_the_budget() -> None:
    model = tiny("backoff", max_consecutive_skips=2)
    good = np.ones((2, 3), "float32")
    for inputs in [good * np.nan, good * np.nan, good] * 4:
        model.train_on_batch(inputs, good[:, :1])
        model.optimizer.check()
    assert float(ops.convert_to_numpy(model.optimizer.skipped_steps)) == 8


@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize("algorithm", ["backoff", "logmax"])
def test_float16_that_overflows_still_learns(algorithm: str) -> None:
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(64, 8)).astype("float32")
    targets = inputs @ rng.normal(size=(8, 1)).astype("float32") * 300.0
    dense = keras.layers.Dense(1, dtype="mixed_float16")
    model = keras.Sequential([keras.Input((8,)), dense])
    optimizer = AutomaticLossScaleOptimizer(keras.optimizers.Adam(10.0), algorithm)
    model.compile(optimizer, loss="mse")
    model.fit(
        *(np.tile(rows, (100, 1)) for rows in (inputs, targets)),
        batch_size=64,
        shuffle=False,
        verbose=0,
    )
    if algorithm == "backoff":  # starts at its ceiling
        assert float(ops.convert_to_numpy(optimizer.skipped_steps)) > 0
    predicted = model.predict(inputs, verbose=0)
    assert np.mean((predicted - targets) ** 2) < 0.01 * np.mean(targets**2)


def test_two_replicas_of_which_one_overflows() -> None:
    if BACKEND != "tensorflow":
        pytest.skip("tf.distribute belongs to the TensorFlow backend")
    script = Path(__file__).with_name("mirrored_loss_scaling.py")
    found = json.loads(prepared.on_two_devices(script))
    expected = [(1.0, 500), (1.0, 50), (64.0, 50)]  # backoff, logmax, a number
    for (burst, first, *_), (scale, skipped) in zip(found, expected, strict=True):
        assert (burst["updates"], burst["skipped"]) == (2, skipped)
        assert burst["scale"] == scale
        assert (first["updates"], first["skipped"]) == (2, 1)
    _, first, second, clean = found[0]
    assert first["weights"] == second["weights"]
    assert (clean["updates"], clean["skipped"]) == (3, 0)
    assert first["scale"] == clean["scale"] / 2
    for result in itertools.chain(*found):
        weights = np.concatenate([np.ravel(w) for w in result["weights"]])
        assert np.isfinite(weights).all()


KINDS = {
    "usual": 1.0,
    "nan": np.nan,
    "inf": np.inf,
    "zero": 0.0,
    "largest": 65504.0,
    "tiny": 2.0**-24,
}


@settings(max_examples=8, deadline=None)
@given(kinds=st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=12))
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_stream_of_gradients_makes_weights_or_state_infinite(
    algorithm: str | float, kinds: list[str]
) -> None:
    weights = variables()
    optimizer = AutomaticLossScaleOptimizer(keras.optimizers.Adam(0.1), algorithm)
    optimizer.build(weights)
    for step, kind in enumerate(kinds):
        grads = [g * KINDS[kind] for g in gradients(step)]
        optimizer.apply(grads, weights)
    for value in values([*weights, *optimizer.variables]):
        assert np.isfinite(value).all()
    scale = float(ops.convert_to_numpy(optimizer.dynamic_scale))
    assert scale == 256.0 if algorithm == 256.0 else 1.0 <= scale <= 2.0**14


@pytest.mark.parametrize(
    "settings",
    [
        {"algorithm": "bckoff"},
        {"algorithm": 0.0},
        {"scale_min": 0.0},
        {"scale_min": 4.0, "scale_max": 2.0},
        {"step_factor": 1.0},
        {"step_window": 0},
        {"beta1": 1.0},
        {"max_consecutive_skips": 0},
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Received"):
        AutomaticLossScaleOptimizer(keras.optimizers.SGD(), **settings)

"""The rules against a transcription of the published ones, and on hostile streams."""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.optimizers.scaling_rules import Backoff, LogMax, ScalingRule, StaticScale

FLOAT16_MAX = 65504.0
OVERFLOW = None


def published_backoff(largest: Iterable[float | None], rule: Backoff) -> list[float]:
    """OpenSeq2Seq's rule with its own counters."""
    scale, last_overflow, scales = rule.scale_max, -1, []
    for iteration, value in enumerate(largest, start=1):
        if value is OVERFLOW:
            scale, last_overflow = scale / rule.step_factor, iteration
        elif (iteration - last_overflow) % rule.step_window == 0:
            scale = scale * rule.step_factor
        scale = min(max(scale, rule.scale_min), rule.scale_max)
        scales.append(scale)
    return scales


def published_logmax(exponents: Iterable[float], rule: LogMax) -> list[float]:
    """OpenSeq2Seq's rule on log2 of the largest unscaled gradient, without overflow."""
    x_hat = slow_x_hat = xsquared_hat = 0.0
    scales = []
    for t, x in enumerate(exponents, start=1):
        x_hat = rule.beta1 * x_hat + (1 - rule.beta1) * x
        slow_x_hat = rule.beta2 * slow_x_hat + (1 - rule.beta2) * x
        xsquared_hat = rule.beta2 * xsquared_hat + (1 - rule.beta2) * x * x
        corrected = 1 - rule.beta2**t
        mean = x_hat / (1 - rule.beta1**t)
        slow_mean = slow_x_hat / corrected
        deviation = math.sqrt(max(xsquared_hat / corrected - slow_mean**2, 0.0))
        scale = 2.0 ** (rule.log_max - (mean + rule.overflow_std_dev * deviation))
        scales.append(min(max(scale, rule.scale_min), rule.scale_max))
    return scales


def compiled(step: Callable[..., Any], whole: bool = False) -> Callable[..., Any]:
    """`step` compiled where the backend compiles, as a whole by XLA if asked."""
    if keras.backend.backend() == "tensorflow":
        return pytest.importorskip("tensorflow").function(step, jit_compile=whole)
    if keras.backend.backend() == "jax":
        return pytest.importorskip("jax").jit(step)
    return step


def stepper(rule: ScalingRule) -> Callable[..., dict[str, Any]]:
    """One update from and to plain numbers."""

    def step(state: dict[str, Any], largest: Any, finite: Any) -> dict[str, Any]:
        return rule.update(state, largest, finite)

    fast = compiled(step)

    def call(state: dict[str, Any], largest: float, finite: bool) -> dict[str, Any]:
        return fast(
            state,
            ops.convert_to_tensor(largest, "float32"),
            ops.convert_to_tensor(finite, "bool"),
        )

    return call


def start(rule: ScalingRule) -> dict[str, Any]:
    return {
        name: ops.convert_to_tensor(value, "float32")
        for name, value in rule.start().items()
    }


def scale_of(state: dict[str, Any]) -> float:
    return float(ops.convert_to_numpy(state["scale"]))


def drive(rule: ScalingRule, exponents: Iterable[float | None]) -> NDArray[Any]:
    """Scales a training would see whose largest gradients are 2^x, x per step.

    A step overflows where the scaled gradient leaves float16, or where x is OVERFLOW.
    """
    stream = np.array([np.inf if x is OVERFLOW else x for x in exponents], "float32")
    names = sorted(rule.start())

    def step(carry: Any, x: Any) -> tuple[Any, Any]:
        state = dict(zip(names, carry, strict=True))
        largest = ops.power(2.0, x) * state["scale"]
        new = rule.update(state, largest, largest <= FLOAT16_MAX)
        flat = tuple(new[name] for name in names)
        return flat, flat

    def run(xs: Any) -> Any:
        state = start(rule)
        carry = tuple(ops.reshape(state[name], (1,)) for name in names)
        return ops.stack(ops.scan(step, carry, xs)[1])

    xs = ops.convert_to_tensor(stream[:, None])
    states = ops.convert_to_numpy(compiled(run)(xs))[..., 0]
    assert np.isfinite(states).all()
    return states[names.index("scale")]


streams = st.lists(
    st.one_of(st.floats(-30.0, 2.0), st.just(OVERFLOW)), min_size=1, max_size=40
)


@settings(max_examples=15, deadline=None)
@given(stream=streams, window=st.integers(1, 7))
def test_backoff_is_the_published_rule(stream: list[float | None], window: int) -> None:
    rule = Backoff(scale_min=1.0, scale_max=2.0**10, step_window=window)
    step, state, scales = stepper(rule), start(rule), []
    for x in stream:
        state = step(state, 1.0, x is not OVERFLOW)
        scales.append(scale_of(state))
    assert scales == published_backoff(stream, rule)


@settings(max_examples=15, deadline=None)
@given(exponents=st.lists(st.floats(-30.0, 1.0), min_size=1, max_size=40))
def test_logmax_is_the_published_rule_where_nothing_overflows(
    exponents: list[float],
) -> None:
    rule = LogMax()
    step, state, scales = stepper(rule), start(rule), []
    for x in exponents:
        state = step(state, 2.0**x * scale_of(state), True)
        scales.append(scale_of(state))
    np.testing.assert_allclose(scales, published_logmax(exponents, rule), rtol=2e-3)


def test_logmax_targets_its_own_exponent() -> None:
    for log_max in (8.0, 12.0):
        scales = drive(LogMax(log_max=log_max), [0.0] * 5)
        assert scales[-1] == pytest.approx(2.0**log_max)


def test_an_overflow_enters_logmax_as_log_max() -> None:
    rule = LogMax()
    state = stepper(rule)(start(rule), 3e38, False)
    mean = state["mean"] / state["weight1"]
    assert float(ops.convert_to_numpy(mean)) == pytest.approx(rule.log_max)


@settings(max_examples=15, deadline=None)
@given(stream=streams, rule=st.sampled_from([Backoff(step_window=3), LogMax()]))
def test_the_scale_stays_within_its_bounds(
    stream: list[float | None], rule: Backoff | LogMax
) -> None:
    step, state = stepper(rule), start(rule)
    for x in stream:
        largest = 2.0 ** (99.0 if x is OVERFLOW else x) * scale_of(state)
        state = step(state, largest, largest <= FLOAT16_MAX)
        assert rule.scale_min <= scale_of(state) <= rule.scale_max


@pytest.mark.parametrize(
    ("rule", "recovery"),
    [(Backoff(step_window=50), 14 * 50 + 1), (LogMax(), 4000)],
    ids=["backoff", "logmax"],
)
def test_recovers_from_a_burst_of_overflows(rule: ScalingRule, recovery: int) -> None:
    usual = [-8.0] * 300
    scales = drive(rule, [*usual, *[OVERFLOW] * 500, *[-8.0] * recovery])
    assert scales[299] == 2.0**14
    assert min(scales[300:800]) == 1.0
    assert scales[-1] == 2.0**14


def repeated(
    rule: ScalingRule, count: int, largest: Any, finite: Any, state: dict[str, Any]
) -> dict[str, Any]:
    """The state after the same step many times."""
    names = sorted(state)

    def body(_: Any, flat: list[Any]) -> list[Any]:
        new = rule.update(dict(zip(names, flat, strict=True)), largest, finite)
        return [new[name] for name in names]

    flat = ops.fori_loop(0, count, body, [state[name] for name in names])
    return dict(zip(names, flat, strict=True))


@pytest.mark.parametrize("rule", [Backoff(), LogMax()], ids=["backoff", "logmax"])
def test_zeros_for_300k_steps_leave_everything_finite(rule: ScalingRule) -> None:
    step, state = stepper(rule), start(rule)
    zero, finite = ops.zeros((), "float32"), ops.ones((), "bool")
    if keras.backend.backend() == "torch":  # nothing to compile the loop with
        for _ in range(30_000):
            state = rule.update(state, zero, finite)
    else:
        loop = partial(repeated, rule, 300_000, zero, finite)
        state = compiled(loop, whole=True)(state)
    assert all(np.isfinite(ops.convert_to_numpy(v)) for v in state.values())
    assert scale_of(state) == 2.0**14
    for _ in range(60):
        state = step(state, 8.0 * scale_of(state), 8.0 * scale_of(state) <= FLOAT16_MAX)
    assert 8.0 * scale_of(state) <= FLOAT16_MAX


def test_a_drift_over_30_binades_costs_few_steps() -> None:
    noise = np.random.default_rng(0).normal(0.0, 1.0, 6000)
    exponents = np.linspace(-20.0, 10.0, 6000) + noise
    rule = LogMax(scale_max=2.0**24)
    scales = np.array([rule.scale_min, *drive(rule, exponents)[:-1]])
    used = exponents + np.log2(scales)
    assert np.mean(used >= 16.0) < 0.02
    free = (scales > rule.scale_min) & (scales < rule.scale_max)
    assert -12.0 < np.median(used[free]) < 16.0


def test_backoff_follows_a_drift() -> None:
    exponents = np.linspace(-20.0, 10.0, 6000)
    rule = Backoff(step_window=50, scale_max=2.0**24)
    scales = np.array([rule.scale_max, *drive(rule, exponents)[:-1]])
    used = exponents + np.log2(scales)
    assert np.mean(used >= 16.0) < 0.03
    assert np.mean((used < 16.0) & (used > 10.0)) > 0.5


@pytest.mark.parametrize(
    "rule", [Backoff(step_window=50), LogMax()], ids=["backoff", "logmax"]
)
def test_alternating_overflow_never_stops_training(rule: ScalingRule) -> None:
    scales = drive(rule, [OVERFLOW, -3.0] * 500)
    assert scales[-1] == 1.0
    assert drive(rule, [*[OVERFLOW, -3.0] * 500, *[-3.0] * 12000])[-1] == 2.0**14


def test_a_static_scale_stays() -> None:
    scales = drive(StaticScale(128.0), [-3.0, OVERFLOW, -3.0])
    np.testing.assert_array_equal(scales, 128.0)

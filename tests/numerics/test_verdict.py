"""Constructed histograms and what is said about them."""

import json

import pytest

from s2s_zoo.numerics.exponents import Exponents
from s2s_zoo.numerics.recording import Recording
from s2s_zoo.numerics.verdict import judge
from s2s_zoo.numerics.watcher import LayerNumbers


def at(*exponents, count=1000):
    """`count` values of each power of two."""
    counts = [0] * (max(exponents) - min(exponents) + 1)
    for exponent in exponents:
        counts[exponent - min(exponents)] += count
    return Exponents(min(exponents), tuple(counts), largest=2.0 ** max(exponents))


def recorded(step=1, activation=None, dtype="float32", seen_at=1.0, **gradients):
    layers = {
        name: LayerNumbers(dtype, activation or at(0), gradient, weights=None)
        for name, gradient in gradients.items()
    }
    return Recording(step, 1.0, seen_at, layers)


def words(verdict):
    return " ".join(verdict.lines)


def test_no_scale_is_needed():
    verdict = judge([recorded(a=at(-20, -5), b=at(-16))])
    assert (verdict.scale, verdict.underflowing) == (1.0, {})
    assert not verdict.bfloat16
    assert "No loss scale is needed; with headroom it may be up to 2^19" in words(
        verdict
    )


@pytest.mark.parametrize("exponent", [17, 18, 26, 33])
def test_the_smallest_scale_that_serves(exponent):
    verdict = judge([recorded(a=at(-5), b=at(-exponent))])
    assert verdict.scale == 2.0 ** (exponent - 16)
    assert list(verdict.underflowing) == ["b"]
    assert f"A loss scale of 2^{exponent - 16} = " in words(verdict)


def test_layers_that_lose_most_are_named_first():
    verdict = judge([recorded(some=at(-30, -17), all=at(-30), none=at(-10))])
    assert list(verdict.underflowing) == ["all", "some"]
    assert verdict.underflowing["all"] == (1.0, 1.0)
    rounded = (1.5 * 2**-30 + 2**-26) / (1.5 * (2**-30 + 2**-17))
    assert verdict.underflowing["some"] == pytest.approx((rounded, 0.5))
    assert "all loses 100.00%, with 100% of its values below 2^-24" in words(verdict)


def test_values_that_weigh_nothing_need_no_scale():
    tail = Exponents(-40, (2000, *[0] * 29, 1000), largest=2.0**-10)
    verdict = judge([recorded(softmax=tail)])
    assert verdict.scale == 1.0
    assert verdict.underflowing == {}


def test_weights_count_as_layers_do():
    layer = LayerNumbers("float32", at(0), at(-5), weights=at(-20))
    verdict = judge([Recording(1, 1.0, 1.0, {"a": layer})])
    assert verdict.scale == 16.0
    assert list(verdict.underflowing) == ["weights of a"]


def test_layers_that_no_scale_serves_together_ask_for_bfloat16():
    verdict = judge([recorded(step=7, low=at(-26), high=at(8))])
    assert verdict.scale is None
    assert verdict.bfloat16
    assert (verdict.conflict.low, verdict.conflict.high) == (10, 6)
    assert "at step 7, low needs 2^10 and high bears at most 2^6" in words(verdict)
    assert "bfloat16 would do better" in words(verdict)


def test_steps_that_no_one_scale_serves_ask_for_one_that_adapts():
    recordings = [recorded(step=1, a=at(8)), recorded(step=512, a=at(-26))]
    verdict = judge(recordings)
    assert (verdict.scale, verdict.conflict) == (None, None)
    assert not verdict.bfloat16
    assert "step 512 needs 2^10 (a), step 1 bears at most 2^6 (a)" in words(verdict)
    assert "One that adapts does" in words(verdict)


def test_gradients_beyond_float16_ask_for_a_scale_below_one():
    assert judge([recorded(a=at(20))]).scale == 2.0**-6


def test_activations_beyond_float16_ask_for_bfloat16():
    verdict = judge([recorded(activation=at(17), a=at(-5))])
    assert verdict.beyond == {"a": 2.0**17}
    assert verdict.bfloat16
    assert "a 1.31e+05" in words(verdict)


def test_what_float16_hides_is_said():
    seen = recorded(dtype="float16", seen_at=2.0**11, a=at(-5))
    assert "loss scales from 2^11 = 2048 on" in words(judge([seen]))
    assert "2048" not in words(judge([recorded(a=at(-5))]))


def test_every_gradient_zero():
    assert "Every gradient is zero" in words(judge([recorded(a=Exponents(zeros=9))]))


def test_recordings_survive_json():
    layer = LayerNumbers("float16", at(-30, 3), at(-20), at(-3))
    bare = LayerNumbers("float32", at(1), Exponents(zeros=3), None)
    recording = Recording(4, 1024.0, 2048.0, {"a": layer, "b": bare})
    row = recording.to_row()
    assert Recording.from_row(json.loads(json.dumps(row))) == recording
    gradient = row["layers"]["a"]["gradient"]
    assert (gradient["below_normal"], gradient["below_normal_scaled"]) == (1.0, 0.0)
    activation = row["layers"]["a"]["activation"]
    assert activation["below_subnormal"] == activation["below_normal_scaled"] == 0.5

"""Seconds of a training, by a clock that the test turns."""

from types import SimpleNamespace

import pytest

from s2s_zoo.workflows import stopwatch


@pytest.fixture
def clock(monkeypatch):
    hands = SimpleNamespace(now=100.0)
    fake = SimpleNamespace(perf_counter=lambda: hands.now)
    monkeypatch.setattr(stopwatch, "time", fake)
    return hands


def test_laps_are_counted_and_what_lies_between_is_not(clock):
    watch, data = stopwatch.Stopwatch(), SimpleNamespace(waited=0.0)
    assert watch.waited_share == 0
    watch.start(data)
    clock.now, data.waited = 103.0, 1.0
    assert watch.lap() == (3.0, 1.0)
    clock.now = 110.0  # a validation
    watch.go_on()
    clock.now = 111.0
    assert watch.lap() == (1.0, 0.0)
    assert (watch.trained, watch.waited, watch.waited_share) == (4.0, 1.0, 0.25)


def test_other_data_has_waited_for_itself_alone(clock):
    watch = stopwatch.Stopwatch()
    watch.start(SimpleNamespace(waited=0.0))
    clock.now = 101.0
    watch.lap()
    data = SimpleNamespace(waited=5.0)
    watch.start(data)
    clock.now, data.waited = 103.0, 5.5
    assert watch.lap() == (2.0, 0.5)

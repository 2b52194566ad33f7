"""Time the training steps of a preset by precision."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from s2s_zoo.catalog import Preset
from s2s_zoo.precision import POLICIES, policies
from s2s_zoo.registry import PRESETS
from s2s_zoo.workflows.reporting import Reporter

WARM_UP = 2
HOPELESS = 20.0
"""A precision whose step takes so many times that of the first is timed no further."""


@dataclass(frozen=True)
class Timing:
    """How fast a precision trains.

    Attributes:
        precision: as `s2s_zoo.precision.policies` reads it.
        step_seconds: median of the steps.
        units_per_second: source units, such as seconds of audio, per second.
        speed: ratio to the first precision; above 1 is faster.
    """

    precision: str
    step_seconds: float
    units_per_second: float
    speed: float


@dataclass
class _Contestant:
    step: Callable[[], Any]
    seconds: list[float] = field(default_factory=list)

    def take_step(self) -> None:
        start = time.perf_counter()
        self.step()
        self.seconds.append(time.perf_counter() - start)


def benchmark(
    *,
    preset: str,
    precisions: Sequence[str] = POLICIES,
    settings: dict[str, Any] | None = None,
    steps: int = 10,
    reporter: Reporter | None = None,
) -> list[Timing]:
    """Train one random batch under each precision, the precisions taking turns.

    Args:
        preset: name of a preset; its demo's settings are in force, so that a batch
            fits a small machine.
        precisions: what to time; the first is the baseline.
        settings: values by path, such as {"recipe.batch": 400.0}.
        steps: timed of each.
        reporter: hears which precision is timed no further.

    Raises:
        UserError: no such preset, precision or setting.
    """
    reporter = reporter or Reporter()
    found: Preset[Any] = PRESETS.get(preset)
    found = found.with_settings({**found.demo, **(settings or {})})
    for precision in precisions:
        policies(precision)
    batch, units = found.task.random_batch(found.recipe.batch)
    contestants: dict[str, _Contestant] = {}
    for precision in dict.fromkeys(precisions):
        contestants[precision] = _warm(found, precision, batch)
        _drop_if_hopeless(contestants, precision, reporter)
    for _ in range(steps):
        for contestant in contestants.values():
            contestant.take_step()
    medians = {p: statistics.median(c.seconds[-steps:]) for p, c in contestants.items()}
    base = next(iter(medians.values()))
    return [Timing(p, s, units / s, base / s) for p, s in medians.items()]


def _warm(preset: Preset[Any], precision: str, batch: tuple[Any, Any]) -> _Contestant:
    """A model that has compiled its step."""
    preset = preset.with_settings({"recipe.precision": precision})
    keras.utils.set_random_seed(preset.recipe.seed)
    model = preset.build()
    preset.compile(model, updates=1000)
    contestant = _Contestant(lambda: model.train_on_batch(*batch, return_dict=True))
    for _ in range(WARM_UP):
        contestant.take_step()
    return contestant


def _drop_if_hopeless(
    contestants: dict[str, _Contestant], precision: str, reporter: Reporter
) -> None:
    first = next(iter(contestants.values()))
    times = contestants[precision].seconds[-1] / first.seconds[-1]
    if len(contestants) > 1 and times > HOPELESS:
        del contestants[precision]
        reporter.note(f"{precision}: {times:.0f} times slower, timed no further")

"""The flight recorder: the numbers of a training at chosen steps, and a verdict."""

import math
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.checkpoints import host_random_state, set_host_random_state
from s2s_zoo.numerics.picture import ScaleHistory, plot_numerics
from s2s_zoo.numerics.recording import Recording, record
from s2s_zoo.numerics.verdict import judge
from s2s_zoo.numerics.watcher import Watcher
from s2s_zoo.parts import refusing
from s2s_zoo.workflows.reporting import Reporter
from s2s_zoo.workflows.run_directory import RunDirectory, append_row, read_rows
from s2s_zoo.workflows.unwritten import Unwritten

EVERY = 1024

Values = list[tuple[keras.Variable, NDArray[Any]]]


@dataclass(frozen=True)
class Moment:
    """What a step can be run again from.

    Attributes:
        step: of the training, from 1.
        inputs: its batch.
        target: of the batch.
        scale: loss scale in force.
        skipped: steps skipped so far.
        values: random states, and the weights where a bad step would change them.
        host: random states that are no variables.
    """

    step: int
    inputs: Any
    target: Any
    scale: float
    skipped: int
    values: Values
    host: dict[str, NDArray[Any]]


@dataclass
class FlightRecorder:
    """Keeps what the numbers of a training were, in its run directory.

    Attributes:
        model: compiled.
        run: where `numerics.jsonl`, `numerics.txt` and `plots/numerics.png` go.
        reporter: hears of overflows and the verdict.
        unwritten: hears of a disk that refuses what is recorded.
        every: steps between recordings, after those at powers of two.
        seconds: spent so far, in earlier parts of a resumed training too.
    """

    model: keras.Model
    run: RunDirectory
    reporter: Reporter
    unwritten: Unwritten
    every: int = EVERY
    seconds: float = 0.0
    streak: int = 0
    scale: float | None = None
    moments: deque[Moment] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.watcher = Watcher(self.model)
        self.skips = hasattr(self.model.optimizer, "skipped_steps")
        # without skipping, a bad update shows in the loss of the step after it
        self.moments = deque(maxlen=1 if self.skips else 2)
        rows, _ = self._read()
        for row in rows:
            self.seconds = row.get("seconds_so_far", self.seconds)
            self.scale = row.get("scale", self.scale)

    def is_due(self, step: int) -> bool:
        """Whether a step is recorded: powers of two, then every `every` steps."""
        if step < self.every:
            return step & (step - 1) == 0
        return step % self.every == 0

    def before_step(self, step: int, inputs: Any, target: Any) -> None:
        """Keep what the step starts from; record it if it is due."""
        with self._timed():
            scale = loss_scale(self.model.optimizer)
            self._keep_scale(step - 1, scale)
            self.moments.append(
                Moment(
                    step,
                    inputs,
                    target,
                    scale,
                    self._skipped(),
                    self._values(),
                    host_random_state(),
                )
            )
            if not self.is_due(step):
                return
            recording = record(self.watcher, step, inputs, target, scale)
        row = {**recording.to_row(), "seconds_so_far": round(self.seconds, 3)}
        self._append(row)

    def after_step(self, loss: float) -> None:
        """Note a new loss scale; look for the origin of an overflow."""
        with self._timed():
            moment = self.moments[-1]
            self._keep_scale(moment.step, loss_scale(self.model.optimizer))
            if self._skipped() == moment.skipped and math.isfinite(loss):
                self.streak = 0
                return
            self.streak += 1
            found, examined = None, self._worth_explaining()
            if examined:
                moment, found = self._explain()
        row = {
            "step": moment.step,
            "scale": moment.scale,
            "examined": examined,
            "overflow": found,
        }
        self._append(row)
        if examined:
            self.reporter.note(_in_words(row))

    def finish(self, training_seconds: float) -> dict[str, Any]:
        """Draw the picture and tell the verdict.

        Args:
            training_seconds: of the whole training, recording included.

        Returns:
            `path` of the rows, `verdict` in lines, `recordings`, `seconds`.
        """
        before = self.seconds
        with self._timed():
            rows, recordings = self._read()
            with self._refusing():
                lines = self._conclude(rows, recordings)
        share = self.seconds / (training_seconds + self.seconds - before)
        cost = f"{len(recordings)} recordings, {self.seconds:.1f} s"
        lines.append(f"numerics: {cost}, {share:.1%} of the training.")
        words = self.run.path / "numerics.txt"
        with self.unwritten.noted("verdict", f"The verdict in {words}"):
            words.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.reporter.judged(lines)
        return {
            "path": str(self.run.numerics),
            "verdict": lines,
            "recordings": len(recordings),
            "seconds": round(self.seconds, 3),
        }

    def _read(self) -> tuple[list[dict[str, Any]], list[Recording]]:
        """The rows so far, and the recordings among them."""
        rows = read_rows(self.run.numerics)
        with self._refusing():
            return rows, [Recording.from_row(row) for row in rows if "layers" in row]

    def _refusing(self) -> AbstractContextManager[None]:
        """Turn what rows that nobody here wrote lead to into a UserError."""
        more = (TypeError, LookupError, AttributeError, ArithmeticError)
        return refusing(f"{self.run.numerics} is damaged", *more)

    def _conclude(
        self, rows: list[dict[str, Any]], recordings: list[Recording]
    ) -> list[str]:
        overflows = [row for row in rows if "examined" in row]
        lines = ["No step was recorded."]
        if recordings:
            history = ScaleHistory(
                [(r["step"], r["scale"]) for r in rows if set(r) == {"step", "scale"}],
                [row["step"] for row in overflows],
                max(row["step"] for row in rows),
            )
            picture = self.run.plots / "numerics.png"
            with self.unwritten.noted("numerics.png", f"The picture {picture}"):
                plot_numerics(picture, recordings, history)
            lines = list(judge(recordings).lines)
        return [*lines, _summary(overflows)] if overflows else lines

    def _worth_explaining(self) -> bool:
        """Of a series the first, and while steps are skipped, ever fewer later."""
        if not self.skips:
            return self.streak == 1
        return self.streak & (self.streak - 1) == 0

    def _explain(self) -> tuple[Moment, tuple[str, str] | None]:
        """Which of the moments overflows, and what is first not finite in it."""
        for moment in self.moments:
            with self._back_at(moment):
                numbers = self.watcher.watch(moment.inputs, moment.target, moment.scale)
            found = numbers.overflow()
            if found:
                break
        return moment, found

    @contextmanager
    def _back_at(self, moment: Moment) -> Iterator[None]:
        now, host = self._values(), host_random_state()
        _assign(moment.values)
        set_host_random_state(moment.host)
        try:
            yield
        finally:
            _assign(now)
            set_host_random_state(host)

    def _values(self) -> Values:
        variables = list(self.model.non_trainable_variables)
        if not self.skips:
            variables += self.model.trainable_variables
        return [(v, np.array(ops.convert_to_numpy(v))) for v in variables]

    def _skipped(self) -> int:
        count = getattr(self.model.optimizer, "skipped_steps", 0)
        return int(ops.convert_to_numpy(count))

    def _keep_scale(self, step: int, scale: float) -> None:
        if scale != self.scale:
            self.scale = scale
            self._append({"step": step, "scale": scale})

    def _append(self, row: dict[str, Any]) -> None:
        what = f"What the flight recorder saw up to step {row['step']}"
        with self.unwritten.noted("numerics", what, replaces=False):
            append_row(self.run.numerics, row)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - start


def loss_scale(optimizer: Any) -> float:
    """What an optimizer multiplies the loss by now; 1 where it does not."""
    scale = getattr(optimizer, "dynamic_scale", None)
    if scale is None:
        scale = optimizer.loss_scale_factor or 1.0
    return float(ops.convert_to_numpy(scale))


def _assign(values: Values) -> None:
    for variable, value in values:
        variable.assign(value)


def _in_words(row: dict[str, Any]) -> str:
    where = f"Overflow at step {row['step']}, loss scale {row['scale']:g}"
    if not row["overflow"]:
        return f"{where}: not seen again when the step was run for its numbers."
    return f"{where}: {_named(*row['overflow'])} is the first that is not finite."


def _named(path: str, kind: str) -> str:
    if path == "loss":
        return "the loss itself"
    names = {
        "activation": "the activation of {}",
        "gradient": "the gradient that reaches {}",
        "weights": "the gradient of the weights of {}",
    }
    return names[kind].format(path)


def _summary(overflows: list[dict[str, Any]]) -> str:
    named = Counter(_named(*row["overflow"]) for row in overflows if row["overflow"])
    origins = ", ".join(f"{name} ({count})" for name, count in named.most_common())
    first, last = overflows[0]["step"], overflows[-1]["step"]
    steps = f"{len(overflows)} steps overflowed, from {first} to {last}"
    examined = sum(row["examined"] for row in overflows)
    return (
        f"{steps}. Not finite first, in the {examined} looked at: {origins or 'none'}."
    )

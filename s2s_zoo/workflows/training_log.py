"""What a training tells and leaves beside its states: metrics, curves, pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.parts import refusing
from s2s_zoo.plots import plot_training
from s2s_zoo.tasks.base import Task
from s2s_zoo.tasks.course import Course
from s2s_zoo.tasks.evaluation import Evaluation, Outcome
from s2s_zoo.workflows.events import Events
from s2s_zoo.workflows.reporting import Reporter, StepReport
from s2s_zoo.workflows.run_directory import RunDirectory
from s2s_zoo.workflows.unwritten import Unwritten

LOG_EVERY = 10
RECENT = 50


@dataclass
class TrainingLog:
    """Everything said of a training while it goes on.

    Attributes:
        run: where it goes.
        task: what is learned.
        reporter: hears what happens.
        unwritten: what the disk refused.
        losses: of the steps run.
        course: their means, as they are logged.
        rate: of the newest step.
        unreadable: names of examples said to be so.
        warned: what the task has warned of.
    """

    run: RunDirectory
    task: Task
    reporter: Reporter
    unwritten: Unwritten = field(init=False)
    losses: list[float] = field(default_factory=list, init=False)
    course: list[float] = field(default_factory=list, init=False)
    rate: float = field(default=0.0, init=False)
    unreadable: set[str] = field(default_factory=set, init=False)
    warned: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.unwritten = Unwritten(self.reporter)

    def open(self) -> None:
        """Begin a file of events."""
        self._events = Events(self.run.tensorboard, self.unwritten)

    def close(self) -> None:
        """End the file of events."""
        self._events.close()

    @property
    def recent_loss(self) -> float | None:
        """Mean of the newest steps, None before the first."""
        recent = self.losses[-RECENT:]
        return sum(recent) / len(recent) if recent else None

    def step(self, report: StepReport, **known: float | None) -> None:
        """A step was taken.

        Args:
            report: of the step.
            known: what is logged besides, by name; None is left out.
        """
        self.losses.append(report.loss)
        self.rate = report.learning_rate
        self.reporter.stepped(report)
        if report.step % LOG_EVERY:
            return
        recent = self.losses[-LOG_EVERY:]
        self.course.append(sum(recent) / len(recent))
        speed = self.task.unit.speed
        row = {
            "step": report.step,
            "epoch": report.epoch,
            "loss": self.course[-1],
            "learning_rate": report.learning_rate,
            speed: round(report.units / report.seconds, 2),
        }
        self._add(row | {key: x for key, x in known.items() if x is not None})
        for name in ("loss", "learning_rate", speed):
            self._events.add_scalar(f"train/{name}", row[name], report.step)

    def validation(self, step: int, epoch: int, found: Evaluation, best: bool) -> None:
        """The model was validated, and was better than ever before or not."""
        self.reporter.validated(step, found, best)
        self.tell_unreadable(found.unreadable)
        self._add({"step": step, "epoch": epoch, "validation": found.metrics})
        for name, metric in found.metrics.items():
            self._events.add_scalar(f"validation/{name}", metric, step)

    def warn(self, found: Evaluation, share: float) -> None:
        """Tell what the task warns of, each once.

        Args:
            found: a validation.
            share: of the training that is behind.
        """
        course = Course(share, self.rate, self.course)
        for cause, text in self.task.warnings(found, course).items():
            if cause not in self.warned:
                self.warned.add(cause)
                self.reporter.note(text)

    def illustrate(self, step: int, example: Any, outcome: Outcome) -> None:
        """Let the task show what became of a held-out example."""
        path = self.run.plots / f"step-{step:08d}"
        with self.unwritten.noted("illustration", str(path)):
            self.task.illustrate(example, outcome, path)

    def tell_unreadable(self, reasons: Mapping[str, str]) -> None:
        """Why examples met so far could not be read, each told once."""
        for name, reason in list(reasons.items()):
            if name not in self.unreadable:
                self.unreadable.add(name)
                self.reporter.note(f"{name} left out: {reason}")

    def draw(self, model: Seq2Seq, example: Any, last: Evaluation | None) -> None:
        """The curves of the training, its last evaluation, and an example's picture."""
        plots: Path = self.run.plots
        with self.unwritten.noted("pictures", f"The pictures in {plots}"):
            with refusing(str(self.run.metrics)):
                plot_training(plots / "training.png", self.run.read_metrics())
            self.task.picture(model, example, plots / "example.png")
            if last:
                self.task.draw_evaluation(last, plots / "evaluation.png")

    def _add(self, row: dict[str, Any]) -> None:
        what = f"The metrics up to step {row['step']}"
        with self.unwritten.noted("metrics", what, replaces=False):
            self.run.add_metrics(row)

"""What a workflow tells whoever watches it; it prints nothing itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s2s_zoo.tasks.evaluation import Evaluation


@dataclass(frozen=True)
class TrainingOutline:
    """What is about to be trained.

    Attributes:
        preset: its name.
        run_dir: where it goes.
        parameters: trainable parameters.
        examples: training examples.
        amount: how much there is to learn from, in words.
        validation_examples: held-out examples.
        steps: batches in all.
        steps_per_epoch: batches an epoch.
        shapes: static shapes of the batches.
        padding_share: share of a batch that is padding.
        precision: dtype policy.
        expect: what the preset reached elsewhere, and in how long.
        backend: Keras backend.
        speed_unit: of units per second, as shown.
        resumed_at: step a resumed training goes on from, 0 for a new one.
    """

    preset: str
    run_dir: Path
    parameters: int
    examples: int
    amount: str
    validation_examples: int
    steps: int
    steps_per_epoch: int
    shapes: list[str]
    padding_share: float
    precision: str
    expect: str
    backend: str
    speed_unit: str
    resumed_at: int


@dataclass(frozen=True)
class StepReport:
    """A training step.

    Attributes:
        step: batches consumed so far.
        epoch: current pass, from 0.
        loss: of this batch.
        learning_rate: of this update.
        seconds: of this step, waiting included.
        waited: seconds of it spent waiting for data.
        units: seconds of audio or tokens of the sources, padding left out.
    """

    step: int
    epoch: int
    loss: float
    learning_rate: float
    seconds: float
    waited: float
    units: float


class Reporter:
    """Hears what happens; this one keeps silent, the command line shows it."""

    def note(self, text: str) -> None:
        """Something a person should know."""

    def started(self, outline: TrainingOutline) -> None:
        """Training is about to start."""

    def stepped(self, report: StepReport) -> None:
        """A step is done."""

    def evaluating(self, examples: int) -> None:
        """An evaluation of that many examples starts."""

    def evaluated(self, done: int) -> None:
        """That many more examples are evaluated."""

    def validated(self, step: int, evaluation: Evaluation, best: bool) -> None:
        """A validation is done; `best` if it is the best so far."""

    def judged(self, lines: Sequence[str]) -> None:
        """The flight recorder's verdict and what it cost."""

    def saved(self, path: Path) -> None:
        """A checkpoint is on disk."""


@dataclass
class TrainingResult:
    """What a training reached; the fields are the keys of `train --json`.

    Attributes:
        preset: its name.
        run_dir: where it went.
        steps: batches consumed.
        epochs: passes completed.
        seconds: spent training.
        train_loss: mean of the last 50 steps of this process, None without any.
        validation: newest metrics by name.
        best: `step`, `metric` and `value` of the best validation, empty without any.
        loss_scale: newest, None where losses are not scaled.
        skipped_steps: whose update was skipped.
        data_wait_share: of the time, spent waiting for data.
        interrupted: a signal ended it early, saved.
        stopped_early: validations no longer improved.
        dropped: how many examples of both splits were left out, by reason.
        numerics: what the flight recorder found, None without it.
        transfer: which weights were taken from where, by name, and why others were
            not; None for a training that started from fresh ones, or goes on.
        unwritten: what a full disk, say, has kept from being written, in words.
    """

    preset: str
    run_dir: str
    steps: int
    epochs: int
    seconds: float
    train_loss: float | None
    validation: dict[str, float]
    best: dict[str, Any]
    loss_scale: float | None
    skipped_steps: int
    data_wait_share: float = 0.0
    interrupted: bool = False
    stopped_early: bool = False
    dropped: dict[str, int] = field(default_factory=dict)
    numerics: dict[str, Any] | None = None
    transfer: dict[str, Any] | None = None
    unwritten: list[str] = field(default_factory=list)

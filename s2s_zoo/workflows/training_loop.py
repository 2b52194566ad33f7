"""The loop over steps: train, validate, checkpoint, stop."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from keras import ops

from s2s_zoo.catalog import Preset
from s2s_zoo.checkpoints import (
    TrainingState,
    average_checkpoints,
    save_checkpoint,
)
from s2s_zoo.data.loader import Prefetcher
from s2s_zoo.data.plan import Batch, Plan
from s2s_zoo.errors import UserError
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.optimizers.accumulation import GradientAccumulation
from s2s_zoo.optimizers.averages import averaged
from s2s_zoo.optimizers.loss_scaling import (
    AutomaticLossScaleOptimizer,
    LossScalingError,
)
from s2s_zoo.parts import refusing
from s2s_zoo.plots import plot_training
from s2s_zoo.tasks.base import Batches
from s2s_zoo.tasks.evaluation import Evaluation
from s2s_zoo.workflows.events import Events
from s2s_zoo.workflows.flight_recorder import FlightRecorder
from s2s_zoo.workflows.interruption import Interruption, watch_for_interruption
from s2s_zoo.workflows.reporting import Reporter, StepReport, TrainingResult
from s2s_zoo.workflows.run_directory import RunDirectory
from s2s_zoo.workflows.stopwatch import Stopwatch
from s2s_zoo.workflows.unwritten import Unwritten

LOG_EVERY = 10
OUT_OF_MEMORY = re.compile(
    "RESOURCE_EXHAUSTED|OOM when allocating|out of memory"
    "|can't allocate memory|Unable to allocate"
)


@dataclass
class TrainingLoop:
    """A training from wherever its state stands to its end.

    Attributes:
        model: compiled, its optimizer built.
        preset: with its final settings.
        run: where everything goes.
        batches: the training examples.
        plan: their order and shapes.
        validation: held-out examples.
        steps: batches in all.
        state: where the training stands.
        reporter: hears what happens.
        dropped: how many examples were left out before, by reason.
        numerics: records the numbers of chosen steps, None for none.
        losses: of the steps run.
        last: the newest validation.
        told: names of examples said to be unreadable.
    """

    model: Seq2Seq
    preset: Preset[Any]
    run: RunDirectory
    batches: Batches
    plan: Plan
    validation: Sequence[Any]
    steps: int
    state: TrainingState
    reporter: Reporter
    dropped: dict[str, int] = field(default_factory=dict)
    numerics: FlightRecorder | None = None
    losses: list[float] = field(default_factory=list, init=False)
    last: Evaluation | None = field(default=None, init=False)
    told: set[str] = field(default_factory=set, init=False)
    watch: Stopwatch = field(default_factory=Stopwatch, init=False)
    events: Events = field(init=False)

    def __post_init__(self) -> None:
        self.unwritten = Unwritten(self.reporter)

    def run_to_end(self) -> TrainingResult:
        """Train until the last step, early stopping or a signal."""
        self.events = Events(self.run.tensorboard, self.unwritten)
        if self.state.kept_step != self.state.best_step:
            self.unwritten.recall("model", f"{self._best_model}: not written before")
        with watch_for_interruption() as interruption, closing(self.events):
            while not self._finished() and not interruption.requested:
                self._run_epoch(interruption)
            if self._finished() and self.state.validated_step < self.state.step:
                self._validate()
            saved = self._checkpoint()
            if interruption.requested and not saved:
                raise UserError(
                    f"Interrupted at step {self.state.step}, which could not be saved. "
                    "Make room, then go on from the last checkpoint with --resume"
                )
            self._try_average()
        self._draw()
        return self._result(interruption.requested)

    def _finished(self) -> bool:
        return self.state.step >= self.steps or self.stopped_early

    @property
    def stopped_early(self) -> bool:
        """Whether validations have not been better for as long as the recipe waits."""
        patience = self.preset.recipe.patience
        return bool(patience) and self.state.stale >= patience

    def _run_epoch(self, interruption: Interruption) -> None:
        order = self.plan.epoch(self.state.epoch)
        remaining = order[self.state.position :][: self.steps - self.state.step]
        load = partial(self.batches.load, epoch=self.state.epoch)
        prefetcher = Prefetcher(load, remaining)
        for batch, (inputs, target) in self._paced(remaining, prefetcher):
            self._announce(inputs, target, len(order))
            self._step(batch, inputs, target)
            self._after_step(len(order))
            if interruption.requested or self._finished():
                break

    def _announce(self, inputs: Any, target: Any, steps_per_epoch: int) -> None:
        """Tell what accumulates gradients about the next batch; epochs end groups."""
        optimizer = getattr(self.model.optimizer, "inner_optimizer", None)
        for found in (self.model.optimizer, optimizer):
            if isinstance(found, GradientAccumulation):
                last = self.state.position + 1 == steps_per_epoch
                found.announce(self.preset.task.objective.weight(inputs, target), last)

    def _paced(
        self, order: Sequence[Batch], prefetcher: Prefetcher[Batch, Any]
    ) -> Iterator[tuple[Batch, Any]]:
        """Batches with what was loaded for them, on the watch."""
        self.watch.start(prefetcher)
        with closing(iter(prefetcher)) as loaded:
            yield from zip(order, loaded, strict=True)

    def _step(self, batch: Batch, inputs: Any, target: Any) -> None:
        rate = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))
        logs = self._update(inputs, target)
        loss = float(logs["loss"])
        state = self.state
        state.step += 1
        state.position += 1
        self._check_step(loss, batch)
        self.losses.append(loss)
        seconds, waited = self.watch.lap()
        state.seconds += seconds
        units = self.batches.units(inputs)
        report = StepReport(state.step, state.epoch, loss, rate, seconds, waited, units)
        self.reporter.stepped(report)
        self._log(report)
        self._tell_unreadable(self.batches.unreadable)

    def _update(self, inputs: Any, target: Any) -> dict[str, float]:
        try:
            if self.numerics:
                self.numerics.before_step(self.state.step + 1, inputs, target)
            logs = self.model.train_on_batch(inputs, target, return_dict=True)
            if self.numerics:
                self.numerics.after_step(float(logs["loss"]))
            return logs
        except Exception as error:  # each backend has its own out-of-memory error
            if not OUT_OF_MEMORY.search(str(error)):
                raise
            shape = tuple(inputs["source"].shape)
            raise UserError(
                f"Out of memory in a batch of shape {shape}: lower recipe.batch "
                f"(now {self.preset.recipe.batch:g} {self.preset.task.unit.name})"
            ) from error

    def _check_step(self, loss: float, batch: Batch) -> None:
        """Stop where training no longer moves, or moves nowhere."""
        if not isinstance(self.model.optimizer, AutomaticLossScaleOptimizer):
            self._check_loss(loss, batch)
            return
        try:
            self.model.optimizer.check()
        except LossScalingError as error:
            names = self._some_names(batch)
            raise UserError(f"{error}. The last batch held {names}") from error

    def _some_names(self, batch: Batch) -> str:
        return ", ".join(self.batches.names(batch)[:8])

    def _check_loss(self, loss: float, batch: Batch) -> None:
        if math.isfinite(loss):
            return
        names = self._some_names(batch)
        raise UserError(
            f"The loss of step {self.state.step} is {loss}: lower the learning rate "
            f"(--set recipe.schedule.initial_learning_rate=…). The batch held {names}. "
            f"The last checkpoint is untouched: {self.run.checkpoints}"
        )

    def _after_step(self, steps_per_epoch: int) -> None:
        state, recipe = self.state, self.preset.recipe
        ended = state.position >= steps_per_epoch
        if ended:
            state.epoch, state.position = state.epoch + 1, 0
        every = recipe.validate_every
        if state.step % every == 0 if every else ended:
            self._validate()
        if state.step % recipe.checkpoint_every == 0:
            self._checkpoint()
        self.watch.go_on()

    def _tell_unreadable(self, unreadable: Mapping[str, str]) -> None:
        for name, reason in list(unreadable.items()):
            if name not in self.told:
                self.told.add(name)
                self.reporter.note(f"{name} left out: {reason}")

    def _validate(self) -> None:
        state = self.state
        state.validated_step = state.step
        self.reporter.evaluating(len(self.validation))
        with averaged(self.model.optimizer, self.model.trainable_variables):
            best = self._measure()
        self._tell_validation(best)

    def _tell_validation(self, best: bool) -> None:
        state = self.state
        assert self.last is not None
        self.reporter.validated(state.step, self.last, best)
        self._tell_unreadable(self.last.unreadable)
        self._add_metrics(
            {"step": state.step, "epoch": state.epoch, "validation": self.last.metrics}
        )
        for name, metric in self.last.metrics.items():
            self.events.add_scalar(f"validation/{name}", metric, state.step)

    def _measure(self) -> bool:
        """Validate the weights as they are; keep the model if it is the best."""
        state, task = self.state, self.preset.task
        budget = self.preset.recipe.batch
        self.last = task.validate(
            self.model, self.validation, budget, self.reporter.evaluated
        )
        value = self.last.metrics[task.metric]
        best = _is_better(value, state.best_value, task.higher_is_better)
        if best:
            state.best_step, state.best_value = state.step, value
        state.stale = 0 if best else state.stale + 1
        if _is_better(value, state.kept_value, task.higher_is_better):
            self._keep_model(value, best)
        return best

    def _keep_model(self, value: float, best: bool) -> None:
        """Keep a model better than the one on the disk, which may have been full."""
        with self.unwritten.noted("model", self._best_model, replaces=best):
            self.run.replace_preset(self.model)
            self.state.kept_step, self.state.kept_value = self.state.step, value

    @property
    def _best_model(self) -> str:
        return f"The best model, of step {self.state.best_step}"

    def _try_average(self) -> None:
        """Validate the mean of the newest checkpoints; a better one is kept."""
        count = self.preset.recipe.average
        if count < 2 or not self._finished():
            return
        used = average_checkpoints(self.run.checkpoints, self.model, count)
        self.reporter.note(f"Mean of the last {used} checkpoints:")
        self.reporter.evaluating(len(self.validation))
        self._tell_validation(self._measure())

    def _checkpoint(self) -> bool:
        """Whether the training state is on the disk."""
        what = f"The checkpoint of step {self.state.step}"
        with self.unwritten.noted("checkpoint", what):
            path = save_checkpoint(
                self.run.checkpoints,
                self.model,
                self.state,
                self.preset.recipe.keep_checkpoints,
            )
            self.reporter.saved(path)
            return True
        return False

    def _add_metrics(self, row: dict[str, Any]) -> None:
        what = f"The metrics up to step {row['step']}"
        with self.unwritten.noted("metrics", what, replaces=False):
            self.run.add_metrics(row)

    def _log(self, report: StepReport) -> None:
        if report.step % LOG_EVERY:
            return
        recent = self.losses[-LOG_EVERY:]
        speed = self.preset.task.unit.speed
        row = {
            "step": report.step,
            "epoch": report.epoch,
            "loss": sum(recent) / len(recent),
            "learning_rate": report.learning_rate,
            "seconds": round(self.state.seconds, 3),
            speed: round(report.units / report.seconds, 2),
            "data_wait_share": round(self.watch.waited_share, 4),
        }
        scale = self._loss_scale()
        self._add_metrics(row if scale is None else row | {"loss_scale": scale})
        for name in ("loss", "learning_rate", speed):
            self.events.add_scalar(f"train/{name}", row[name], report.step)

    def _draw(self) -> None:
        plots = self.run.plots
        with self.unwritten.noted("pictures", f"The pictures in {plots}"):
            with refusing(str(self.run.metrics)):
                plot_training(plots / "training.png", self.run.read_metrics())
            self.preset.task.picture(
                self.model, self.validation[0], plots / "example.png"
            )

    def _result(self, interrupted: bool) -> TrainingResult:
        state, recent = self.state, self.losses[-50:]
        skipped = getattr(self.model.optimizer, "skipped_steps", 0)
        best = {
            "step": state.best_step,
            "metric": self.preset.task.metric,
            "value": state.best_value,
        }
        return TrainingResult(
            preset=self.preset.name,
            run_dir=str(self.run.path),
            steps=state.step,
            epochs=state.epoch,
            seconds=round(state.seconds, 3),
            train_loss=sum(recent) / len(recent) if recent else None,
            validation=self.last.metrics if self.last else {},
            best=best if state.best_step >= 0 else {},
            loss_scale=self._loss_scale(),
            skipped_steps=int(ops.convert_to_numpy(skipped)),
            data_wait_share=self.watch.waited_share,
            interrupted=interrupted,
            stopped_early=self.stopped_early,
            dropped=self._all_dropped(),
            numerics=self.numerics.finish(state.seconds) if self.numerics else None,
            unwritten=list(self.unwritten),
        )

    def _all_dropped(self) -> dict[str, int]:
        """Examples left out by reason, those found unreadable on the way among them."""
        unreadable = {"unreadable": len(self.told)} if self.told else {}
        return self.dropped | unreadable

    def _loss_scale(self) -> float | None:
        scale = getattr(self.model.optimizer, "dynamic_scale", None)
        return None if scale is None else float(ops.convert_to_numpy(scale))


def _is_better(value: float, than: float, higher_is_better: bool) -> bool:
    return value > than if higher_is_better else value < than

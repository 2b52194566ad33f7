"""The loop over steps: train, validate, checkpoint, stop."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from s2s_zoo.catalog import Preset
from s2s_zoo.checkpoints import (
    TrainingState,
    average_checkpoints,
    save_checkpoint,
    update_state,
)
from s2s_zoo.data.loader import Prefetcher
from s2s_zoo.data.plan import Batch, Plan
from s2s_zoo.errors import UserError
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.optimizers.averages import averaged
from s2s_zoo.tasks.base import Batches
from s2s_zoo.tasks.evaluation import Evaluation
from s2s_zoo.workflows.interruption import Interruption, watch_for_interruption
from s2s_zoo.workflows.reporting import Reporter, StepReport, TrainingResult
from s2s_zoo.workflows.run_directory import RunDirectory
from s2s_zoo.workflows.stopwatch import Stopwatch
from s2s_zoo.workflows.training_log import TrainingLog
from s2s_zoo.workflows.update import Update


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
        transfer: which weights training started with, as `Transfer.described` tells.
        last: the newest validation.
        update: what a step does.
        log: what is said of it.
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
    transfer: dict[str, Any] | None = None
    last: Evaluation | None = field(default=None, init=False)
    watch: Stopwatch = field(default_factory=Stopwatch, init=False)
    update: Update = field(init=False)
    log: TrainingLog = field(init=False)

    def __post_init__(self) -> None:
        self.log = TrainingLog(self.run, self.preset.task, self.reporter)
        self.update = Update(
            self.model, self.preset, self.batches, self.run.checkpoints
        )

    def adapt(self) -> None:
        """Let the decoder see the training data before the first step."""
        every = self.plan.epoch(0)
        self.model.decoder.adapt(self.batches.load(batch) for batch in every)

    def run_to_end(self) -> TrainingResult:
        """Train until the last step, early stopping or a signal."""
        self.log.open()
        if self.state.kept_step != self.state.best_step:
            self.log.unwritten.recall(
                "model", f"{self._best_model}: not written before"
            )
        with watch_for_interruption() as interruption, closing(self.log):
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
            self._try_average(saved)
        self.log.draw(self.model, self.validation[0], self.last)
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
            last = self.state.position + 1 == len(order)
            self._step(batch, inputs, target, last)
            self._after_step(len(order))
            if interruption.requested or self._finished():
                break

    def _paced(
        self, order: Sequence[Batch], prefetcher: Prefetcher[Batch, Any]
    ) -> Iterator[tuple[Batch, Any]]:
        """Batches with what was loaded for them, on the watch."""
        self.watch.start(prefetcher)
        with closing(iter(prefetcher)) as loaded:
            yield from zip(order, loaded, strict=True)

    def _step(self, batch: Batch, inputs: Any, target: Any, last: bool) -> None:
        rate, state = self.update.learning_rate, self.state
        loss = self.update.take(state.step + 1, batch, inputs, target, last)
        state.step += 1
        state.position += 1
        seconds, waited = self.watch.lap()
        state.seconds += seconds
        units = self.batches.units(inputs)
        report = StepReport(state.step, state.epoch, loss, rate, seconds, waited, units)
        self.log.step(
            report,
            seconds=round(state.seconds, 3),
            data_wait_share=round(self.watch.waited_share, 4),
            loss_scale=self.update.loss_scale,
        )
        self.log.tell_unreadable(self.batches.unreadable)

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

    def _validate(self) -> None:
        state = self.state
        state.validated_step = state.step
        self.reporter.evaluating(len(self.validation))
        with averaged(self.model.optimizer, self.model.trainable_variables):
            best = self._measure()
        assert self.last is not None
        self.update.heed(self.last)
        self._tell_validation(best)
        share = self.state.step / max(self.steps, 1)
        self.log.warn(self.last, share)
        self.log.illustrate(self.state.step, self.validation[0], self.last.outputs[0])

    def _tell_validation(self, best: bool) -> None:
        assert self.last is not None
        self.log.validation(self.state.step, self.state.epoch, self.last, best)

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
        with self.log.unwritten.noted("model", self._best_model, replaces=best):
            self.run.replace_preset(self.model)
            self.state.kept_step, self.state.kept_value = self.state.step, value

    @property
    def _best_model(self) -> str:
        return f"The best model, of step {self.state.best_step}"

    def _try_average(self, saved: Path | None) -> None:
        """Validate the mean of the newest checkpoints; a better one is kept.

        The checkpoint `saved` last is told so, lest a longer training keep a worse one.
        """
        count = self.preset.recipe.average
        if count < 2 or not self._finished():
            return
        used = average_checkpoints(self.run.checkpoints, self.model, count)
        self.reporter.note(f"Mean of the last {used} checkpoints:")
        self.reporter.evaluating(len(self.validation))
        stale = self.state.stale
        self._tell_validation(self._measure())
        self.state.stale = stale
        if saved:
            with self.log.unwritten.noted("checkpoint", f"The best value in {saved}"):
                update_state(saved, self.state)

    def _checkpoint(self) -> Path | None:
        """Where the training state is on the disk, None where it cannot be."""
        what = f"The checkpoint of step {self.state.step}"
        with self.log.unwritten.noted("checkpoint", what):
            path = save_checkpoint(
                self.run.checkpoints,
                self.model,
                self.state,
                self.preset.recipe.keep_checkpoints,
            )
            self.reporter.saved(path)
            return path
        return None

    def _result(self, interrupted: bool) -> TrainingResult:
        state, numerics = self.state, self.update.numerics
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
            train_loss=self.log.recent_loss,
            validation=self.last.metrics if self.last else {},
            best=best if state.best_step >= 0 else {},
            loss_scale=self.update.loss_scale,
            skipped_steps=self.update.skipped_steps,
            data_wait_share=self.watch.waited_share,
            interrupted=interrupted,
            stopped_early=self.stopped_early,
            dropped=self._all_dropped(),
            numerics=numerics.finish(state.seconds) if numerics else None,
            transfer=self.transfer,
            unwritten=list(self.log.unwritten),
        )

    def _all_dropped(self) -> dict[str, int]:
        """Examples left out by reason, those found unreadable on the way among them."""
        unreadable = (
            {"unreadable": len(self.log.unreadable)} if self.log.unreadable else {}
        )
        return self.dropped | unreadable


def _is_better(value: float, than: float, higher_is_better: bool) -> bool:
    return value > than if higher_is_better else value < than

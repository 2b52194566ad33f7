"""One step of a training, and what can go wrong in it."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras import ops

from s2s_zoo.catalog import Preset
from s2s_zoo.data.plan import Batch
from s2s_zoo.errors import UserError
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.optimizers.accumulation import GradientAccumulation
from s2s_zoo.optimizers.averages import tell_validation
from s2s_zoo.optimizers.loss_scaling import (
    AutomaticLossScaleOptimizer,
    LossScalingError,
)
from s2s_zoo.tasks.base import Batches
from s2s_zoo.tasks.evaluation import Evaluation
from s2s_zoo.workflows.flight_recorder import FlightRecorder

NAMES = 8
OUT_OF_MEMORY = re.compile(
    "RESOURCE_EXHAUSTED|OOM when allocating|out of memory"
    "|can't allocate memory|Unable to allocate"
)


@dataclass
class Update:
    """An update of a model from a batch.

    Attributes:
        model: compiled, its optimizer built.
        preset: with its final settings.
        batches: what the batches are of.
        checkpoints: what messages call the place of the last good state.
        numerics: records the numbers of chosen steps, None for none.
    """

    model: Seq2Seq
    preset: Preset[Any]
    batches: Batches
    checkpoints: Path
    numerics: FlightRecorder | None = None

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return float(ops.convert_to_numpy(self.model.optimizer.learning_rate))

    @property
    def loss_scale(self) -> float | None:
        """None where losses are not scaled."""
        scale = getattr(self.model.optimizer, "dynamic_scale", None)
        return None if scale is None else float(ops.convert_to_numpy(scale))

    @property
    def skipped_steps(self) -> int:
        """Steps without an update, for an overflow."""
        return int(
            ops.convert_to_numpy(getattr(self.model.optimizer, "skipped_steps", 0))
        )

    def take(
        self, step: int, batch: Batch, inputs: Any, target: Any, last: bool
    ) -> float:
        """The loss of a batch, after the update.

        Args:
            step: its number, from 1.
            batch: where it comes from.
            inputs: of the batch.
            target: of the batch.
            last: whether it ends an epoch.

        Raises:
            UserError: out of memory, or the training no longer moves, or nowhere.
        """
        self._announce(inputs, target, last)
        loss = float(self._run(step, inputs, target)["loss"])
        self._check(step, loss, batch)
        return loss

    def heed(self, validation: Evaluation) -> None:
        """Let the optimizer know of a validation, if it goes by them."""
        value, task = validation.metrics[self.preset.task.metric], self.preset.task
        tell_validation(
            self.model.optimizer, -value if task.higher_is_better else value
        )

    def _announce(self, inputs: Any, target: Any, last: bool) -> None:
        """Tell what accumulates gradients about the batch; epochs end groups."""
        optimizer = getattr(self.model.optimizer, "inner_optimizer", None)
        for found in (self.model.optimizer, optimizer):
            if isinstance(found, GradientAccumulation):
                found.announce(self.preset.task.objective.weight(inputs, target), last)

    def _run(self, step: int, inputs: Any, target: Any) -> dict[str, float]:
        try:
            if self.numerics:
                self.numerics.before_step(step, inputs, target)
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

    def _check(self, step: int, loss: float, batch: Batch) -> None:
        """Stop where training no longer moves, or moves nowhere."""
        if not isinstance(self.model.optimizer, AutomaticLossScaleOptimizer):
            self._check_loss(step, loss, batch)
            return
        try:
            self.model.optimizer.check()
        except LossScalingError as error:
            names = self._some_names(batch)
            raise UserError(f"{error}. The last batch held {names}") from error

    def _check_loss(self, step: int, loss: float, batch: Batch) -> None:
        if math.isfinite(loss):
            return
        names = self._some_names(batch)
        raise UserError(
            f"The loss of step {step} is {loss}: lower the learning rate "
            f"(--set recipe.schedule.initial_learning_rate=…). The batch held {names}. "
            f"The last checkpoint is untouched: {self.checkpoints}"
        )

    def _some_names(self, batch: Batch) -> str:
        return ", ".join(self.batches.names(batch)[:NAMES])

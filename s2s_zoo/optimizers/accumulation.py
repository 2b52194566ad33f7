"""Updates from several batches that equal one from a large batch."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from s2s_zoo import distribution
from s2s_zoo.optimizers.conditional import apply_if
from s2s_zoo.optimizers.gradients import dense
from s2s_zoo.optimizers.wrapper import OptimizerWrapper
from s2s_zoo.typing import Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class GradientAccumulation(OptimizerWrapper):
    """Hand on the mean gradient of several batches, each by its weight.

    The loss of a batch is a mean over its weight: utterances, tokens or frames. With
    gradients g and weights w, the inner optimizer sees Σ w·g / Σ w, the gradient of one
    batch that holds them all; Keras' own accumulation gives every batch the same
    weight. Clipping, LARC and weight decay of the inner optimizer act on that mean.
    Inside `AutomaticLossScaleOptimizer` a batch that overflows is left out of the sum,
    and ends no group.

    Args:
        inner_optimizer: moves the weights; its updates are counted, not the batches.
        steps: batches of an update, where `announce` does not say otherwise.
        name: of the optimizer.

    Raises:
        ValueError: fewer than 1 step, or an inner optimizer that accumulates too.

    Example:
        >>> import keras
        >>> from s2s_zoo.optimizers import GradientAccumulation
        >>> w = keras.Variable([0.0])
        >>> optimizer = GradientAccumulation(keras.optimizers.SGD(1.0), steps=2)
        >>> optimizer.build([w])
        >>> for weight, gradient in ((1.0, 2.0), (3.0, -2.0)):
        ...     optimizer.announce(weight, last=False)
        ...     optimizer.apply([keras.ops.array([gradient])], [w])
        >>> float(w[0])  # minus their mean (1 · 2 - 3 · 2) / 4
        1.0
    """

    SETTINGS = ("steps", "name")

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer,
        steps: int,
        name: str = "gradient_accumulation",
    ) -> None:
        if steps < 1:
            raise ValueError(f"steps is 1 or more. Received: {steps}")
        if inner_optimizer.gradient_accumulation_steps:
            raise ValueError(
                "The inner optimizer has no gradient_accumulation_steps. Received: "
                f"{inner_optimizer.gradient_accumulation_steps}"
            )
        super().__init__(inner_optimizer, name=name)
        self.steps = steps

    def build(self, variables: list[Any]) -> None:
        if self.built:
            return
        self._sums = [self._state(f"sum_{i}", v.shape) for i, v in enumerate(variables)]
        self._weight = self._state("weight", ())
        self._batches = self._state("batches", ())
        self._next_weight = self._state("next_weight", (), 1.0)
        self._last = self._state("last", ())
        super().build(variables)

    def _state(self, name: str, shape: tuple[int, ...], value: float = 0.0) -> Any:
        initializer = keras.initializers.Constant(value)
        return self.add_variable(
            shape,
            initializer,
            dtype="float32",
            aggregation="only_first_replica",
            name=name,
        )

    def announce(self, weight: float, last: bool) -> None:
        """Say what the next batch is, before its step.

        Args:
            weight: what its loss is the mean over.
            last: whether an update follows it, however many batches there were.
        """
        self._next_weight.assign(weight)
        self._last.assign(float(last))

    def apply(
        self, grads: Sequence[Tensor], trainable_variables: Sequence[Any] | None = None
    ) -> None:
        """Add the gradients to the sum; update after the last batch of a group."""
        if not self.built:
            self.build(list(trainable_variables or []))
        if distribution.replicated() and not distribution.sums_first(self):
            raise ValueError(
                "Under tf.distribute gradients are accumulated where "
                "s2s_zoo.distribution.sum_gradients_first was asked of the optimizer"
            )
        variables = list(trainable_variables or self._trainable_variables)
        weight = ops.copy(self._next_weight)
        total = self._weight + weight
        sums = [
            self._sums[self._get_variable_index(v)] + dense(g, v) * weight
            for g, v in zip(grads, variables, strict=True)
        ]
        batches = self._batches + 1.0
        full = ops.logical_or(batches >= self.steps, self._last > 0)
        means = [s / ops.where(total > 0, total, 1.0) for s in sums]
        apply_if(full, self.inner_optimizer, means, variables)
        kept = ops.where(full, 0.0, 1.0)
        for v, value in zip(variables, sums, strict=True):
            self._sums[self._get_variable_index(v)].assign(value * kept)
        self._weight.assign(total * kept)
        self._batches.assign(batches * kept)

"""Learning rates of parts of a model, and when they begin to learn."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from s2s_zoo.optimizers.averages import innermost
from s2s_zoo.optimizers.gradients import dense
from s2s_zoo.optimizers.wrapper import OptimizerWrapper
from s2s_zoo.typing import Tensor


class OwnRate(NamedTuple):
    """How a variable learns where it does not learn as the others.

    Attributes:
        factor: what the learning rate is multiplied by.
        begin: updates during which it stands still.

    Example:
        >>> from s2s_zoo.optimizers import OwnRate
        >>> OwnRate(factor=0.1)
        OwnRate(factor=0.1, begin=0)
    """

    factor: float = 1.0
    begin: int = 0


@keras.saving.register_keras_serializable("s2s_zoo")
class OwnRates(OptimizerWrapper):
    """Gives each variable a learning rate of its own, and a first update.

    What the inner optimizer would add to a variable is multiplied by its factor, its
    weight decay too; that is the learning rate times the factor for every optimizer
    whose step is proportional to its rate. A variable that stands still has gradient
    zero, so that neither the norm of a clipped gradient nor moments count it.

    Args:
        inner_optimizer: moves the weights.
        factors: one for each variable, in the order of `build`.
        begins: updates before each one moves.
        name: of the optimizer.

    Raises:
        ValueError: the inner optimizer averages the weights; `build` gets another
            number of variables.

    Example:
        >>> import keras
        >>> from s2s_zoo.optimizers import OwnRates
        >>> one, other = keras.Variable([1.0]), keras.Variable([1.0])
        >>> optimizer = OwnRates(keras.optimizers.SGD(0.5), (0.1, 1.0), (0, 1))
        >>> optimizer.build([one, other])
        >>> optimizer.apply([keras.ops.array([1.0])] * 2, [one, other])
        >>> round(float(one[0]), 3), float(other[0])
        (0.95, 1.0)
    """

    SETTINGS = ("factors", "begins", "name")

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer,
        factors: Sequence[float],
        begins: Sequence[int],
        name: str = "own_rates",
    ) -> None:
        if getattr(innermost(inner_optimizer), "use_ema", False):
            raise ValueError(
                "Learning rates of parts of a model go with no moving average of the "
                f"weights, which {type(innermost(inner_optimizer)).__name__} keeps"
            )
        super().__init__(inner_optimizer, name=name)
        self.factors = tuple(factors)
        self.begins = tuple(begins)

    def build(self, variables: list[Any]) -> None:
        if not len(variables) == len(self.factors) == len(self.begins):
            raise ValueError(
                f"factors and begins have a number for each of {len(variables)} "
                f"variables. Received: {len(self.factors)} and {len(self.begins)}"
            )
        super().build(variables)

    def _backend_update_step(
        self, grads: list[Tensor], trainable_variables: list[Any], learning_rate: Tensor
    ) -> None:
        variables = trainable_variables
        shares = [self._share(self._get_variable_index(v)) for v in variables]
        before = [
            None if share is None else ops.copy(v.value)
            for share, v in zip(shares, variables, strict=True)
        ]
        moved = [
            g if share is None else dense(g, v) * ops.cast(share > 0, "float32")
            for g, share, v in zip(grads, shares, variables, strict=True)
        ]
        self.inner_optimizer.apply(moved, variables)
        for v, old, share in zip(variables, before, shares, strict=True):
            if share is not None:
                v.assign(old + ops.cast(share, v.dtype) * (v.value - old))

    def _share(self, index: int) -> Tensor | None:
        """Float32 scalar, of the inner optimizer's step; None for all of it."""
        factor, begin = self.factors[index], self.begins[index]
        if factor == 1.0 and not begin:
            return None
        begun = self.inner_optimizer.iterations >= begin
        return ops.where(begun, ops.cast(factor, "float32"), 0.0)


def own_rates(
    optimizer: keras.optimizers.Optimizer, model: keras.Model
) -> keras.optimizers.Optimizer:
    """The optimizer, with the own rates of the layers of a model around it.

    Layers state them by `own_rates`; the optimizer is returned as it is where none
    does.
    """
    stated: dict[str, OwnRate] = {}
    for layer in model._flatten_layers(include_self=False):
        stated |= getattr(layer, "own_rates", dict)()
    rates = [stated.get(v.path, OwnRate()) for v in model.trainable_variables]
    if all(rate == OwnRate() for rate in rates):
        return optimizer
    factors, begins = zip(*rates, strict=True)
    return OwnRates(optimizer, factors, begins)

"""Layer-wise adaptive rate control (You et al., 2017, https://arxiv.org/abs/1708.03888)."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from s2s_zoo.typing import Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class LARC(keras.optimizers.SGD):
    """Momentum whose step of each variable is bounded by a share of its norm.

    Gradients are scaled before the momentum sees them; norms are float32.

    Args:
        learning_rate: a number or a schedule.
        momentum: of the velocity.
        eta: trust ratio η.
        mode: "clip" takes the smaller of the learning rate and η‖w‖/‖g‖; "scale"
            multiplies the two.
        min_update: smallest factor.
        epsilon: added to ‖g‖.
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.9,
        eta: float = 1e-3,
        mode: str = "clip",
        min_update: float = 1e-7,
        epsilon: float = 1e-7,
        name: str = "larc",
        **kwargs: Any,
    ) -> None:
        if mode not in ("clip", "scale"):
            raise ValueError(f"mode is clip or scale. Received: {mode!r}")
        super().__init__(learning_rate, momentum=momentum, name=name, **kwargs)
        self.eta = eta
        self.mode = mode
        self.min_update = min_update
        self.epsilon = epsilon

    def apply(self, grads: Sequence[Tensor], trainable_variables: Any = None) -> Tensor:
        variables = trainable_variables
        if variables is None:
            variables = self._trainable_variables
        pairs = zip(grads, variables, strict=True)
        scaled = [self._scaled(gradient, variable) for gradient, variable in pairs]
        return super().apply(scaled, trainable_variables)

    def _scaled(self, gradient: Tensor, variable: Any) -> Tensor:
        g = ops.cast(gradient, "float32")
        weight = ops.norm(ops.reshape(ops.cast(variable, "float32"), (-1,)))
        ratio = self.eta * weight / (ops.norm(ops.reshape(g, (-1,))) + self.epsilon)
        if self.mode == "clip":
            rate = ops.cast(self.learning_rate, "float32")
            ratio = ops.minimum(ratio / rate, 1.0)
        return gradient * ops.cast(ops.maximum(ratio, self.min_update), gradient.dtype)

    def get_config(self) -> dict[str, Any]:
        own = ("eta", "mode", "min_update", "epsilon")
        config = {k: v for k, v in super().get_config().items() if k != "nesterov"}
        return config | {name: getattr(self, name) for name in own}

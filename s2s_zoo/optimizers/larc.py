"""Layer-wise adaptive rate control (You et al., 2017, https://arxiv.org/abs/1708.03888)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo import distribution
from s2s_zoo.errors import check_choice
from s2s_zoo.optimizers.gradients import dense
from s2s_zoo.optimizers.lazy_adam import LazyAdam
from s2s_zoo.optimizers.wrapper import OptimizerWrapper
from s2s_zoo.typing import Tensor

_MODES = ("clip", "scale")
_CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")
_OWN = ("gradient_accumulation_steps", "loss_scale_factor")
_WRAPPERS = (keras.optimizers.LossScaleOptimizer, keras.optimizers.MultiOptimizer)


@keras.saving.register_keras_serializable("s2s_zoo")
class LARC(OptimizerWrapper):
    """Bounds the rate of each variable by a share of its norm, for any optimizer.

    Each gradient g of a variable w is multiplied by a factor u before the inner
    optimizer sees it; with its learning rate λ,

        clip:   u = min(max(η‖w‖ / (λ (‖g‖ + ε)), min_update), 1)
        scale:  u = max(η‖w‖ / (‖g‖ + ε), min_update)

    Norms are float32. They are of the gradient the weights are moved by: without loss
    scale, the sum over replicas, the mean over accumulated micro-batches. A rate of 0,
    with which a warmup begins, moves nothing.

    Args:
        inner_optimizer: moves the weights; owns learning rate, weight decay and
            moving average. Its updates are counted, not the micro-batches.
        eta: trust ratio η.
        mode: "clip" takes the smaller of the learning rate and η‖w‖/‖g‖; "scale"
            multiplies the two.
        min_update: smallest factor; a variable of zeros moves by it alone.
        epsilon: ε.
        gradient_accumulation_steps: micro-batches of an update, None for 1.
        loss_scale_factor: the loss is multiplied by it, the gradients are divided.
        name: of the optimizer.

    Raises:
        ValueError: the inner optimizer clips gradients, or does what only the outer
            optimizer can: accumulate gradients, scale the loss.

    Example:
        >>> import keras
        >>> from s2s_zoo.optimizers import LARC
        >>> w = keras.Variable([3.0, 4.0])
        >>> optimizer = LARC(keras.optimizers.SGD(1.0), eta=0.1)
        >>> optimizer.apply([keras.ops.array([30.0, 40.0])], [w])
        >>> print(keras.ops.convert_to_numpy(w).round(3))  # 0.1 ‖w‖ / ‖g‖ is 0.01
        [2.7 3.6]
    """

    SETTINGS = ("eta", "mode", "min_update", "epsilon", *_OWN, "name")

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer,
        eta: float = 1e-3,
        mode: str = "clip",
        min_update: float = 1e-7,
        epsilon: float = 1e-7,
        gradient_accumulation_steps: int | None = None,
        loss_scale_factor: float | None = None,
        name: str = "larc",
    ) -> None:
        check_choice("mode", mode, _MODES)
        if not eta > 0:
            raise ValueError(f"eta is above 0. Received: {eta}")
        _check(inner_optimizer)
        super().__init__(
            inner_optimizer,
            gradient_accumulation_steps=gradient_accumulation_steps,
            loss_scale_factor=loss_scale_factor,
            name=name,
        )
        self.eta = eta
        self.mode = mode
        self.min_update = min_update
        self.epsilon = epsilon

    def _backend_update_step(
        self, grads: list[Tensor], trainable_variables: list[Any], learning_rate: Tensor
    ) -> None:
        variables = trainable_variables
        own = [dense(g, v) for g, v in zip(grads, variables, strict=True)]
        whole = own
        if distribution.replicated():
            pairs = zip(own, variables, strict=True)
            whole = [total for total, _ in self._all_reduce_sum_gradients(pairs)]
        scaled = [
            ops.cast(g * self._factor(total, v, learning_rate), v.dtype)
            for g, total, v in zip(own, whole, variables, strict=True)
        ]
        self.inner_optimizer.apply(scaled, variables)

    def _factor(self, gradient: Tensor, variable: Any, rate: Tensor) -> Tensor:
        weight = ops.cast(variable, "float32")
        u = self.eta * _norm(weight) / (_norm(gradient) + self.epsilon)
        if self.mode == "clip":
            rate = ops.cast(rate, "float32")
            bounded = u / ops.where(rate > 0, rate, 1.0)
            u = ops.where(u < rate, bounded, ops.cast(u > 0, "float32"))
        return ops.maximum(u, self.min_update)


def _norm(tensor: Tensor) -> Tensor:
    return ops.sqrt(ops.sum(ops.square(tensor)))


def _check(inner: keras.optimizers.Optimizer) -> None:
    if isinstance(inner, _WRAPPERS):
        raise ValueError(
            f"LARC goes inside {type(inner).__name__}, around the optimizer that "
            "moves the weights"
        )
    for name in (*_CLIPPING, *_OWN):
        value = getattr(inner, name)
        if value is not None:
            where = "bounds gradients itself" if name in _CLIPPING else "takes it"
            raise ValueError(
                f"The inner optimizer has no {name}: LARC {where}. Received: {value}"
            )


def momentum_larc(
    learning_rate: Any,
    momentum: float = 0.9,
    eta: float = 1e-3,
    mode: str = "clip",
    min_update: float = 1e-7,
    epsilon: float = 1e-7,
    gradient_accumulation_steps: int | None = None,
) -> LARC:
    """LARC around momentum, out of plain numbers, as the recipes of speech use it.

    Args:
        learning_rate: a number or a schedule.
        momentum: of the velocity.
        eta: trust ratio of `LARC`.
        mode: of `LARC`.
        min_update: of `LARC`.
        epsilon: of `LARC`.
        gradient_accumulation_steps: of `LARC`.

    Example:
        >>> from s2s_zoo.optimizers import momentum_larc
        >>> optimizer = momentum_larc(learning_rate=0.25, eta=0.01)
        >>> type(optimizer.inner_optimizer).__name__, float(optimizer.learning_rate)
        ('SGD', 0.25)
    """
    return LARC(
        keras.optimizers.SGD(learning_rate, momentum=momentum),
        eta=eta,
        mode=mode,
        min_update=min_update,
        epsilon=epsilon,
        gradient_accumulation_steps=gradient_accumulation_steps,
    )


def adam_larc(
    learning_rate: Any,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    eta: float = 1e-3,
    mode: str = "clip",
) -> LARC:
    """LARC around Adam, out of plain numbers, as the recipes of translation use it.

    Args:
        learning_rate: a number or a schedule.
        beta_1: decay of Adam's first moment.
        beta_2: decay of Adam's second moment.
        epsilon: of Adam.
        eta: trust ratio of `LARC`.
        mode: of `LARC`.

    Example:
        >>> from s2s_zoo.optimizers import adam_larc
        >>> optimizer = adam_larc(learning_rate=0.25, beta_2=0.997)
        >>> optimizer.eta, optimizer.inner_optimizer.beta_2
        (0.001, 0.997)
    """
    adam = LazyAdam(learning_rate, beta_1, beta_2, epsilon, lazy=())
    return LARC(adam, eta=eta, mode=mode)

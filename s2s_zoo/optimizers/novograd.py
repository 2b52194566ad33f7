"""NovoGrad (Ginsburg et al., 2019, https://arxiv.org/abs/1905.11286)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.optimizers.gradients import ByWholeNorms, dense
from s2s_zoo.typing import Tensor

_SETTINGS = ("beta_1", "beta_2", "epsilon", "grad_averaging", "legacy")


@keras.saving.register_keras_serializable("s2s_zoo")
class NovoGrad(ByWholeNorms, keras.optimizers.Optimizer):
    """Momentum over gradients divided by one running norm for each variable.

    Algorithm 1 of the paper, for a variable w with gradient g and rate λ:

        v ← ‖g‖² at its first gradient, then β₂ v + (1 - β₂) ‖g‖²
        m ← β₁ m + (g / (√v + ε) + d w)
        w ← w - λ m

    A variable's first gradient is the first that is not zero. v is one float32
    number and m is float32, whatever the variable is.

    Args:
        learning_rate: λ, a number or a schedule.
        beta_1: β₁, decay of the moment m.
        beta_2: β₂, decay of the squared norm v.
        epsilon: ε, added to the norm √v.
        weight_decay: d, the algorithm's own: the decay enters the moment. Keras'
            decay of the weights beside the update does not take place;
            `exclude_from_weight_decay` works as in Keras.
        grad_averaging: weigh what enters the moment by 1 - β₁.
        legacy: repeat the published runs of OpenSeq2Seq, which kept no v: it is ‖g‖²
            at every step, and ε is added to it inside the root. β₂ has no effect, nor
            has any factor on the gradient, such as that of LARC.
        name: of the optimizer.
        kwargs: the other arguments of `keras.optimizers.Optimizer`.

    Raises:
        ValueError: a beta outside [0, 1).

    Example:
        >>> import keras
        >>> from s2s_zoo.optimizers import NovoGrad
        >>> w = keras.Variable([1.0, 1.0])
        >>> optimizer = NovoGrad(learning_rate=0.5)
        >>> optimizer.apply([keras.ops.array([30.0, 40.0])], [w])
        >>> print(keras.ops.convert_to_numpy(w).round(3))  # by the gradient's direction
        [0.7 0.6]
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        beta_1: float = 0.95,
        beta_2: float = 0.98,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        grad_averaging: bool = False,
        legacy: bool = False,
        name: str = "novograd",
        **kwargs: Any,
    ) -> None:
        for key, beta in (("beta_1", beta_1), ("beta_2", beta_2)):
            if not 0 <= beta < 1:
                raise ValueError(f"{key} is at least 0 and below 1. Received: {beta}")
        super().__init__(learning_rate, weight_decay=weight_decay, name=name, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.grad_averaging = grad_averaging
        self.legacy = legacy

    def build(self, variables: list[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        self._moments = [self._state(v, "moment", v.shape) for v in variables]
        self._squared_norms = [self._state(v, "squared_norm", ()) for v in variables]

    def _state(self, variable: Any, name: str, shape: tuple[int, ...]) -> Any:
        return self.add_variable(
            shape=shape,
            dtype="float32",
            layout=getattr(variable, "_layout", None) if shape else None,
            name=f"{variable.path.replace('/', '_')}_{name}",
        )

    def _apply_weight_decay(self, variables: list[Any]) -> None:
        """Nothing: the decay is part of the update step."""

    def update_step(
        self, gradient: Tensor, variable: Any, learning_rate: Tensor
    ) -> None:
        index = self._get_variable_index(variable)
        gradient = dense(gradient, variable)
        change = gradient / self._norm(gradient, self._squared_norms[index])
        if self.weight_decay and self._use_weight_decay(variable):
            change += self.weight_decay * ops.cast(variable, "float32")
        if self.grad_averaging:
            change *= 1 - self.beta_1
        moment = self.beta_1 * self._moments[index] + change
        self.assign(self._moments[index], moment)
        step = ops.cast(learning_rate, "float32") * moment
        self.assign_sub(variable, ops.cast(step, variable.dtype))

    def _norm(self, gradient: Tensor, state: Any) -> Tensor:
        """What the gradient is divided by; moves the running squared norm on."""
        squared = ops.sum(ops.square(gradient))
        if self.legacy:
            return ops.sqrt(squared + self.epsilon)
        running = self.beta_2 * state + (1 - self.beta_2) * squared
        squared = ops.where(ops.equal(state, 0), squared, running)
        self.assign(state, squared)
        return ops.sqrt(squared) + self.epsilon

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {name: getattr(self, name) for name in _SETTINGS}

"""Loss scaling that adapts, survives any gradient and can say what went wrong."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import keras
from keras import ops

from s2s_zoo import distribution
from s2s_zoo.errors import UserError
from s2s_zoo.optimizers.conditional import apply_if
from s2s_zoo.optimizers.scaling_rules import (
    Backoff,
    LogMax,
    ScalingRule,
    State,
    StaticScale,
)
from s2s_zoo.typing import Tensor

Gradients: TypeAlias = Sequence[Tensor | None]

RULES = {"backoff": Backoff, "logmax": LogMax}
NAMED = 3


class LossScalingError(UserError):
    """Too many steps in a row had gradients that are not finite.

    Example:
        >>> import keras
        >>> from s2s_zoo.optimizers import AutomaticLossScaleOptimizer, LossScalingError
        >>> w, sgd = keras.Variable([1.0]), keras.optimizers.SGD()
        >>> optimizer = AutomaticLossScaleOptimizer(sgd, max_consecutive_skips=1)
        >>> for _ in range(2):
        ...     optimizer.apply([keras.ops.array([float("nan")])], [w])
        >>> try:
        ...     optimizer.check()
        ... except LossScalingError as error:
        ...     print(str(error).split(",")[0])
        2 steps in a row had gradients that are not finite
    """


@keras.saving.register_keras_serializable("s2s_zoo")
class AutomaticLossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """Scale the loss so that float16 gradients neither vanish nor overflow.

    The optimizer inside sees float32 gradients divided by the scale. A step with any
    gradient that is not finite, on any replica, updates the scale and nothing else.
    Clipping, weight decay, moving averages and accumulation belong to the optimizer
    inside. All state is float32 and is saved with the optimizer.

    Args:
        inner_optimizer: applies the gradients.
        algorithm: "backoff", "logmax" (see `s2s_zoo.optimizers.scaling_rules`), a
            number, which is a scale that stays, or "none", which is the number 1.
        max_consecutive_skips: skipped steps in a row that `check` accepts.
        scale_min: floor of the scale.
        scale_max: ceiling of the scale.
        step_factor: what backoff multiplies and divides by.
        step_window: steps without overflow before backoff multiplies.
        log_max: exponent under which logmax keeps the largest scaled gradient.
        beta1: share of the running mean logmax keeps at each step.
        beta2: the same for its running deviation.
        overflow_std_dev: deviations above the mean logmax makes room for.
        name: of the optimizer.

    Raises:
        ValueError: an algorithm that does not exist, a bound that is no bound.

    Example:
        >>> import keras
        >>> from s2s_zoo.optimizers import AutomaticLossScaleOptimizer
        >>> w = keras.Variable([1.0])
        >>> optimizer = AutomaticLossScaleOptimizer(keras.optimizers.Adam(), "backoff")
        >>> optimizer.apply([keras.ops.array([float("inf")])], [w])
        >>> float(w[0]), float(optimizer.dynamic_scale)  # halved, and no weight moved
        (1.0, 8192.0)
    """

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer,
        algorithm: str | float = "backoff",
        max_consecutive_skips: int = 100,
        scale_min: float = 1.0,
        scale_max: float = 2.0**14,
        step_factor: float = 2.0,
        step_window: int = 2000,
        log_max: float = 16.0,
        beta1: float = 0.99,
        beta2: float = 0.999,
        overflow_std_dev: float = 3.09,
        name: str | None = None,
    ) -> None:
        settings = {
            "algorithm": algorithm,
            "max_consecutive_skips": max_consecutive_skips,
            "scale_min": scale_min,
            "scale_max": scale_max,
            "step_factor": step_factor,
            "step_window": step_window,
            "log_max": log_max,
            "beta1": beta1,
            "beta2": beta2,
            "overflow_std_dev": overflow_std_dev,
        }
        rule = scaling_rule(settings)
        super().__init__(inner_optimizer, rule.start()["scale"], name=name)
        self.settings = settings
        self.rule = rule
        self.max_consecutive_skips = max_consecutive_skips

    def build(self, variables: list[keras.Variable]) -> None:
        if self.built:
            return
        self._state = {
            key: self._float32(key, value) for key, value in self.rule.start().items()
        }
        self.dynamic_scale = self._state["scale"]
        self.consecutive_skips = self._float32("consecutive_skips", 0.0)
        self.skipped_steps = self._float32("skipped_steps", 0.0)
        self.not_finite = self._float32("not_finite", 0.0, (len(variables),))
        self.inner_optimizer.build(variables)
        keras.optimizers.Optimizer.build(self, variables)

    def _float32(
        self, name: str, value: float, shape: tuple[int, ...] = ()
    ) -> keras.Variable:
        return self.add_variable(
            shape=shape,
            initializer=keras.initializers.Constant(value),
            dtype="float32",
            aggregation="only_first_replica",
            name=name,
        )

    def apply(
        self, grads: Gradients, trainable_variables: Sequence[Any] | None = None
    ) -> None:
        """Update the scale, and the variables if every gradient is finite."""
        if not self.built:
            self.build(list(trainable_variables or []))
        variables = trainable_variables or self._trainable_variables
        largest = largest_magnitudes(grads)
        if distribution.replicated():
            largest = distribution.largest_of_replicas(largest)
            distribution.merged(self._merged, grads, variables, largest)
        else:
            scale = ops.copy(self.dynamic_scale)
            finite = self._follow(largest)
            apply_if(finite, self.inner_optimizer, _unscaled(grads, scale), variables)

    def stateless_apply(
        self,
        optimizer_variables: Sequence[Tensor],
        grads: Gradients,
        trainable_variables: Sequence[Tensor],
    ) -> tuple[list[Tensor], list[Tensor]]:
        """`apply` without side effects, on the values of all variables."""
        return keras.optimizers.Optimizer.stateless_apply(
            self, optimizer_variables, grads, trainable_variables
        )

    def _merged(
        self, each: Any, grads: Gradients, variables: Sequence[Any], largest: Any
    ) -> None:
        """`apply` in the cross-replica context of a tf.distribute strategy."""
        scale = ops.copy(self.dynamic_scale)
        finite = self._follow(distribution.any_of(largest))

        def update() -> Tensor:
            each(self._apply_inner, grads, variables, scale)
            return ops.zeros(())

        ops.cond(finite, update, lambda: ops.zeros(()))

    def _apply_inner(
        self, grads: Gradients, variables: Sequence[Any], scale: Tensor
    ) -> None:
        self.inner_optimizer.apply(_unscaled(grads, scale), variables)

    def _follow(self, largest: Tensor) -> Tensor:
        """Let the rule see the gradients; whether all of them are finite."""
        bad = ops.logical_not(ops.isfinite(largest))
        finite = ops.logical_not(ops.any(bad))
        # A variable handed to ops may be the variable itself, which `assign` changes.
        state: State = {key: ops.copy(value) for key, value in self._state.items()}
        new = self.rule.update(state, ops.max(largest), finite)
        for key, variable in self._state.items():
            variable.assign(new[key])
        skip = ops.where(finite, 0.0, 1.0)
        self.consecutive_skips.assign((self.consecutive_skips + skip) * skip)
        self.skipped_steps.assign(self.skipped_steps + skip)
        self.not_finite.assign(ops.cast(bad, "float32"))
        return finite

    def scale_loss(self, loss: Tensor) -> Tensor:
        scale = self.dynamic_scale if self.built else self.initial_scale
        return ops.cast(loss, "float32") * scale

    def check(self) -> None:
        """See that training still moves; call it from the training loop.

        Raises:
            LossScalingError: more than `max_consecutive_skips` steps in a row were
                skipped; names the variables nearest the loss that caused it.
        """
        skips = int(ops.convert_to_numpy(self.consecutive_skips))
        if skips <= self.max_consecutive_skips:
            return
        names = ", ".join(self.overflowed()[:NAMED])
        scale = float(ops.convert_to_numpy(self.dynamic_scale))
        raise LossScalingError(
            f"{skips} steps in a row had gradients that are not finite, at a loss "
            f"scale of {scale:g}; seen from the loss, first in {names}. No weight was "
            "changed by them. Lower the learning rate, look at the data of the last "
            "batches, or train with --precision mixed_bfloat16"
        )

    def overflowed(self) -> list[str]:
        """Variables whose gradients were not finite in the last step, last ones first.

        Gradients flow backwards, so the first name is nearest to the cause.
        """
        flags = ops.convert_to_numpy(self.not_finite)
        pairs = zip(self._trainable_variables, flags, strict=True)
        return [variable.path for variable, flag in pairs if flag][::-1]

    def get_config(self) -> dict[str, Any]:
        inner = keras.saving.serialize_keras_object(self.inner_optimizer)
        return {"name": self.name, "inner_optimizer": inner, **self.settings}


class SkipBudget(keras.callbacks.Callback):
    """Let `fit` call `AutomaticLossScaleOptimizer.check` after every batch.

    Example:
        >>> import keras
        >>> from s2s_zoo.optimizers import AutomaticLossScaleOptimizer, SkipBudget
        >>> model = keras.Sequential([keras.layers.Dense(1)])
        >>> model.compile(AutomaticLossScaleOptimizer(keras.optimizers.SGD()), "mse")
        >>> x, y = keras.ops.ones((4, 2)), keras.ops.ones((4, 1))
        >>> history = model.fit(x, y, callbacks=[SkipBudget()], verbose=0)
        >>> list(history.history)
        ['loss']
    """

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        self.model.optimizer.check()


def largest_magnitudes(grads: Gradients) -> Tensor:
    """Largest magnitude of each gradient, (N,) float32; not finite if any value is.

    A gradient that is None counts as zero.
    """
    return ops.stack([_largest(gradient) for gradient in grads])


def _largest(gradient: Tensor | None) -> Tensor:
    if gradient is None:
        return ops.zeros((), "float32")
    if type(gradient).__name__ == "IndexedSlices":
        gradient = gradient.values
    gradient = ops.cast(gradient, "float32")
    finite = ops.all(ops.isfinite(gradient))
    return ops.where(finite, ops.max(ops.abs(gradient)), float("inf"))


def _unscaled(grads: Gradients, scale: Tensor) -> list[Tensor | None]:
    return [None if g is None else ops.divide(g, scale) for g in grads]


def scaling_rule(settings: Mapping[str, Any]) -> ScalingRule:
    """The rule that arguments of `AutomaticLossScaleOptimizer` ask for.

    Raises:
        ValueError: an algorithm that does not exist, a bound that is no bound.
    """
    _check(settings)
    algorithm = settings["algorithm"]
    if algorithm not in RULES:
        return StaticScale(1.0 if algorithm == "none" else float(algorithm))
    rule: Any = RULES[algorithm]
    return rule(**{f.name: settings[f.name] for f in dataclasses.fields(rule)})


def _check(settings: Mapping[str, Any]) -> None:
    low, high = settings["scale_min"], settings["scale_max"]
    accepted = {
        "algorithm is backoff, logmax, none or a number above 0": _known(
            settings["algorithm"]
        ),
        "0 < scale_min <= scale_max": 0 < low <= high,
        "step_factor is above 1": settings["step_factor"] > 1,
        "step_window is above 0": settings["step_window"] > 0,
        "0 <= beta1 < 1": 0 <= settings["beta1"] < 1,
        "0 <= beta2 < 1": 0 <= settings["beta2"] < 1,
        "max_consecutive_skips is above 0": settings["max_consecutive_skips"] > 0,
    }
    for rule, holds in accepted.items():
        if not holds:
            received = ", ".join(f"{k}={settings[k]}" for k in settings if k in rule)
            raise ValueError(f"{rule}. Received: {received}")


def _known(algorithm: str | float) -> bool:
    if algorithm == "none" or algorithm in RULES:
        return True
    try:
        return 0 < float(algorithm) < float("inf")
    except ValueError:
        return False

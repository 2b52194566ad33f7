"""The base of optimizers around another optimizer."""

from typing import Any, ClassVar, Self

import keras


class OptimizerWrapper(keras.optimizers.Optimizer):
    """Changes what the optimizer inside sees, and is that optimizer otherwise.

    Learning rate, count of updates and moving averages are those inside.

    Attributes:
        SETTINGS: constructor arguments besides the inner optimizer.

    Example:
        >>> import keras
        >>> from s2s_zoo.optimizers import OptimizerWrapper
        >>> class Signs(OptimizerWrapper):
        ...     def apply(self, grads, trainable_variables=None):
        ...         signs = [keras.ops.sign(gradient) for gradient in grads]
        ...         self.inner_optimizer.apply(signs, trainable_variables)
        >>> w, optimizer = keras.Variable([1.0, 1.0]), Signs(keras.optimizers.SGD(0.5))
        >>> optimizer.apply([keras.ops.array([9.0, -3.0])], [w])
        >>> print(keras.ops.convert_to_numpy(w))
        [0.5 1.5]
    """

    SETTINGS: ClassVar[tuple[str, ...]] = ("name",)

    def __init__(
        self, inner_optimizer: keras.optimizers.Optimizer, **kwargs: Any
    ) -> None:
        super().__init__(lambda: inner_optimizer.learning_rate, **kwargs)
        self.inner_optimizer = inner_optimizer

    def build(self, variables: list[Any]) -> None:
        if self.built:
            return
        self.inner_optimizer.build(variables)
        super().build(variables)

    @property
    def variables(self) -> list[Any]:
        return self._variables + self.inner_optimizer.variables

    @property
    def iterations(self) -> Any:
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self) -> Any:
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self.inner_optimizer.learning_rate = learning_rate

    def finalize_variable_values(self, var_list: list[Any]) -> None:
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        inner = keras.saving.serialize_keras_object(self.inner_optimizer)
        own = {name: getattr(self, name) for name in self.SETTINGS}
        return {"inner_optimizer": inner} | own

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        inner = keras.saving.deserialize_keras_object(
            config["inner_optimizer"], custom_objects=custom_objects
        )
        return cls(**{**config, "inner_optimizer": inner})

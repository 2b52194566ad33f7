"""What a language model is trained by."""

from dataclasses import dataclass

import keras
from keras import ops

from s2s_zoo.losses.base import Objective
from s2s_zoo.typing import Arrays, Tensor, Tensors


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class LogLikelihood(Objective):
    """The negative log-likelihood of the tokens in nats, over how many they count for.

    A batch says as `weights` how many tokens each of its rows counts for: as many as
    it has; or, where windows vary in length, as many as one is expected to have, so
    that the gradient of a window grows with its length.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.losses import LogLikelihood
        >>> target = {"target": ops.array([[4, 1]]), "weights": ops.array([2.0])}
        >>> output = {"log_probabilities": ops.array([[-0.5, -0.7]])}
        >>> print(round(float(LogLikelihood().mean(target, output)), 3))
        0.6
    """

    def __call__(self, target: Tensors, output: Tensors) -> Tensor:
        return -ops.sum(output["log_probabilities"])

    def weight_in_graph(self, target: Tensors, output: Tensors) -> Tensor:
        """Tokens that the rows count for."""
        return ops.sum(ops.cast(target["weights"], "float32"))

    def weight(self, inputs: Arrays, target: Arrays) -> float:
        return float(target["weights"].sum())

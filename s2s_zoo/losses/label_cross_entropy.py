"""Cross-entropy of one label an example."""

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from s2s_zoo.losses.base import Objective
from s2s_zoo.typing import Arrays, Tensor, Tensors

SHARES = "shares"
"""Target (B, C): the probability of each class, where it is not 1 of one of them."""


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class LabelCrossEntropy(Objective):
    """Cross-entropy of labels in nats, a mean over examples weighed by class.

    -Σ_c w_c p_c log q_c over Σ_c w_c s_c, where q is the softmax of the logits (B, C),
    s 1 at the label and 0 elsewhere, or the `shares` (B, C) of a target that is mixed
    of several, and p = (1 - ε) s + ε / C (Szegedy et al., 2016, section 7).

    Attributes:
        label_smoothing: ε, the share of the probability spread over all classes.
        class_weights: w of each class; empty for 1.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.losses import LabelCrossEntropy
        >>> target = {"target": ops.array([[2]]), "target_lengths": ops.array([1])}
        >>> loss = LabelCrossEntropy().mean(target, {"logits": ops.zeros((1, 8))})
        >>> f"{float(loss):.3f}"  # log 8
        '2.079'
    """

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        share = self.label_smoothing
        if not 0 <= share < 1:
            raise ValueError(f"label_smoothing is from 0 to below 1. Received: {share}")
        if any(weight < 0 for weight in self.class_weights):
            raise ValueError(
                f"class_weights are 0 or more. Received: {self.class_weights}"
            )

    def __call__(self, target: Tensors, output: Tensors) -> Tensor:
        logits = ops.cast(output["logits"], "float32")
        size = logits.shape[-1]
        shares = _shares(target, size)
        shares = (1 - self.label_smoothing) * shares + self.label_smoothing / size
        scores = ops.log_softmax(logits, axis=-1)
        losses = -ops.sum(self._weighed(shares, size) * scores, axis=-1)
        return ops.sum(ops.where(_is_real(target), losses, 0.0))

    def weight_in_graph(self, target: Tensors, output: Tensors) -> Tensor:
        """Examples, each weighed as its class is."""
        size = output["logits"].shape[-1]
        weights = ops.sum(self._weighed(_shares(target, size), size), axis=-1)
        return ops.sum(ops.where(_is_real(target), weights, 0.0))

    def weight(self, inputs: Arrays, target: Arrays) -> float:
        real = target["target_lengths"] > 0
        if not self.class_weights:
            return float(real.sum())
        weights = np.array(self.class_weights)
        if SHARES in target:
            return float((target[SHARES][real] @ weights).sum())
        return float(weights[target["target"][real, 0]].sum())

    def _weighed(self, shares: Tensor, size: int) -> Tensor:
        if not self.class_weights:
            return shares
        if len(self.class_weights) != size:
            raise ValueError(
                f"class_weights has a weight for each of {size} classes. Received: "
                f"{len(self.class_weights)}"
            )
        return shares * ops.convert_to_tensor(self.class_weights, "float32")


def _shares(target: Tensors, size: int) -> Tensor:
    if SHARES in target:
        return ops.cast(target[SHARES], "float32")
    labels = ops.maximum(ops.cast(target["target"][:, 0], "int32"), 0)
    return ops.one_hot(labels, size, dtype="float32")


def _is_real(target: Tensors) -> Tensor:
    return ops.cast(target["target_lengths"], "int32") > 0

"""Cross-entropy of tokens against smoothed targets.

The gradient is had in closed form from the log-probabilities, which are computed once.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from s2s_zoo.losses.base import Objective
from s2s_zoo.typing import Arrays, Tensor, Tensors
from s2s_zoo.vocabulary import PAD


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class CrossEntropy(Objective):
    """Cross-entropy of the real tokens in nats, a mean over them.

    Attributes:
        label_smoothing: share of the target's probability given to all other tokens.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.losses import CrossEntropy
        >>> target = {"target": ops.array([[4, 1, 0]])}
        >>> output = {"logits": ops.zeros((1, 3, 8))}
        >>> loss = CrossEntropy(label_smoothing=0.0).mean(target, output)
        >>> f"{float(loss):.3f}"  # log 8
        '2.079'
    """

    label_smoothing: float = 0.1

    def __post_init__(self) -> None:
        share = self.label_smoothing
        if not 0 <= share < 1:
            raise ValueError(f"label_smoothing is from 0 to below 1. Received: {share}")

    def __call__(self, target: Tensors, output: Tensors) -> Tensor:
        tokens = target["target"]
        mask = ops.not_equal(tokens, PAD)
        logits = output["logits"]
        return ops.sum(
            smoothed_cross_entropy(logits, tokens, mask, self.label_smoothing)
        )

    def weight_in_graph(self, target: Tensors, output: Tensors) -> Tensor:
        """Tokens, the end of each text among them."""
        return ops.sum(ops.cast(ops.not_equal(target["target"], PAD), "float32"))

    def weight(self, inputs: Arrays, target: Arrays) -> float:
        return float(target["target_lengths"].sum())


def smoothed_cross_entropy(
    logits: Tensor, targets: Tensor, mask: Tensor, smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of each token in nats, less the least that smoothing leaves.

    The target has probability 1 - ε and every other token ε / (V - 1), Szegedy et
    al., 2016, section 7, in the form of tensor2tensor. Less the entropy of this
    distribution, so that a perfect model has a loss of 0.

    Args:
        logits: (B, U, V), any float dtype; computed in float32.
        targets: (B, U) int in [0, V) where the mask is True.
        mask: (B, U) bool, True on real tokens.
        smoothing: ε in [0, 1).

    Returns:
        (B, U) float32; exactly 0, with no gradient, outside the mask, whatever the
        logits are there.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.losses import smoothed_cross_entropy
        >>> targets, mask = ops.array([[4, 1, 0]]), ops.array([[True, True, False]])
        >>> losses = smoothed_cross_entropy(ops.zeros((1, 3, 8)), targets, mask)
        >>> print(ops.convert_to_numpy(losses).round(3))
        [[2.079 2.079 0.   ]]
    """
    size = logits.shape[-1]
    other = smoothing / (size - 1)
    return _loss(1 - smoothing, other)(
        ops.cast(logits, "float32"),
        ops.clip(ops.cast(targets, "int32"), 0, size - 1),
        ops.cast(mask, "float32"),
    )


def _loss(target: float, other: float) -> Any:
    """The loss where the target has probability `target`, every other token `other`."""

    @ops.custom_gradient
    def loss(logits: Tensor, targets: Tensor, weight: Tensor) -> tuple[Tensor, Any]:
        chosen, real = targets[..., None], weight > 0
        scores = ops.log_softmax(logits, axis=-1)
        score = ops.take_along_axis(scores, chosen, axis=-1)
        value = (other - target) * score[..., 0]
        if other > 0:
            value = value - other * ops.sum(scores, axis=-1)
        value = value - _entropy(target, other, logits.shape[-1])

        def gradient(
            *args: Tensor, upstream: Tensor | None = None
        ) -> tuple[Tensor, Tensor, Tensor]:
            scale = (args[0] if upstream is None else upstream)[..., None]
            here = real[..., None]
            at_target = ops.where(here, (ops.exp(score) - target) * scale, 0.0)
            token = ops.arange(logits.shape[-1], dtype="int32")
            elsewhere = ops.logical_and(token != chosen, here)
            share = ops.exp(scores)
            share = share - other if other > 0 else share
            difference = ops.where(elsewhere, share * scale, at_target)
            return difference, ops.zeros_like(targets), ops.zeros_like(weight)

        return ops.where(real, value, 0.0), gradient

    return loss


def _entropy(target: float, other: float, size: int) -> float:
    """Of the smoothed distribution over `size` tokens, in nats."""
    return -sum(
        count * share * math.log(share)
        for count, share in ((1, target), (size - 1, other))
        if share > 0
    )

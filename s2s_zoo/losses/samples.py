"""What a model of waveforms is trained by."""

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from s2s_zoo.layers.masking import sequence_mask
from s2s_zoo.losses.base import Objective
from s2s_zoo.losses.cross_entropy import smoothed_cross_entropy
from s2s_zoo.typing import Arrays, Tensor, Tensors


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class SampleCrossEntropy(Objective):
    """Cross-entropy of the classes of samples in nats.

    Classes below 0, and those past the end, do not count.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.losses import SampleCrossEntropy
        >>> target = {"target": ops.array([[-1, 0, 3]])}
        >>> target["target_lengths"] = ops.array([3])
        >>> loss = SampleCrossEntropy().mean(target, {"logits": ops.zeros((1, 3, 8))})
        >>> f"{float(loss):.3f}"  # log 8
        '2.079'
    """

    def __call__(self, target: Tensors, output: Tensors) -> Tensor:
        scored, classes = _scored(target), target["target"]
        return ops.sum(smoothed_cross_entropy(output["logits"], classes, scored))

    def weight_in_graph(self, target: Tensors, output: Tensors) -> Tensor:
        """Samples that count."""
        return ops.sum(ops.cast(_scored(target), "float32"))

    def weight(self, inputs: Arrays, target: Arrays) -> float:
        place = np.arange(target["target"].shape[1])[None]
        real = place < target["target_lengths"][:, None]
        return float(np.sum(real & (target["target"] >= 0)))


def _scored(target: Tensors) -> Tensor:
    """(B, S) bool of the samples that count."""
    real = sequence_mask(target["target_lengths"], ops.shape(target["target"])[1])
    return ops.logical_and(real, target["target"] >= 0)

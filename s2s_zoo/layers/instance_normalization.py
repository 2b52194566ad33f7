"""Normalization of each channel of each example by itself."""

from typing import Unpack

import keras
from keras import ops

from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.layers.masking import apply_mask, mask_lengths
from s2s_zoo.typing import LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class MaskedInstanceNormalization(ZooLayer):
    """Instance normalization over the unpadded frames (Ulyanov et al., 2016).

    https://arxiv.org/abs/1607.08022. Statistics, scale and shift are float32 under
    every policy.

    Args:
        epsilon: added to the variance.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import MaskedInstanceNormalization, sequence_mask
        >>> x = ops.array([[[1.0], [3.0], [999.0]]])
        >>> y = MaskedInstanceNormalization()(x, sequence_mask(ops.array([2]), 3))
        >>> print(ops.convert_to_numpy(y[0, :2, 0]).round(2))
        [-1.  1.]
    """

    def __init__(self, epsilon: float = 1e-3, **kwargs: Unpack[LayerKwargs]) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: Shape, *_: Shape) -> None:
        size = (input_shape[-1],)
        self.gamma = self.add_weight(
            name="gamma",
            shape=size,
            initializer="ones",
            dtype="float32",
            autocast=False,
        )
        self.beta = self.add_weight(
            name="beta",
            shape=size,
            initializer="zeros",
            dtype="float32",
            autocast=False,
        )

    def call(
        self, inputs: Tensor, real: Tensor, training: bool | None = None
    ) -> Tensor:
        """Normalize `inputs` (B, T, ..., C) by the frames where `real` (B, T) is True.

        Returns:
            (B, T, ..., C) in the compute dtype; padded frames hold no meaning.
        """
        x = ops.cast(inputs, "float32")
        axes = tuple(range(1, len(x.shape) - 1))
        per_frame = 1
        for size in x.shape[2:-1]:
            per_frame *= size
        count = ops.cast(ops.maximum(mask_lengths(real), 1), "float32") * per_frame
        count = ops.reshape(count, (-1, *(1 for _ in axes), 1))
        mean = ops.sum(apply_mask(x, real), axis=axes, keepdims=True) / count
        x = x - mean
        square = ops.sum(ops.square(apply_mask(x, real)), axis=axes, keepdims=True)
        x = x * ops.rsqrt(square / count + self.epsilon)
        return ops.cast(x * self.gamma + self.beta, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return input_shape

"""Normalization of padded batches: statistics come from real frames only."""

from typing import Any, Literal, Unpack

import keras
from keras import ops

from s2s_zoo import distribution
from s2s_zoo.errors import check_choice
from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.precision import l2_penalty
from s2s_zoo.typing import LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class MaskedBatchNormalization(ZooLayer):
    """Batch normalization over the unpadded frames (Ioffe & Szegedy, 2015).

    A batch that is split over several devices has one set of statistics. Statistics,
    scale and shift are float32 under every policy.

    Args:
        momentum: share of the running statistics kept at each step.
        epsilon: added to the variance.
        l2: λ of the penalty λ/2·‖γ‖².
        affine: learn a scale γ and a shift β.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import MaskedBatchNormalization, sequence_mask
        >>> x = ops.array([[[1.0], [3.0], [999.0]]])
        >>> mask = sequence_mask(ops.array([2]), 3)
        >>> y = MaskedBatchNormalization()(x, mask, training=True)
        >>> print(ops.convert_to_numpy(y[0, :2, 0]).round(2))
        [-1.  1.]
    """

    def __init__(
        self,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        l2: float = 0.0,
        affine: bool = True,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon
        self.l2 = l2
        self.affine = affine

    def build(self, input_shape: Shape) -> None:
        size = (input_shape[-1],)
        if self.affine:
            penalty = l2_penalty(self.l2)
            self.gamma = self._variable("gamma", size, "ones", regularizer=penalty)
            self.beta = self._variable("beta", size, "zeros")
        self.moving_mean = self._variable("moving_mean", size, "zeros", trainable=False)
        self.moving_variance = self._variable(
            "moving_variance", size, "ones", trainable=False
        )

    def _variable(
        self, name: str, shape: Shape, initializer: str, **kwargs: Any
    ) -> keras.Variable:
        return self.add_weight(
            shape=shape,
            initializer=initializer,
            name=name,
            dtype="float32",
            autocast=False,
            **kwargs,
        )

    def call(
        self, inputs: Tensor, real: Tensor, training: bool | None = None
    ) -> Tensor:
        """Normalize `inputs` (B, T, ..., C) by the frames where `real` (B, T) is True.

        Returns:
            (B, T, ..., C) in the compute dtype; padded frames hold no meaning.
        """
        x = ops.cast(inputs, "float32")
        if training:
            mean, variance, count = self._moments(x, real)
            self._track(mean, variance, count)
        else:
            mean, variance = self.moving_mean, self.moving_variance
        scale = ops.rsqrt(variance + self.epsilon)
        if not self.affine:
            return ops.cast((x - mean) * scale, self.compute_dtype)
        scale = self.gamma * scale
        return ops.cast(x * scale + (self.beta - mean * scale), self.compute_dtype)

    def _moments(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = apply_mask(x, mask)
        axes = tuple(range(len(x.shape) - 1))
        per_frame = 1
        for size in x.shape[2:-1]:
            per_frame *= size
        count, total, squares = distribution.summed(
            ops.sum(ops.cast(mask, "float32")) * per_frame,
            ops.sum(x, axis=axes),
            ops.sum(ops.square(x), axis=axes),
        )
        safe = ops.maximum(count, 1.0)
        mean, square = total / safe, squares / safe
        return mean, ops.maximum(square - ops.square(mean), 0.0), count

    def _track(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Follow the statistics of a batch that has frames and did not overflow."""
        real = (count > 0) & ops.isfinite(mean) & ops.isfinite(variance)
        for moving, value in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            new = moving * self.momentum + value * (1.0 - self.momentum)
            moving.assign(ops.where(real, new, ops.convert_to_tensor(moving)))

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return input_shape


@keras.saving.register_keras_serializable("s2s_zoo")
class LayerNormalization(ZooLayer):
    """Layer normalization in float32 under every policy (Ba et al., 2016).

    Args:
        epsilon: added to the variance, or to the mean absolute deviation.
        norm: "l2" divides by the standard deviation, "l1" by the mean absolute one
            (Hoffer et al., 2018, https://arxiv.org/abs/1803.01814).

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import LayerNormalization
        >>> y = LayerNormalization(norm="l1")(ops.array([[1.0, 3.0]]))
        >>> print(ops.convert_to_numpy(y).round(2))
        [[-1.  1.]]
    """

    def __init__(
        self,
        epsilon: float = 1e-6,
        norm: Literal["l1", "l2"] = "l2",
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_choice("norm", norm, ("l1", "l2"))
        self.epsilon = epsilon
        self.norm = norm

    def build(self, input_shape: Shape, *_: Shape) -> None:
        size = (input_shape[-1],)
        options = {"dtype": "float32", "autocast": False}
        self.gamma = self.add_weight(
            shape=size, initializer="ones", name="gamma", **options
        )
        self.beta = self.add_weight(
            shape=size, initializer="zeros", name="beta", **options
        )

    def call(
        self,
        inputs: Tensor,
        real: Tensor | None = None,
        training: bool | None = None,
    ) -> Tensor:
        """Normalize `inputs` (..., D) position by position; `real` is not read."""
        x = ops.cast(inputs, "float32")
        if self.norm == "l2":
            parameters = (self.gamma, self.beta, -1, self.epsilon)
            return ops.cast(ops.layer_normalization(x, *parameters), self.compute_dtype)
        x = x - ops.mean(x, axis=-1, keepdims=True)
        deviation = ops.mean(ops.abs(x), axis=-1, keepdims=True)
        x = x / (deviation + self.epsilon)
        return ops.cast(x * self.gamma + self.beta, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return input_shape

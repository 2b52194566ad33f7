"""Weight normalization (Salimans and Kingma, 2016, https://arxiv.org/abs/1602.07868).

Each output has a weight vector g·V/‖V‖: its length g and its direction V learn apart.
"""

import math
from typing import Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_SIZE, ZooLayer
from s2s_zoo.typing import LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class WeightNormalizedDense(ZooLayer):
    """x·W + b with W = g·V/‖V‖, computed in float32 under every policy.

    V ~ N(0, gain/D) for D inputs, g = ‖V‖ and b = 0 at the start (Gehring et al.,
    2017, https://arxiv.org/abs/1705.03122, 3.5).

    Args:
        units: outputs.
        gain: variance of an output for independent inputs of unit variance.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import WeightNormalizedDense
        >>> ops.shape(WeightNormalizedDense(units=8)(ops.ones((2, 5, 4))))
        (2, 5, 8)
    """

    def __init__(
        self, units: int, gain: float = 1.0, **kwargs: Unpack[LayerKwargs]
    ) -> None:
        super().__init__(**kwargs)
        check_range("units", units, 1, MAX_SIZE)
        self.units = units
        self.gain = gain

    def build(self, input_shape: Shape) -> None:
        self._add_weights(input_shape[-1])

    def _add_weights(self, *inputs: int) -> None:
        deviation = math.sqrt(self.gain / math.prod(inputs))
        self.direction = self.add_weight(
            shape=(*inputs, self.units),
            initializer=keras.initializers.RandomNormal(stddev=deviation),
            autocast=False,
            name="direction",
        )
        self.length = self.add_weight(
            shape=(self.units,),
            initializer=lambda *_, **__: ops.sqrt(self._squared_norm()),
            autocast=False,
            name="length",
        )
        self.bias = self.add_weight(
            shape=(self.units,), initializer="zeros", name="bias"
        )

    def _squared_norm(self) -> Tensor:
        """‖V‖² of each output."""
        squares = ops.square(ops.convert_to_tensor(self.direction))
        return ops.sum(squares, axis=tuple(range(len(squares.shape) - 1)))

    def weight(self) -> Tensor:
        """W in the compute dtype."""
        # a direction of zeros has no norm to divide by
        inverse = ops.rsqrt(ops.maximum(self._squared_norm(), 1e-24))
        weight = ops.convert_to_tensor(self.direction) * (self.length * inverse)
        return ops.cast(weight, self.compute_dtype)

    def call(self, inputs: Tensor) -> Tensor:
        """(..., units) from `inputs` (..., D)."""
        return ops.matmul(inputs, self.weight()) + self.bias

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)


@keras.saving.register_keras_serializable("s2s_zoo")
class WeightNormalizedConvolution(WeightNormalizedDense):
    """The same over every window of `kernel` frames, with no padding.

    V ~ N(0, gain/(kernel·D)) at the start; the norm is over all frames of the window.

    Args:
        units: outputs.
        kernel: frames under the kernel.
        gain: variance of an output for independent inputs of unit variance.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import WeightNormalizedConvolution
        >>> y = WeightNormalizedConvolution(units=8, kernel=3)(ops.ones((2, 5, 4)))
        >>> ops.shape(y)
        (2, 3, 8)
    """

    def __init__(
        self,
        units: int,
        kernel: int,
        gain: float = 1.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(units, gain, **kwargs)
        check_range("kernel", kernel, 1, MAX_SIZE)
        self.kernel = kernel

    def build(self, input_shape: Shape) -> None:
        self._add_weights(self.kernel, input_shape[-1])

    def call(self, inputs: Tensor) -> Tensor:
        """(B, T - kernel + 1, units) from `inputs` (B, T, D)."""
        if inputs.shape[1] == self.kernel:
            return self._window(inputs)
        x = ops.conv(inputs, self.weight(), data_format="channels_last")
        return x + self.bias

    def _window(self, inputs: Tensor) -> Tensor:
        """(B, 1, units) of one window (B, kernel, D), which is a matrix product."""
        size = self.kernel * inputs.shape[-1]
        weight = ops.reshape(self.weight(), (size, self.units))
        x = ops.matmul(ops.reshape(inputs, (-1, size)), weight) + self.bias
        return x[:, None]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, time, _ = input_shape
        return (batch, time and time - self.kernel + 1, self.units)

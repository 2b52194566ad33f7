"""The layers between a frame that was written and the recurrence that reads it."""

from typing import Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_LAYERS, ZooLayer
from s2s_zoo.layers.threefry import threefry, uniform
from s2s_zoo.typing import LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class Prenet(ZooLayer):
    """Dense layers with ReLU and with dropout, which is not switched off in use.

    Wang et al., 2017, section 3.4, and Shen et al., 2017, section 2.2: what it drops
    makes outputs vary, and keeps the decoder from copying the frame before. Outside of
    training, what is dropped is a function of the seed and of the number of the frame
    alone, so that a text is always spoken in the same way, whatever stands beside it.

    Args:
        units: width of each layer.
        layers: how many.
        rate: share that is dropped.
        always: whether it drops outside of training too.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import Prenet
        >>> prenet, frames = Prenet(units=8), ops.ones((1, 3, 4))
        >>> whole, last = prenet(frames), prenet(frames[:, 2:], first=2)
        >>> bool(ops.all(whole[:, 2:] == last)), bool(ops.any(whole[:, 0] == 0))
        (True, True)
    """

    def __init__(
        self,
        units: int = 256,
        layers: int = 2,
        rate: float = 0.5,
        always: bool = True,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("layers", layers, 1, MAX_LAYERS)
        check_range("rate", rate, 0, 0.99)
        self.units = units
        self.layers = layers
        self.rate = rate
        self.always = always
        policy = self.dtype_policy
        self.denses = [
            keras.layers.Dense(units, "relu", dtype=policy, name=f"dense_{i}")
            for i in range(layers)
        ]
        self.drops = [
            keras.layers.Dropout(rate, dtype=policy, name=f"dropout_{i}")
            for i in range(layers)
        ]

    def build(self, input_shape: Shape, *_: Shape) -> None:
        width = input_shape[-1]
        for dense in self.denses:
            dense.build((None, None, width))
            width = self.units
        self.built = True

    def call(
        self,
        frames: Tensor,
        training: bool | None = None,
        first: Tensor | int = 0,
        seed: Tensor | int = 0,
    ) -> Tensor:
        """(B, U, units) of `frames` (B, U, D), numbered from `first` on."""
        x = ops.cast(frames, self.compute_dtype)
        drops = not training and self.rate and self.always
        kept = self._kept(first, ops.shape(x)[1], seed) if drops else None
        for i in range(self.layers):
            x = self.denses[i](x)
            if training:
                x = self.drops[i](x, training=True)
            elif kept is not None:
                x = x * kept[i]
        return x

    def _kept(
        self, first: Tensor | int, count: Tensor | int, seed: Tensor | int
    ) -> Tensor:
        """(layers, U, units) factors, 0 for what is dropped."""
        layer = ops.arange(self.layers, dtype="int32")[:, None, None]
        frame = ops.cast(first, "int32") + ops.arange(count, dtype="int32")[:, None]
        unit = ops.arange(self.units, dtype="int32")[None]
        drawn = uniform(threefry((ops.cast(seed, "int32"), layer), (frame, unit))[0])
        factor = ops.where(drawn > self.rate, 1 / (1 - self.rate), 0.0)
        return ops.cast(factor, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

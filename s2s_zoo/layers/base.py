"""The base of every layer of the zoo."""

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Self, Unpack

import keras

from s2s_zoo.parts import parameters
from s2s_zoo.typing import LayerKwargs, Tensor

MAX_LAYERS = 1000
"""Of a stack: those of the deepest published (Wang et al., 2022, arXiv 2203.00555)."""

MAX_SIZE = 2**31 - 1
"""Of a dimension of a tensor."""

CONTRACT = 3
"""Arguments of `call` that its contract names: two, and whether it is training."""


class ZooLayer(keras.layers.Layer):
    """A Keras layer whose configuration is its constructor's signature.

    Every constructor argument is kept under its own name; `get_config` reads them
    back, so no layer repeats its arguments.

    Attributes:
        computes_in_float32: whether it does so under any policy, and casts none of
            its inputs.

    Example:
        >>> from s2s_zoo.layers import ZooLayer
        >>> class Scale(ZooLayer):
        ...     def __init__(self, factor, **kwargs):
        ...         super().__init__(**kwargs)
        ...         self.factor = factor
        >>> Scale.from_config(Scale(3.0).get_config()).settings()
        {'factor': 3.0}
    """

    computes_in_float32: ClassVar[bool] = False

    def __init__(self, **kwargs: Unpack[LayerKwargs]) -> None:
        if self.computes_in_float32:
            kwargs |= {"dtype": "float32", "autocast": False}
        super().__init__(**kwargs)

    def add_weight(self, *args: Any, **kwargs: Any) -> keras.Variable:
        """As of Keras; a float32 layer reads its weights as they are, wherever it is.

        The layer around it may compute in float16, and Keras would cast them.
        """
        if self.computes_in_float32:
            kwargs.setdefault("autocast", False)
        return super().add_weight(*args, **kwargs)

    def settings(self) -> dict[str, Any]:
        """The constructor arguments: plain values and layers."""
        return {name: getattr(self, name) for name in parameters(type(self))}

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.settings()

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        def made(value: Any) -> Any:
            is_layer = isinstance(value, dict) and "class_name" in value
            return keras.saving.deserialize_keras_object(value) if is_layer else value

        return cls(**{name: made(value) for name, value in config.items()})

    @classmethod
    def reads(cls) -> tuple[str, ...]:
        """Inputs of a batch that `call` takes beside those of its contract.

        They are the arguments it has more, such as the `style` of a speaker.
        """
        _self, *names = inspect.signature(cls.call).parameters
        return tuple(names[CONTRACT:])

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        """Settings of a preset's `part` that make a tiny layer of this topology."""
        del part
        return {}


def given(layer: ZooLayer, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a layer `reads` of the inputs of a batch, as far as they are there."""
    return {name: inputs[name] for name in layer.reads() if name in inputs}

"""The base of every layer of the zoo."""

import inspect
from typing import Any

import keras


def constructor_arguments(cls: type) -> list[str]:
    """Names of the constructor arguments a class adds to `keras.layers.Layer`."""
    parameters = inspect.signature(cls.__init__).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.name != "self" and p.kind not in variadic]


class ZooLayer(keras.layers.Layer):
    """A Keras layer whose configuration is its constructor's signature.

    Every constructor argument is kept under its own name; `get_config` reads them
    back, so no layer repeats its arguments.
    """

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update({n: getattr(self, n) for n in constructor_arguments(type(self))})
        return config

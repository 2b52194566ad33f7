"""The base of every layer of the zoo."""

import inspect
from functools import partial
from typing import Any

import keras


def constructor_parameters(cls: type) -> dict[str, inspect.Parameter]:
    """The constructor arguments a class and its bases add to Keras' layers."""
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        if base is ZooLayer:
            break
        if "__init__" in vars(base):
            for parameter in inspect.signature(
                vars(base)["__init__"]
            ).parameters.values():
                if parameter.name != "self" and parameter.kind not in variadic:
                    found.setdefault(parameter.name, parameter)
    return found


class ZooLayer(keras.layers.Layer):
    """A Keras layer whose configuration is its constructor's signature.

    Every constructor argument is kept under its own name; `get_config` reads them
    back, so no layer repeats its arguments.
    """

    def settings(self) -> dict[str, Any]:
        """The constructor arguments, as plain values."""
        return {
            name: getattr(self, name) for name in constructor_parameters(type(self))
        }

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.settings()

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        """Settings of a preset, by path, that make a tiny layer of this topology."""
        del part
        return {}

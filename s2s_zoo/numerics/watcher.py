"""One training step seen from inside: what each layer gives and what comes back.

Each watched layer gets a *token*, a small variable that takes no part in the model.
The output of the layer passes through an identity whose gradient with respect to the
token is, by decree, the tally of the output and of the gradient that reaches it. So
the ordinary compiled training step of Keras hands both out as a gradient, on every
backend, and no tensor leaves the device.
"""

import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.checkpoints import host_random_state, set_host_random_state
from s2s_zoo.numerics.exponents import TALLY, Exponents, tally
from s2s_zoo.optimizers.gradients import dense
from s2s_zoo.precision import PARTS
from s2s_zoo.typing import Tensor


@dataclass(frozen=True)
class LayerNumbers:
    """The numbers of a layer in one step.

    Attributes:
        dtype: in which the layer computes.
        activation: of what it gives.
        gradient: of what its output receives, divided by the loss scale.
        weights: of the gradients of its own weights, divided by the loss scale; None
            where it has none or they are float32 under every policy.
    """

    dtype: str
    activation: Exponents
    gradient: Exponents
    weights: Exponents | None


@dataclass(frozen=True)
class StepNumbers:
    """The numbers of one step.

    Attributes:
        loss: of the batch.
        layers: by path, in the order they are done.
    """

    loss: float
    layers: dict[str, LayerNumbers]

    def overflow(self) -> tuple[str, str] | None:
        """What is first not finite: forward to the loss, then backward from it.

        Returns:
            The path of a layer, "loss" for the loss itself, and which of its numbers:
            "activation", "gradient" or "weights"; None where all are finite.
        """
        for path, numbers in self.layers.items():
            if numbers.activation.non_finite:
                return path, "activation"
        if not np.isfinite(self.loss):
            return "loss", "activation"
        for path, numbers in reversed(self.layers.items()):
            if numbers.gradient.non_finite:
                return path, "gradient"
            if numbers.weights and numbers.weights.non_finite:
                return path, "weights"
        return None


class Watcher:
    """Runs steps of a model for their numbers and leaves the model as it was.

    Args:
        model: built and compiled, with a `compute_loss` of its own.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.layers = watched_layers(model)
        self.watched = _Watched(model, self.layers)
        self.keeper = _TallyKeeper({id(t) for t in self.watched.tokens.values()})
        self.watched.compile(
            optimizer=self.keeper, auto_scale_loss=False, jit_compile=model.jit_compile
        )

    def watch(self, inputs: Any, target: Any, scale: float) -> StepNumbers:
        """The numbers of a step on a batch whose loss is multiplied by `scale`."""
        self.watched.scale.assign(scale)
        with _undone(self.model):
            self.keeper.build(self.watched.trainable_variables)
            self.keeper.scale.assign(scale)
            with warnings.catch_warnings():  # some layers may not have been called
                warnings.filterwarnings("ignore", "Gradients do not exist")
                logs = self.watched.train_on_batch(inputs, target, return_dict=True)
        found = self.keeper.found()
        return StepNumbers(
            float(logs["loss"]),
            {path: self._numbers(path, found) for path in self.watched.order},
        )

    def _numbers(self, path: str, found: dict[int, NDArray[Any]]) -> LayerNumbers:
        layer, token = self.layers[path], self.watched.tokens[path]
        activation, gradient = map(Exponents.from_tally, found[id(token)])
        own = [
            Exponents.from_tally(found[id(variable)])
            for variable in own_variables(layer)
            if variable._autocast
        ]
        weights = functools.reduce(Exponents.__add__, own) if own else None
        return LayerNumbers(layer.compute_dtype, activation, gradient, weights)


def watched_layers(model: keras.Model) -> dict[str, keras.Layer]:
    """The layers that are watched, by their path in the model.

    These are the layers that hold weights of their own or no other layer, in the
    parts of the model that learn; a Keras RNN is watched as a whole.
    """
    names = {id(getattr(model, name, None)): name for name in PARTS}
    found: dict[str, keras.Layer] = {}
    for part in _sublayers(model):
        if part.trainable_variables:
            _walk(part, names.get(id(part), part.name), found)
    return found


def _walk(layer: keras.Layer, path: str, found: dict[str, keras.Layer]) -> None:
    if not _sublayers(layer) or own_variables(layer):
        found[path] = layer
    for child in _sublayers(layer):
        _walk(child, f"{path}/{child.name}", found)


def _sublayers(layer: keras.Layer) -> list[keras.Layer]:
    if isinstance(layer, keras.layers.RNN):
        return []
    return layer._flatten_layers(include_self=False, recursive=False)


def own_variables(layer: keras.Layer) -> list[keras.Variable]:
    """The trainable variables of a layer that none of its watched sublayers has."""
    inherited = {
        id(v) for child in _sublayers(layer) for v in child.trainable_variables
    }
    return [v for v in layer.trainable_variables if id(v) not in inherited]


class _Watched(keras.Model):
    """A model whose layers tell their numbers to tokens."""

    def __init__(self, model: keras.Model, layers: dict[str, keras.Layer]) -> None:
        super().__init__(name="watched", autocast=False)
        self.model = model
        self.order: tuple[str, ...] = ()
        self.scale = self._variable("scale", (), trainable=False)
        self.tokens = {
            path: self._variable(f"token_{i}", (2, TALLY))
            for i, path in enumerate(layers)
        }
        self.built = True

    def _variable(
        self, name: str, shape: tuple[int, ...], trainable: bool = True
    ) -> keras.Variable:
        return self.add_weight(
            shape=shape,
            initializer="ones",
            dtype="float32",
            autocast=False,
            trainable=trainable,
            name=name,
        )

    def call(self, inputs: Any) -> Any:
        layers = watched_layers(self.model)
        order: dict[str, None] = {}
        scale = ops.convert_to_tensor(self.scale)

        def tap(path: str, output: Tensor) -> Tensor:
            order[path] = None
            token = ops.convert_to_tensor(self.tokens[path])
            return _told(output, token, scale)

        with _tapped(layers, tap):
            outputs = self.model(inputs, training=True)
        self.order = tuple(order)
        return outputs

    def compute_loss(self, *args: Any, **kwargs: Any) -> Tensor:
        # JAX hands the losses that layers add to the outermost model
        self.model._losses_override = self._losses_override
        return self.model.compute_loss(*args, **kwargs)


@ops.custom_gradient
def _told(output: Tensor, token: Tensor, scale: Tensor) -> Any:
    """`output`; the gradient of `token` is what there is to tell."""

    def backward(*args: Tensor, upstream: Tensor | None = None) -> tuple[Tensor, ...]:
        gradient = args[0] if upstream is None else upstream
        unscaled = ops.cast(gradient, "float32") / scale
        told = ops.stack([tally(output), tally(unscaled)])
        return gradient, told, ops.zeros_like(scale)

    return ops.copy(output), backward


class _TallyKeeper(keras.optimizers.Optimizer):
    """Keeps tallies of gradients, divided by the loss scale, and applies none.

    Args:
        tokens: ids of the variables whose gradients are tallies already.
    """

    def __init__(self, tokens: set[int]) -> None:
        super().__init__(learning_rate=0.0, name="tally_keeper")
        self.tokens = tokens

    def build(self, variables: list[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self.scale = self.add_variable((), name="scale", dtype="float32")
        self.slots = [
            self.add_variable(self._shape(v), name=f"tally_{i}", dtype="float32")
            for i, v in enumerate(variables)
        ]

    def _shape(self, variable: keras.Variable) -> tuple[int, ...]:
        return tuple(variable.shape) if id(variable) in self.tokens else (TALLY,)

    def scale_loss(self, loss: Tensor) -> Tensor:
        return loss * ops.convert_to_tensor(self.scale)

    def update_step(
        self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor
    ) -> None:
        slot = self.slots[self._get_variable_index(variable)]
        if len(slot.shape) == 1:  # of a weight; that of a token is a tally already
            scale = ops.convert_to_tensor(self.scale)
            gradient = tally(dense(gradient, variable) / scale)
        self.assign(slot, gradient)

    def found(self) -> dict[int, NDArray[Any]]:
        """What was kept, by the id of the variable."""
        pairs = zip(self._trainable_variables, self.slots, strict=True)
        return {id(v): ops.convert_to_numpy(slot) for v, slot in pairs}


@contextmanager
def _tapped(
    layers: dict[str, keras.Layer], tap: Callable[[str, Tensor], Tensor]
) -> Iterator[None]:
    """Pass what each layer gives through `tap(path, output)`."""
    for path, layer in layers.items():
        vars(layer)["call"] = _with_tap(layer.call, partial(tap, path))
    try:
        yield
    finally:
        for layer in layers.values():
            del vars(layer)["call"]


def _with_tap(
    call: Callable[..., Any], tap: Callable[[Tensor], Tensor]
) -> Callable[..., Any]:
    @functools.wraps(call)
    def tapped(*args: Any, **kwargs: Any) -> Any:
        outputs = call(*args, **kwargs)
        if args and outputs is args[0]:  # dropout of nothing, say
            return outputs
        return keras.tree.map_structure(
            lambda x: tap(x) if _is_float(x) else x, outputs
        )

    return tapped


def _is_float(x: Any) -> bool:
    return ops.is_tensor(x) and keras.backend.is_float_dtype(x.dtype)


@contextmanager
def _undone(model: keras.Model) -> Iterator[None]:
    """Give running statistics and random states their values back afterwards."""
    variables = model.non_trainable_variables
    values = [np.array(ops.convert_to_numpy(v)) for v in variables]
    host = host_random_state()
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        set_host_random_state(host)

"""What PyTorch compiles: the one place that knows how."""

import os
import shutil
from collections.abc import Callable
from typing import Any

import keras

from s2s_zoo.errors import UserError

COMPILERS = ("g++", "clang++", "cl")


class CompiledLoop:
    """Runs a loop whose step is one function that `torch.compile` made.

    One is made for each shape of what the loop is given: in seconds when PyTorch has
    it on disk, in half a minute when not. The step is traced first, since what
    `torch.compile` reads of Keras layers it reads for minutes. It must do the same
    whenever it is given tensors of the same shapes; of what else it reads only the
    values of weights may change.

    Args:
        backend: of `torch.compile`.

    Raises:
        UserError: PyTorch finds no C++ compiler.
    """

    def __init__(self, backend: str = "inductor") -> None:
        if backend == "inductor":
            _require_compiler()
        self.backend = backend
        self._steps: dict[Any, Callable[..., Any]] = {}

    def __len__(self) -> int:
        """Steps made so far."""
        return len(self._steps)

    def __call__(
        self,
        condition: Callable[..., Any],
        body: Callable[..., Any],
        fixed: Any,
        carried: tuple[Any, ...],
    ) -> tuple[Any, ...]:
        """Step while `condition(fixed, *carried)` holds.

        Args:
            condition: gives a bool scalar.
            body: gives what is carried after a step.
            fixed: a tree of tensors and plain values.
            carried: trees of tensors.
        """
        import torch

        with torch.no_grad():
            given, values = _tensors(fixed), _tensors(carried)
            step = self._step(condition, body, (fixed, carried), [*given, *values])
            again = condition(fixed, *carried)
            while again:
                again, *values = step(*given, *values)
        return keras.tree.pack_sequence_as(carried, values)

    def _step(
        self,
        condition: Callable[..., Any],
        body: Callable[..., Any],
        trees: tuple[Any, tuple[Any, ...]],
        flat: list[Any],
    ) -> Callable[..., Any]:
        """The step for the shapes of the `flat` tensors of the `trees`, of such."""
        import torch

        key = tuple((value.shape, value.dtype) for value in flat)
        if key not in self._steps:

            def step(*values: Any) -> list[Any]:
                constant, before = _filled(trees, values)
                after = body(constant, *before)
                return [condition(constant, *after), *_tensors(after)]

            traced = _traced(step, flat)
            self._steps[key] = torch.compile(
                traced, backend=self.backend, dynamic=False
            )
        return self._steps[key]


def _require_compiler() -> None:
    names = [os.environ["CXX"]] if os.environ.get("CXX") else COMPILERS
    if not any(map(shutil.which, names)):
        raise UserError(
            "PyTorch compiles with the C++ compiler that CXX names or, where it names "
            f"none, one of {', '.join(COMPILERS)}. Received: no {' or '.join(names)}"
        )


def _traced(function: Callable[..., Any], values: list[Any]) -> Any:
    from torch.fx.experimental.proxy_tensor import make_fx

    graph = make_fx(function)(*values)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


def _tensors(tree: Any) -> list[Any]:
    """The tensors of a tree, each an object of its own: tracing goes by those."""
    found = filter(keras.ops.is_tensor, keras.tree.flatten(tree))
    return [tensor.detach().contiguous() for tensor in found]


def _filled(tree: Any, values: tuple[Any, ...]) -> Any:
    """The tree with `values` instead of its tensors."""
    rest = iter(values)
    return keras.tree.map_structure(
        lambda leaf: next(rest) if keras.ops.is_tensor(leaf) else leaf, tree
    )

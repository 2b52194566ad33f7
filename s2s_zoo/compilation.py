"""What PyTorch compiles: the one place that knows how."""

import os
import shutil
import sys
import threading
from collections.abc import Callable
from typing import Any

import keras

from s2s_zoo.errors import UserError

COMPILERS = {"darwin": "clang++", "win32": "cl"}
INDUCTOR = {"realize_opcount_threshold": 8}
"""What takes eight operations is computed once, not wherever it is read."""

TRACING = threading.RLock()
"""Tracing replaces what all modules of the process do when called."""


class CompiledLoop:
    """Runs loops, each as one function that `torch.compile` made.

    One is made for each shape of the tensors and each choice of plain values a loop
    is given: in seconds when PyTorch has it on disk, in half a minute when not.
    Condition and body are traced first, since what `torch.compile` reads of Keras
    layers it reads for minutes. What they do must follow from what they are given
    and from weights, which may change in place. Threads take turns.

    Args:
        backend: of `torch.compile`.

    Raises:
        UserError: PyTorch finds no C++ compiler.
    """

    def __init__(self, backend: str = "inductor") -> None:
        if backend == "inductor":
            _require_compiler()
        self.backend = backend
        self._functions: dict[Any, Callable[..., Any]] = {}

    def __len__(self) -> int:
        """Functions made so far."""
        return len(self._functions)

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
            fixed: a tree of tensors and of plain values that can be hashed.
            carried: trees of tensors.
        """
        import torch

        inputs = (carried, fixed)
        key = tuple(map(_kind, keras.tree.flatten(inputs)))
        with TRACING, torch.no_grad():
            tensors = _tensors(inputs)
            if key not in self._functions:
                made = self._compiled(condition, body, inputs, tensors)
                self._functions[key] = made
            return keras.tree.pack_sequence_as(carried, self._functions[key](*tensors))

    def _compiled(
        self,
        condition: Callable[..., Any],
        body: Callable[..., Any],
        inputs: tuple[tuple[Any, ...], Any],
        tensors: list[Any],
    ) -> Callable[..., Any]:
        """The loop for `tensors`, which are those of `inputs` in their order."""
        import torch

        def holds(*values: Any) -> Any:
            carried, fixed = _filled(inputs, values)
            return condition(fixed, *carried).clone()

        def step(*values: Any) -> tuple[Any, ...]:
            carried, fixed = _filled(inputs, values)
            return tuple(map(_copy, keras.tree.flatten(body(fixed, *carried))))

        count = len(keras.tree.flatten(inputs[0]))
        loop = _while(_traced(holds, tensors), _traced(step, tensors), count, tensors)
        options = INDUCTOR if self.backend == "inductor" else None
        return torch.compile(
            loop, backend=self.backend, options=options, dynamic=False, fullgraph=True
        )


def _require_compiler() -> None:
    name = os.environ.get("CXX") or COMPILERS.get(sys.platform, "g++")
    if not shutil.which(name):
        raise UserError(
            "PyTorch compiles with the C++ compiler that CXX names, with g++ (clang++ "
            f"on macOS, cl on Windows) where it names none. Received: no {name}"
        )


def _kind(leaf: Any) -> Any:
    """What a function is made for: a tensor like this one, or this very value."""
    if keras.ops.is_tensor(leaf):
        return leaf.shape, leaf.dtype, leaf.device
    return leaf


def _traced(function: Callable[..., Any], tensors: list[Any]) -> Any:
    from torch.fx.experimental.proxy_tensor import make_fx

    graph = make_fx(function)(*tensors)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


def _while(condition: Any, body: Any, count: int, tensors: list[Any]) -> Any:
    """A loop of graphs as a graph, in which the first `count` of `tensors` change."""
    import torch

    graph = torch.fx.Graph()
    names = [graph.placeholder(f"tensor_{i}") for i in range(len(tensors))]
    parts = (graph.get_attr("condition"), graph.get_attr("body"))
    inputs = (tuple(names[:count]), tuple(names[count:]))
    graph.output(graph.call_function(torch.ops.higher_order.while_loop, parts + inputs))
    return torch.fx.GraphModule({"condition": condition, "body": body}, graph)


def _tensors(tree: Any) -> list[Any]:
    """Copies of the tensors of a tree: none may share memory with another."""
    found = filter(keras.ops.is_tensor, keras.tree.flatten(tree))
    return [_copy(tensor.detach()) for tensor in found]


def _copy(tensor: Any) -> Any:
    import torch

    return tensor.clone(memory_format=torch.contiguous_format)


def _filled(tree: Any, values: tuple[Any, ...]) -> Any:
    """The tree with `values` instead of its tensors."""
    rest = iter(values)
    leaves = keras.tree.flatten(tree)
    leaves = [next(rest) if keras.ops.is_tensor(leaf) else leaf for leaf in leaves]
    return keras.tree.pack_sequence_as(tree, leaves)

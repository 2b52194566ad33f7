"""What PyTorch compiles: the one place that knows how."""

import os
import shutil
from collections.abc import Callable
from typing import Any

import keras

from s2s_zoo.errors import UserError

COMPILERS = ("g++", "clang++", "cl")
INDUCTOR = {"realize_opcount_threshold": 8}
"""What takes eight operations is computed once, not wherever it is read."""


class CompiledLoop:
    """Runs a loop as one function that `torch.compile` made.

    One is made for each shape of what the loop is given: in seconds when PyTorch has
    it on disk, in half a minute when not. Condition and body are traced first, since
    what `torch.compile` reads of Keras layers it reads for minutes. They must do the
    same whenever they are given tensors of the same shapes; of what else they read
    only the values of weights may change.

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
            fixed: a tree of tensors and plain values.
            carried: trees of tensors.
        """
        import torch

        given = (carried, fixed)
        with torch.no_grad():
            values = _tensors(given)
            key = tuple((value.shape, value.dtype) for value in values)
            if key not in self._functions:
                self._functions[key] = self._compiled(condition, body, given, values)
            return keras.tree.pack_sequence_as(carried, self._functions[key](*values))

    def _compiled(
        self,
        condition: Callable[..., Any],
        body: Callable[..., Any],
        given: tuple[tuple[Any, ...], Any],
        values: list[Any],
    ) -> Callable[..., Any]:
        """The loop for tensors like `values`, which are those of `given`."""
        import torch

        def holds(*values: Any) -> Any:
            carried, fixed = _filled(given, values)
            return condition(fixed, *carried).clone()

        def after(*values: Any) -> tuple[Any, ...]:
            carried, fixed = _filled(given, values)
            return tuple(map(_copy, keras.tree.flatten(body(fixed, *carried))))

        count = len(keras.tree.flatten(given[0]))
        loop = _while(_traced(holds, values), _traced(after, values), count, values)
        options = INDUCTOR if self.backend == "inductor" else None
        return torch.compile(
            loop, backend=self.backend, options=options, dynamic=False, fullgraph=True
        )


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


def _while(condition: Any, body: Any, count: int, values: list[Any]) -> Any:
    """A loop of graphs as a graph, in which the first `count` of `values` change."""
    import torch

    graph = torch.fx.Graph()
    names = [graph.placeholder(f"value_{i}") for i in range(len(values))]
    parts = (graph.get_attr("condition"), graph.get_attr("body"))
    inputs = (tuple(names[:count]), tuple(names[count:]))
    graph.output(graph.call_function(torch.ops.higher_order.while_loop, parts + inputs))
    return torch.fx.GraphModule({"condition": condition, "body": body}, graph)


def _tensors(tree: Any) -> list[Any]:
    """The tensors of a tree, each in memory of its own."""
    found, places = [], set()
    for tensor in filter(keras.ops.is_tensor, keras.tree.flatten(tree)):
        own = tensor.detach().contiguous()
        place = own.untyped_storage().data_ptr()
        found.append(_copy(own) if place in places else own)
        places.add(place)
    return found


def _copy(tensor: Any) -> Any:
    import torch

    return tensor.clone(memory_format=torch.contiguous_format)


def _filled(tree: Any, values: tuple[Any, ...]) -> Any:
    """The tree with `values` instead of its tensors."""
    rest = iter(values)
    return keras.tree.map_structure(
        lambda leaf: next(rest) if keras.ops.is_tensor(leaf) else leaf, tree
    )

"""The contract of objectives: a sum over a batch, and what it is the mean over."""

import abc
from dataclasses import dataclass

from keras import ops

from s2s_zoo.parts import PlainPart
from s2s_zoo.typing import Arrays, Tensor, Tensors


@dataclass(frozen=True)
class Objective(PlainPart, abc.ABC):
    """What training minimizes: a sum, divided by how much it was summed over.

    Sum and weight of a batch are those of its parts added up, so that gradients may be
    accumulated, shared among devices, and losses of batches averaged.

    Example:
        >>> from dataclasses import dataclass
        >>> from keras import ops
        >>> from s2s_zoo.losses import Objective
        >>> @dataclass(frozen=True)
        ... class Distance(Objective):
        ...     def __call__(self, target, output):
        ...         return ops.sum(ops.abs(output["frames"] - target["frames"]))
        ...     def weight_in_graph(self, target, output):
        ...         return ops.cast(ops.size(target["frames"]), "float32")
        ...     def weight(self, inputs, target):
        ...         return float(target["frames"].size)
        >>> target = {"frames": ops.ones((1, 5, 4))}
        >>> float(Distance().mean(target, {"frames": ops.zeros((1, 5, 4))}))
        1.0
    """

    @abc.abstractmethod
    def __call__(self, target: Tensors, output: Tensors) -> Tensor:
        """Float32 scalar: the sum over what the weight counts.

        Args:
            target: of a batch, as the task's batches give it.
            output: what the model gave, with the `mask` (B, T) of the memory.
        """

    @abc.abstractmethod
    def weight_in_graph(self, target: Tensors, output: Tensors) -> Tensor:
        """Float32 scalar: how many utterances, tokens or frames the batch has."""

    @abc.abstractmethod
    def weight(self, inputs: Arrays, target: Arrays) -> float:
        """The same on the host, before the batch goes through the model."""

    def mean(self, target: Tensors, output: Tensors) -> Tensor:
        """The sum over its weight; 0 for a batch of nothing."""
        target = as_tensors(target)
        weight = self.weight_in_graph(target, output)
        return self(target, output) / ops.where(weight > 0, weight, 1.0)


def as_tensors(arrays: Tensors) -> Tensors:
    """Arrays as tensors of the backend, which mix with those a model gave."""
    return {name: ops.convert_to_tensor(array) for name, array in arrays.items()}

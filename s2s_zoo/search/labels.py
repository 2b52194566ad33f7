"""The likeliest classes of a classifier."""

from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from s2s_zoo.search.base import Hypothesis, Search, integer
from s2s_zoo.typing import Arrays


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class BestLabels(Search):
    """The classes of an example by their probability; there is nothing to search.

    A score is the natural logarithm of a probability.

    Attributes:
        top: how many are told.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.search import BestLabels
        >>> output = {"logits": ops.array([[0.0, 2.0, 1.0]]),
        ...           "mask": ops.ones((1, 4), "bool")}
        >>> [found] = BestLabels(top=2).read(output)
        >>> [(hypothesis.tokens.tolist(), f"{hypothesis.score:.3f}")
        ...  for hypothesis in found]
        [([1], '-0.408'), ([2], '-1.408')]
    """

    family: ClassVar[str] = "labels"

    top: int = integer(5, low=1)

    @property
    def signature(self) -> str:
        return "label:best"

    def read(self, output: Arrays) -> list[list[Hypothesis]]:
        """Of equally likely classes the first comes first; none without a source."""
        logits = ops.cast(output["logits"], "float32")
        scores = ops.convert_to_numpy(ops.log_softmax(logits, axis=-1))
        order = np.argsort(-scores, axis=-1, kind="stable")[:, : self.top]
        is_real = ops.convert_to_numpy(output["mask"]).any(axis=1)
        return [
            [Hypothesis(np.array([c]), float(row[c])) for c in best] if real else []
            for row, best, real in zip(scores, order, is_real, strict=True)
        ]

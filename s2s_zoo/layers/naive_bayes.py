"""Naive Bayes over tokens and pairs of them."""

from collections.abc import Iterable
from typing import Any, Unpack

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_SIZE, ZooLayer
from s2s_zoo.typing import LayerKwargs, Tensor

MULTIPLIER = 4093
MAX_BUCKETS = 2**18
"""Up to it, the hash of a pair stays within 32 bits."""


@keras.saving.register_keras_serializable("s2s_zoo")
class NaiveBayes(ZooLayer):
    """Log-probabilities of classes given which tokens and pairs of tokens a text has.

    Binarized multinomial naive Bayes with add-one smoothing (Wang and Manning, 2012,
    "Baselines and Bigrams"): it is counted, not trained. What no text had says
    nothing. Pairs of neighbours share their buckets by a hash.

    Args:
        classes: C.
        buckets: H, for tokens and once more for pairs.

    Example:
        >>> import numpy as np
        >>> from s2s_zoo.layers.naive_bayes import NaiveBayes
        >>> model = NaiveBayes(classes=2, buckets=64)
        >>> model.build()
        >>> texts, lengths = np.array([[5, 6], [7, 0]]), np.array([2, 1])
        >>> model.count([(texts, lengths, np.array([0, 1]))])
        >>> np.argmax(model(texts, lengths), axis=1).tolist()
        [0, 1]
    """

    computes_in_float32 = True

    def __init__(
        self, classes: int, buckets: int = MAX_BUCKETS, **kwargs: Unpack[LayerKwargs]
    ) -> None:
        super().__init__(**kwargs)
        check_range("classes", classes, 1, MAX_SIZE)
        check_range("buckets", buckets, 1, MAX_BUCKETS)
        self.classes = classes
        self.buckets = buckets

    def build(self, *_: Any) -> None:
        options = {"initializer": "zeros", "dtype": "float32", "trainable": False}
        shape = (2 * self.buckets + 1, self.classes)
        self.table = self.add_weight(shape, name="table", **options)
        self.prior = self.add_weight((self.classes,), name="prior", **options)

    def call(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """(B, C) float32, up to a constant of each text.

        Args:
            tokens: (B, T) int32.
            lengths: (B,) int32.
        """
        grams = ops.sort(self.grams(tokens, lengths), axis=1)
        first = ops.ones_like(grams[:, :1], dtype="bool")
        is_new = ops.concatenate([first, grams[:, 1:] != grams[:, :-1]], axis=1)
        found = ops.take(self.table, grams, axis=0)
        return self.prior + ops.sum(ops.where(is_new[..., None], found, 0.0), axis=1)

    def grams(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """(B, 2T - 1) int32 rows of the table; the last one where there is no token."""
        lengths = ops.cast(lengths, "int32")
        tokens = ops.mod(ops.cast(tokens, "int32"), self.buckets)
        mixed = ops.mod(tokens[:, :-1] * MULTIPLIER + tokens[:, 1:], self.buckets)
        both = ops.concatenate([tokens, self.buckets + mixed], axis=1)
        place = ops.arange(ops.shape(tokens)[1])
        end = ops.concatenate([place, place[1:]])
        return ops.where(end < lengths[:, None], both, 2 * self.buckets)

    def count(
        self, texts: Iterable[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]
    ) -> None:
        """Take the probabilities of texts, in the place of those it had.

        Args:
            texts: batches of tokens, lengths and numbers of classes (B,), of which a
                negative one leaves a text out.
        """
        counts = np.zeros((2 * self.buckets + 1, self.classes))
        of_class = np.zeros(self.classes)
        for tokens, lengths, classes in texts:
            grams = ops.convert_to_numpy(self.grams(tokens, lengths))
            for row, label in zip(grams, classes, strict=True):
                if label >= 0:
                    counts[np.unique(row), label] += 1
                    of_class[label] += 1
        counts[-1] = 0
        self.table.assign(_centred(_log_probabilities(counts), counts.sum(1) > 0))
        self.prior.assign(_centred(np.log(of_class + 1)[None], np.array([True]))[0])


def _log_probabilities(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(G, C) of grams given a class, of their counts, with one more of each seen."""
    seen = np.count_nonzero(counts.sum(1))
    return np.log(counts + 1) - np.log(counts.sum(0) + seen)


def _centred(
    values: NDArray[np.float64], known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Values (G, C) less their mean over classes; zero where nothing is known."""
    return np.where(known[:, None], values - values.mean(1, keepdims=True), 0.0)

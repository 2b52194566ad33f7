"""The head of a classifier of texts, joined by naive Bayes."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import keras

from s2s_zoo.decoders.base import Batched
from s2s_zoo.decoders.classifier import ClassifierDecoder
from s2s_zoo.errors import check_range
from s2s_zoo.features.base import Features
from s2s_zoo.layers.naive_bayes import MAX_BUCKETS, NaiveBayes
from s2s_zoo.typing import EncoderOutput, Shape, Tensor, Tensors

SCALED_BUCKETS = 64


@keras.saving.register_keras_serializable("s2s_zoo")
class BayesianClassifierDecoder(ClassifierDecoder):
    """A `ClassifierDecoder` whose scores are added to those of naive Bayes.

    *logits = scores + bayes · log p(class | tokens, pairs of tokens)*: a log-linear
    combination of a discriminative and a generative model, whose errors differ
    (Mesnil et al., 2014, https://arxiv.org/abs/1412.5335). Naive Bayes is counted over
    the training texts before the first step; the classifier is trained without it.

    Args:
        classes: C.
        bayes: the share of naive Bayes.
        buckets: of its tokens, and of its pairs, see `s2s_zoo.layers.NaiveBayes`.
        options: of `ClassifierDecoder`.

    Example:
        >>> import numpy as np
        >>> from s2s_zoo.decoders import BayesianClassifierDecoder
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> decoder = BayesianClassifierDecoder(classes=2, bayes=9.0)
        >>> decoder.build(EncoderOutput((None, None, 4), (None, None)))
        >>> texts = {"source": np.array([[5], [7]]), "source_lengths": np.ones(2)}
        >>> decoder.adapt([(texts, {"target": np.array([[1], [0]])})])
        >>> memory = EncoderOutput(np.ones((2, 1, 4)), np.ones((2, 1), "bool"))
        >>> np.argmax(decoder(None, memory, **texts)["logits"], axis=1).tolist()
        [1, 0]
    """

    def __init__(
        self,
        classes: int,
        bayes: float = 0.3,
        buckets: int = MAX_BUCKETS,
        **options: Any,
    ) -> None:
        super().__init__(classes, **options)
        check_range("bayes", bayes, 0, 1000)
        self.bayes = bayes
        self.buckets = buckets
        self.naive_bayes = NaiveBayes(classes, buckets, name="naive_bayes")

    def follow(self, features: Features, encoder: Any) -> None:
        if features.table is None:
            kind = type(features).__name__
            raise ValueError(f"naive Bayes reads tokens. Received: {kind}")

    def build(self, memory_shape: EncoderOutput, *shapes: Shape) -> None:
        super().build(memory_shape, *shapes)
        self.naive_bayes.build()

    def adapt(self, examples: Iterable[Batched]) -> None:
        """Count the tokens of the training texts."""
        self.naive_bayes.count(
            (inputs["source"], inputs["source_lengths"], target["target"][:, 0])
            for inputs, target in examples
        )

    def call(
        self,
        targets: Tensor | None,
        memory: EncoderOutput,
        training: bool | None = None,
        source: Tensor | None = None,
        source_lengths: Tensor | None = None,
    ) -> Tensors:
        """`logits` (B, C) float32 of `memory` and of the tokens `source` (B, T)."""
        found = super().call(targets, memory, training=training)
        if training or source is None:
            return found
        votes = self.naive_bayes(source, source_lengths)
        return {"logits": found["logits"] + self.bayes * votes}

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        few = {"buckets": SCALED_BUCKETS}
        return ClassifierDecoder.scaled_settings(part) | few

"""Which class a text is of: sentiment, topics, intents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.labelled import Labelled
from s2s_zoo.data.labelled_text import LabelledTextBatches
from s2s_zoo.data.plan import MAX_BUCKETS
from s2s_zoo.data.text_codec import KerasHubCodec, PieceCodec, TextCodec
from s2s_zoo.data.tokenizer import Tokenizer, read_tokenizer
from s2s_zoo.data.words import learn_words
from s2s_zoo.errors import UserError, check_range
from s2s_zoo.hub import TOKENIZER
from s2s_zoo.layers.base import MAX_SIZE
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import TASKS
from s2s_zoo.search.base import Search
from s2s_zoo.tasks.base import Unit
from s2s_zoo.tasks.classification import ASSET, Classification
from s2s_zoo.tasks.label_reader import LabelReader
from s2s_zoo.tasks.serving import Reader, Serving
from s2s_zoo.typing import Arrays
from s2s_zoo.vocabulary import SPECIAL_PIECES

FIRST = len(SPECIAL_PIECES)
SCALED_VOCABULARY = 32
SAMPLES = ("a", "a b c", "a b c d e f g")


@dataclass(frozen=True)
class TextClassification(Classification):
    """Texts to labels, in tokens that are learned from the training texts.

    Attributes:
        demo_corpus: corpus trained on when no data is named.
        tokenizer: "word" (the most frequent words), "unigram", "bpe" or "char" of
            SentencePiece, or "keras_hub".
        tokenizer_file: SentencePiece model, instead of learning one; for "keras_hub"
            the name of a preset, or a local preset directory.
        vocabulary: tokens of a tokenizer that is learned, the four special ones
            included; of words, at most.
        subword_dropout: cuts texts at random in training, see
            `s2s_zoo.data.tokenizer.Tokenizer.encode_randomly`.
        max_tokens: longer texts are cut there.
        buckets: static shapes the batches have at most.
        codec: learned or given; None before training.

    Example:
        >>> from s2s_zoo.data.labelled import Labelled
        >>> from s2s_zoo.tasks import TextClassification
        >>> examples = [Labelled("1", "a fine film", "good")]
        >>> examples += [Labelled("2", "no", "bad")]
        >>> task = TextClassification(tokenizer="word", vocabulary=8).fit(examples)
        >>> task.labels, task.batches(examples).tokens[1].tolist()
        (('bad', 'good'), [7, 1])
    """

    name: ClassVar[str] = "text_classification"
    unit: ClassVar[Unit] = Unit("tokens", "tokens_per_second", " tokens/s")
    kind: ClassVar[str] = "labelled_texts"
    evaluation_budget: ClassVar[float] = 16384.0

    demo_corpus: str = "demo_reviews"
    classes: int = 2
    tokenizer: Literal["unigram", "bpe", "word", "char", "keras_hub"] = "unigram"
    tokenizer_file: str = ""
    vocabulary: int = 8192
    subword_dropout: float = 0.0
    max_tokens: int = 256
    buckets: int = 4
    codec: TextCodec | None = field(
        default=None, repr=False, metadata={"setting": False}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("vocabulary", self.vocabulary, FIRST, MAX_SIZE)
        check_range("subword_dropout", self.subword_dropout, 0, 1)
        check_range("max_tokens", self.max_tokens, FIRST, MAX_SIZE)
        check_range("buckets", self.buckets, 1, MAX_BUCKETS)

    @property
    def vocabulary_size(self) -> int:
        return self.codec.size if self.codec else self.vocabulary

    def offers(self, budget: float) -> dict[str, dict[str, Any]]:
        found = super().offers(budget)
        return {**found, "features": {"vocabulary_size": self.vocabulary_size}}

    def scaled_settings(self) -> dict[str, Any]:
        return {"vocabulary": min(self.vocabulary, SCALED_VOCABULARY)}

    def fit(self, examples: Sequence[Labelled]) -> Self:
        """The task with labels, and a tokenizer unless it has one."""
        codec = self.codec or self._codec(examples)
        if self.subword_dropout and not _is_cut_at_random(codec):
            raise UserError(
                "task.subword_dropout is 0 for tokenizers of keras-hub and for those "
                f"with user-defined pieces. Received: {self.subword_dropout}"
            )
        return replace(super().fit(examples), codec=codec)

    def _codec(self, examples: Sequence[Labelled]) -> TextCodec:
        if self.tokenizer == "keras_hub":
            return KerasHubCodec.of_preset(self.tokenizer_file)
        if self.tokenizer_file:
            return PieceCodec(read_tokenizer(Path(self.tokenizer_file).expanduser()))
        texts = (str(example.source) for example in examples)
        if self.tokenizer == "word":
            return PieceCodec(learn_words(texts, self.vocabulary))
        return PieceCodec(Tokenizer.train(texts, self.vocabulary, self.tokenizer))

    def assets(self) -> dict[str, bytes]:
        return super().assets() | (self.codec.assets if self.codec else {})

    def with_assets(self, assets: Mapping[str, bytes]) -> Self:
        found = super().with_assets(assets)
        files = {n: content for n, content in assets.items() if n != ASSET}
        if not files:
            return found
        is_hub = any(name.startswith(TOKENIZER) for name in files)
        kind = KerasHubCodec if is_hub else PieceCodec
        return replace(found, codec=kind.from_assets(files))

    @property
    def fitted(self) -> TextCodec:
        """What turns texts into ids.

        Raises:
            UserError: nothing is learned or given yet.
        """
        if self.codec is None:
            raise UserError("The model has no tokenizer yet: train it")
        return self.codec

    def amount(self, examples: Sequence[Labelled]) -> str:
        words = f"in a vocabulary of {self.vocabulary_size:,}"
        return f"{super().amount(examples)}, {words}"

    def batches(
        self, examples: Sequence[Labelled], training: bool = False, seed: int = 0
    ) -> LabelledTextBatches:
        return LabelledTextBatches(
            examples,
            self.numbers(examples),
            self.fitted,
            self.max_tokens,
            self.subword_dropout if training else 0.0,
            seed,
            self.buckets,
        )

    def random_batch(self, budget: float) -> tuple[tuple[Arrays, Arrays], float]:
        """Texts of up to 64 tokens, or as many as are read."""
        rng = np.random.default_rng(0)
        size = int(min(64, self.max_tokens, budget))
        rows = max(1, int(budget) // size)
        lengths = rng.integers(max(1, size * 3 // 4), size + 1, rows, np.int32)
        source = rng.integers(FIRST, self.vocabulary_size, (rows, size), np.int32)
        source *= np.arange(size, dtype=np.int32) < lengths[:, None]
        labels = rng.integers(0, len(self.fitted_labels), (rows, 1), np.int32)
        target = {"target": labels, "target_lengths": np.ones(rows, np.int32)}
        inputs = {"source": source, "source_lengths": lengths}
        return (inputs, target), float(lengths.sum())

    def runner(self, model: Seq2Seq, search: Search) -> "TextLabelReader":
        return TextLabelReader(model, search, self)

    def as_example(self, raw: Any) -> Labelled:
        return Labelled(str(raw), str(raw), "")


@dataclass(frozen=True)
class TextLabelReader(LabelReader):
    """Tells labels of texts."""

    task: TextClassification

    def source(self, item: Any) -> NDArray[np.int32]:
        if not str(item).strip():
            raise UserError(f"{item!r}: a text without words has no label")
        return self.task.fitted.encode([str(item)], self.task.max_tokens)[0]

    def noise(self) -> list[NDArray[Any]]:
        return [self.source(text) for text in SAMPLES]

    def serving(self, examples: Sequence[Labelled]) -> Serving:
        """Texts, or token ids where no graph can cut them, to labels."""
        found, codec = super().serving(examples), self.task.fitted
        if not isinstance(codec, PieceCodec):
            return replace(found, assets=self.task.assets())
        texts = [str(example.source) for example in examples[: len(SAMPLES)]]
        return replace(
            found,
            samples=texts if len(texts) == len(SAMPLES) else list(SAMPLES),
            batch=self._batch,
            reader=Reader(codec.tokenizer.model, self.task.max_tokens),
            assets=self.task.assets(),
        )

    def _batch(self, texts: Sequence[Any]) -> Arrays:
        return self.padded([self.source(text) for text in texts])


def _is_cut_at_random(codec: TextCodec) -> bool:
    if not isinstance(codec, PieceCodec):
        return False
    return not codec.tokenizer.has_user_defined_pieces


TASKS.register(TextClassification.name, TextClassification, __file__)

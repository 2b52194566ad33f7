"""Text from text: translation, summaries, replies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.learned_tokenizer import learn_tokenizer
from s2s_zoo.data.pairs import Pair, PairSequence, PairView
from s2s_zoo.data.plan import MAX_BUCKETS
from s2s_zoo.data.sentencepiece_model import Kind
from s2s_zoo.data.text import TextBatches, usable_pairs
from s2s_zoo.data.tokenizer import Tokenizer, read_tokenizer
from s2s_zoo.data.tokenizer_pair import TokenizerPair
from s2s_zoo.errors import UserError, check_choice, check_range
from s2s_zoo.layers.base import MAX_SIZE
from s2s_zoo.losses.base import Objective
from s2s_zoo.losses.cross_entropy import CrossEntropy
from s2s_zoo.metrics.bleu_tokenizer import AUTO, BleuTokenizer, bleu_tokenizer
from s2s_zoo.metrics.bootstrap import Pooled
from s2s_zoo.metrics.text import (
    METRICS,
    Measure,
    check_measure,
    text_measures,
    text_signature,
)
from s2s_zoo.metrics.translation import TOKENIZERS
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import TASKS
from s2s_zoo.search.base import Search
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.tasks.base import Batches, Selection, Task, Unit
from s2s_zoo.tasks.evaluation import Outcome
from s2s_zoo.tasks.neural_language_model import fused_with_its_model
from s2s_zoo.tasks.text_writer import TextWriter
from s2s_zoo.typing import Arrays
from s2s_zoo.vocabulary import SPECIAL_PIECES

FIRST = len(SPECIAL_PIECES)
SCALED_VOCABULARY = 32


@dataclass(frozen=True)
class TextToText(Task):
    """Pairs of texts, in subwords that the task learns from the training pairs.

    Attributes:
        demo_corpus: corpus trained on when no data is named.
        objective: what training minimizes.
        search: how texts are written.
        source: language of the source, as corpora name it.
        target: language of the target.
        tokenizer: "bpe", "unigram", "word" or "char".
        tokenizer_file: SentencePiece model of both sides, instead of learning one.
        target_tokenizer_file: another one for the targets; alone, the sources' is
            learned.
        vocabulary: tokens of a tokenizer, the four special ones included.
        joint: one tokenizer for both sides.
        byte_fallback: write unknown characters as bytes.
        bpe_dropout: share of merges left out at random in training.
        max_tokens: pairs with a longer side are not trained on.
        cut: sources are cut to so many tokens instead, 0 for never.
        buckets: static shapes the batches have at most.
        measure: "translation" (BLEU, chrF), "summary" (ROUGE) or "exact".
        bleu_tokenizer: of sacreBLEU; "auto" for the one that it prescribes for the
            target's language or, where that is no code, script.
        validation_beam: beam of validations in training.
        tokenizers: learned or given; None before training.

    Example:
        >>> from s2s_zoo.data.pairs import Pair
        >>> from s2s_zoo.tasks import TextToText
        >>> pairs = [Pair("1", "a b c", "c b a"), Pair("2", "c a", "a c")]
        >>> task = TextToText(tokenizer="word", vocabulary=7).fit(pairs)
        >>> batches = task.batches(pairs)
        >>> inputs, target = batches.load(batches.plan(32, shuffle=False).epoch(0)[0])
        >>> inputs["source"].shape, task.fitted.target.decode(target["target"][0])
        ((1, 4), 'c b a')
    """

    name: ClassVar[str] = "text_to_text"
    unit: ClassVar[Unit] = Unit("tokens", "tokens_per_second", " tokens/s")
    kind: ClassVar[str] = "pairs"
    higher_is_better: ClassVar[bool] = True
    evaluation_budget: ClassVar[float] = 4096.0

    demo_corpus: str = "demo_numbers"
    objective: Objective = field(default_factory=CrossEntropy)
    search: TokenSearch = field(default_factory=TokenSearch)
    source: str = "en"
    target: str = "de"
    tokenizer: Kind = "bpe"
    tokenizer_file: str = ""
    target_tokenizer_file: str = ""
    vocabulary: int = 32768
    joint: bool = True
    byte_fallback: bool = False
    bpe_dropout: float = 0.0
    max_tokens: int = 256
    cut: int = 0
    buckets: int = 8
    measure: Measure = "translation"
    bleu_tokenizer: str = AUTO
    validation_beam: int = 1
    tokenizers: TokenizerPair | None = field(
        default=None, repr=False, metadata={"setting": False}
    )

    def __post_init__(self) -> None:
        check_choice("measure", self.measure, METRICS)
        check_choice("bleu_tokenizer", self.bleu_tokenizer, (AUTO, *TOKENIZERS))
        check_range("bpe_dropout", self.bpe_dropout, 0, 1)
        check_range("vocabulary", self.vocabulary, FIRST, MAX_SIZE)
        check_range("max_tokens", self.max_tokens, 1, MAX_SIZE)
        check_range("cut", self.cut, 0, MAX_SIZE)
        check_range("buckets", self.buckets, 1, MAX_BUCKETS)
        check_range("validation_beam", self.validation_beam, 1, MAX_SIZE)

    @property
    def metric(self) -> str:
        return METRICS[self.measure]

    @property
    def vocabulary_size(self) -> int:
        return self.tokenizers.target.size if self.tokenizers else self.vocabulary

    def offers(self, budget: float) -> dict[str, dict[str, Any]]:
        both = (self._source_size, self.vocabulary_size)
        parts = zip(("features", "decoder"), both, strict=True)
        return {part: {"vocabulary_size": size} for part, size in parts}

    @property
    def _source_size(self) -> int:
        return self.tokenizers.source.size if self.tokenizers else self.vocabulary

    def scaled_settings(self) -> dict[str, Any]:
        return {"vocabulary": min(self.vocabulary, SCALED_VOCABULARY)}

    @property
    def shares_vocabulary(self) -> bool:
        if self.tokenizers:
            return self.tokenizers.is_joint
        joint = self.joint or bool(self.tokenizer_file)
        return joint and self.target_tokenizer_file in ("", self.tokenizer_file)

    def fit(self, examples: Sequence[Pair]) -> Self:
        """The task with tokenizers, which are learned unless a file is given."""
        check_measure(self.measure, self.bleu_tokenizer)
        found = self._learn(examples)
        for tokenizer in (found.source, found.target):
            if self.bpe_dropout and tokenizer.has_user_defined_pieces:
                raise UserError(
                    "task.bpe_dropout cuts at random, which a tokenizer with "
                    "user-defined pieces does not allow: set task.bpe_dropout=0"
                )
        return replace(self, tokenizers=found)

    def _learn(self, examples: Sequence[Pair]) -> TokenizerPair:
        source, target = (
            read_tokenizer(Path(file).expanduser()) if file else None
            for file in (self.tokenizer_file, self.target_tokenizer_file)
        )
        if self.shares_vocabulary:
            both = source or self._learned(examples, "source", "target")
            return TokenizerPair(both, both)
        return TokenizerPair(
            source or self._learned(examples, "source"),
            target or self._learned(examples, "target"),
        )

    def _learned(self, examples: Sequence[Pair], *sides: str) -> Tokenizer:
        options = (self.vocabulary, self.tokenizer, self.byte_fallback)
        return learn_tokenizer(examples, sides, *options)

    def assets(self) -> dict[str, bytes]:
        return self.tokenizers.assets if self.tokenizers else {}

    def with_assets(self, assets: Mapping[str, bytes]) -> Self:
        if not assets:
            return self
        return replace(self, tokenizers=TokenizerPair.from_assets(assets))

    @property
    def fitted(self) -> TokenizerPair:
        """The tokenizers.

        Raises:
            UserError: none are learned or given yet.
        """
        if self.tokenizers is None:
            raise UserError("The model has no tokenizer yet: train it")
        return self.tokenizers

    def amount(self, examples: Sequence[Pair]) -> str:
        both = (self.fitted.source.size, self.fitted.target.size)
        kept = both[:1] if self.shares_vocabulary else both
        sizes = " and ".join(f"{size:,}" for size in kept)
        cut = self._cut_text(self.batches(examples))
        return f"in a vocabulary of {sizes}{cut}"

    def _cut_text(self, batches: TextBatches) -> str:
        """How many sources are cut, in words; nothing where none is."""
        count, total = batches.cut_count, len(batches.pairs)
        return f", {count} of {total} sources cut to {self.cut} tokens" if count else ""

    def batches(
        self, examples: Sequence[Pair], training: bool = False, seed: int = 0
    ) -> TextBatches:
        return TextBatches(
            examples,
            self.fitted.source,
            self.fitted.target,
            dropout=self.bpe_dropout if training else 0.0,
            cut=self.cut,
            seed=seed,
            buckets=self.buckets,
        )

    def select(
        self,
        model: Seq2Seq,
        examples: Sequence[Pair],
        where: str,
        training: bool = True,
    ) -> Selection:
        """Set aside pairs with an empty side, and in training those that are too long.

        Raises:
            UserError: nothing usable is left, or nothing to measure it with.
        """
        check_measure(self.measure, self.bleu_tokenizer)
        dropped: dict[str, list[str]] = {}
        if isinstance(examples, PairSequence) and examples.blank:
            dropped["with a blank side"] = examples.blank_names(examples.blank)
        if not len(examples):
            raise UserError(f"{where}: no pair with text on both sides")
        if not training:
            return Selection(examples, dropped)
        tokens = self.batches(examples).tokens
        rows, others = usable_pairs(tokens, self.max_tokens, cut=bool(self.cut))
        for reason, found in others.items():
            dropped[reason] = [pair.name for pair in subset(examples, found)]
        if not len(rows):
            raise UserError(f"{where}: no usable pair among {len(examples)}")
        return Selection(subset(examples, rows), dropped)

    def random_batch(self, budget: float) -> tuple[tuple[Arrays, Arrays], float]:
        """Pairs of up to 32 tokens a side."""
        rng = np.random.default_rng(0)
        size = int(min(32, budget))
        rows = max(1, int(budget) // size)
        sizes = (self._source_size, self.vocabulary_size)
        lengths = rng.integers(max(1, size * 3 // 4), size + 1, (2, rows), np.int32)
        source, target = (
            rng.integers(FIRST, vocabulary, (rows, size), np.int32)
            * (np.arange(size, dtype=np.int32) < length[:, None])
            for vocabulary, length in zip(sizes, lengths, strict=True)
        )
        inputs = {"source": source, "source_lengths": lengths[0], "target": target}
        wanted = {"target": target, "target_lengths": lengths[1]}
        return (inputs, wanted), float(lengths[0].sum())

    def runner(self, model: Seq2Seq, search: Search) -> TextWriter:
        assert isinstance(search, TokenSearch)
        search = fused_with_its_model(search, self.fitted.target)
        return TextWriter(model, search, self, self.fitted)

    def as_example(self, raw: Any) -> Pair:
        return Pair(str(raw), str(raw), "")

    def reference(self, example: Pair) -> str:
        return example.target

    def measures(self, outcomes: Sequence[Outcome]) -> dict[str, Pooled]:
        _, references, written = zip(*outcomes, strict=True)
        tokenizer = self._bleu_tokenizer(outcomes)
        return text_measures(self.measure, written, references, tokenizer)

    def signature(self, search: Search, outcomes: Sequence[Outcome]) -> str:
        tokenizer = self._bleu_tokenizer(outcomes)
        measured = text_signature(self.measure, tokenizer)
        return f"{measured}|{search.signature}{tokenizer.remark}"

    def _bleu_tokenizer(self, outcomes: Sequence[Outcome]) -> BleuTokenizer:
        if self.measure != "translation":
            return BleuTokenizer("none")
        references = [outcome.reference for outcome in outcomes]
        return bleu_tokenizer(self.bleu_tokenizer, self.target, references)

    def remarks(self, batches: Batches) -> str:
        assert isinstance(batches, TextBatches)
        return self._cut_text(batches)

    @property
    def validation_search(self) -> str:
        return f"beam={self.validation_beam},n_best=1"


def subset(examples: Sequence[Pair], rows: NDArray[np.int64]) -> Sequence[Pair]:
    """The pairs with these numbers, unread where they lie in files."""
    if isinstance(examples, PairSequence):
        return PairView(examples, rows)
    return [examples[i] for i in rows]


TASKS.register(TextToText.name, TextToText, __file__)

"""Text from text: translation, summaries, replies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.data.corpora.resolve import read_pairs
from s2s_zoo.data.learned_tokenizer import learn_tokenizer
from s2s_zoo.data.pairs import Pair, PairSequence, PairView
from s2s_zoo.data.sentencepiece_model import Kind
from s2s_zoo.data.text import TextBatches, usable_pairs
from s2s_zoo.data.tokenizer import Tokenizer, read_tokenizer
from s2s_zoo.data.tokenizer_pair import TokenizerPair
from s2s_zoo.errors import UserError
from s2s_zoo.losses.cross_entropy import smoothed_cross_entropy
from s2s_zoo.metrics.bootstrap import Pooled, score_all
from s2s_zoo.metrics.significance import Difference, paired_tests
from s2s_zoo.metrics.text import (
    METRICS,
    Measure,
    check_measure,
    text_measures,
    text_signature,
)
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import TASKS
from s2s_zoo.search.options import Search
from s2s_zoo.tasks.base import Arrays, Evaluation, Selection, Task
from s2s_zoo.tasks.serving import Serving
from s2s_zoo.tasks.text_serving import sample_sources, text_serving
from s2s_zoo.tasks.text_writer import TextWriter
from s2s_zoo.typing import Tensor
from s2s_zoo.vocabulary import END, PAD, SPECIAL_PIECES

SEED = 12345
FIRST = len(SPECIAL_PIECES)
END_PIECE = SPECIAL_PIECES[END]


@dataclass(frozen=True)
class TextToText(Task):
    """Pairs of texts, in subwords that the task learns from the training pairs.

    Attributes:
        demo_corpus: corpus trained on when no data is named.
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
        label_smoothing: share of the target's probability given to all other tokens.
        buckets: static shapes the batches have at most.
        measure: "translation" (BLEU, chrF), "summary" (ROUGE) or "exact".
        search: how texts are written.
        validation_beam: beam of validations in training.
        tokenizers: learned or given; None before training.
    """

    name: ClassVar[str] = "text_to_text"
    higher_is_better: ClassVar[bool] = True
    evaluation_budget: ClassVar[float] = 4096.0
    speed: ClassVar[tuple[str, str]] = ("tokens_per_second", " tokens/s")

    demo_corpus: str = "demo_numbers"
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
    label_smoothing: float = 0.1
    buckets: int = 8
    measure: Measure = "translation"
    search: Search = field(default_factory=Search)
    validation_beam: int = 1
    tokenizers: TokenizerPair | None = field(
        default=None, repr=False, metadata={"setting": False}
    )

    def __post_init__(self) -> None:
        if self.measure not in METRICS:
            known = ", ".join(METRICS)
            raise UserError(f"task.measure is one of {known}. Received: {self.measure}")

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> Self:
        """The task with these attributes, as `settings` gives them."""
        settings = dict(settings)
        search = Search().with_settings(settings.pop("search", {}))
        return cls(**settings, search=search)

    @property
    def metric(self) -> str:
        return METRICS[self.measure]

    @property
    def vocabulary_size(self) -> int:
        return self.tokenizers.target.size if self.tokenizers else self.vocabulary

    @property
    def source_arguments(self) -> dict[str, Any]:
        size = self.tokenizers.source.size if self.tokenizers else self.vocabulary
        return {"vocabulary_size": size}

    @property
    def shares_vocabulary(self) -> bool:
        if self.tokenizers:
            return self.tokenizers.is_joint
        joint = self.joint or bool(self.tokenizer_file)
        return joint and self.target_tokenizer_file in ("", self.tokenizer_file)

    def fit(self, examples: Sequence[Pair]) -> Self:
        """The task with tokenizers, which are learned unless a file is given."""
        check_measure(self.measure)
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
    def _fitted(self) -> TokenizerPair:
        if self.tokenizers is None:
            raise UserError("The model has no tokenizer yet: train it")
        return self.tokenizers

    def read(self, data: str, split: str) -> Sequence[Pair]:
        return read_pairs(data, split, self.source, self.target)

    def amount(self, examples: Sequence[Pair]) -> str:
        both = (self._fitted.source.size, self._fitted.target.size)
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
            self._fitted.source,
            self._fitted.target,
            dropout=self.bpe_dropout if training else 0.0,
            cut=self.cut,
            seed=seed,
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
        check_measure(self.measure)
        dropped: dict[str, list[str]] = {}
        if isinstance(examples, PairSequence) and examples.blank:
            dropped["with a blank side"] = examples.blank_names(examples.blank)
        if not training:
            return Selection(examples, dropped)
        tokens = self.batches(examples).tokens
        rows, others = usable_pairs(tokens, self.max_tokens, cut=bool(self.cut))
        for reason, found in others.items():
            dropped[reason] = [pair.name for pair in subset(examples, found)]
        if not len(rows):
            raise UserError(f"{where}: no usable pair among {len(examples)}")
        return Selection(subset(examples, rows), dropped)

    def loss(self, target: dict[str, Tensor], output: dict[str, Tensor]) -> Tensor:
        """Mean cross-entropy of the real tokens, in nats, smoothed."""
        tokens = target["target"]
        mask = ops.not_equal(tokens, PAD)
        losses = smoothed_cross_entropy(
            output["logits"], tokens, mask, self.label_smoothing
        )
        count = ops.sum(ops.cast(mask, "float32"))
        return ops.sum(losses) / ops.maximum(count, 1.0)

    def weight(self, inputs: Arrays, target: Arrays) -> float:
        return float(target["target_lengths"].sum())

    def random_batch(self, budget: float) -> tuple[tuple[Arrays, Arrays], float]:
        """Pairs of up to 32 tokens a side."""
        rng = np.random.default_rng(0)
        size = int(min(32, budget))
        rows = max(1, int(budget) // size)
        sizes = (self.source_arguments["vocabulary_size"], self.vocabulary_size)
        lengths = rng.integers(max(1, size * 3 // 4), size + 1, (2, rows), np.int32)
        source, target = (
            rng.integers(FIRST, vocabulary, (rows, size), np.int32)
            * (np.arange(size, dtype=np.int32) < length[:, None])
            for vocabulary, length in zip(sizes, lengths, strict=True)
        )
        inputs = {"source": source, "source_lengths": lengths[0], "target": target}
        wanted = {"target": target, "target_lengths": lengths[1]}
        return (inputs, wanted), float(lengths[0].sum())

    def generate(
        self, model: Seq2Seq, inputs: Sequence[Any], **search: Any
    ) -> list[str]:
        """The best text for each line of text."""
        writer = self.writer(model, self.search.with_settings(search))
        return [texts[0].text for texts in writer.lines(inputs)]

    def writer(self, model: Seq2Seq, options: Search) -> TextWriter:
        """What writes texts with a model."""
        return TextWriter(
            model,
            self._fitted.source,
            self._fitted.target,
            options,
            self.cut,
            self.evaluation_budget,
        )

    def evaluate(
        self,
        model: Seq2Seq,
        examples: Sequence[Pair],
        budget: float,
        progress: Callable[[int], None],
        search: str = "",
    ) -> Evaluation:
        """Scores of detokenized texts, free-running, and the loss."""
        options = Search.parse(search, self.search)
        writer = self.writer(model, options)
        batches = self.batches(examples)
        texts: dict[int, str] = {}
        losses = []
        for batch in batches.plan(budget, self.buckets, shuffle=False).epoch(0):
            inputs, target = batches.load(batch)
            output = model.predict_on_batch(inputs)
            losses.append((float(self.loss(target, output)), self.weight({}, target)))
            written = writer.batch(inputs["source"], inputs["source_lengths"])
            pairs = zip(batch.indices, written, strict=False)
            texts.update((i, best[0].text) for i, best in pairs)
            progress(len(batch.indices))
        outputs = [
            (pair.name, pair.target, texts[i]) for i, pair in enumerate(examples)
        ]
        found = self._measure(outputs, losses, options)
        return replace(found, signature=found.signature + self._cut_text(batches))

    def validate(
        self,
        model: Seq2Seq,
        examples: Sequence[Pair],
        budget: float,
        progress: Callable[[int], None],
    ) -> Evaluation:
        """As `evaluate`, with the beam of validations."""
        beam = f"beam={self.validation_beam},n_best=1"
        return self.evaluate(model, examples, budget, progress, beam)

    def _measure(
        self,
        outputs: list[tuple[str, str, str]],
        losses: list[tuple[float, float]],
        options: Search,
    ) -> Evaluation:
        signature = f"{text_signature(self.measure)}|{options.signature}"
        scores = score_all(self._measures(outputs), signature, seed=SEED)
        values, weights = zip(*losses, strict=True)
        loss = float(np.average(values, weights=weights))
        metrics = {self.metric: scores.metrics[self.metric], **scores.metrics}
        return Evaluation(
            metrics | {"loss": loss},
            scores.confidence,
            len(outputs),
            scores.signature,
            outputs,
        )

    def _measures(self, outputs: list[tuple[str, str, str]]) -> dict[str, Pooled]:
        _, references, written = zip(*outputs, strict=True)
        return text_measures(self.measure, written, references)

    def paired_test(
        self, first: Evaluation, second: Evaluation
    ) -> dict[str, Difference]:
        measures = [self._measures(e.outputs) for e in (first, second)]
        return paired_tests(measures[0], measures[1], seed=SEED)

    def as_example(self, raw: Any) -> Pair:
        return Pair(str(raw), str(raw), "")

    def infer(
        self, model: Seq2Seq, inputs: Sequence[Any], search: str = ""
    ) -> list[dict[str, Any]]:
        """The text of each line with its score, and the others where asked for."""
        options = Search.parse(search, self.search)
        writer = self.writer(model, options)
        lines = [str(line) for line in inputs]
        sources, unread = writer.encode(lines)
        results = []
        for line, texts, count in zip(
            lines, writer.write(sources), unread, strict=True
        ):
            best = texts[0]
            result: dict[str, Any] = {"input": line, "output": best.text}
            result |= {"score": best.score, "finished": best.finished}
            result |= {"tokens_cut": count} if self.cut else {}
            if options.n_best > 1:
                result["n_best"] = [text._asdict() for text in texts]
            results.append(result)
        return results

    def serving(self, model: Seq2Seq, examples: Sequence[Pair] = ()) -> Serving:
        """The source, or its token ids, to token ids and text, the search inside."""
        writer = self.writer(model, self.search)
        samples = sample_sources(examples)
        return text_serving(writer, self.name, self.assets(), samples)

    def picture(
        self, model: Seq2Seq, example: Pair, path: Path, search: str = ""
    ) -> None:
        """Which pieces of the source each piece of the text attended to."""
        from s2s_zoo.plots import plot_alignment

        writer = self.writer(model, Search.parse(search, self.search))
        (source,), _ = writer.encode([example.source])
        text = writer.write([source])[0][0].text
        target = np.append(self._fitted.target.encode([text])[0], np.int32(END))
        read = self._fitted.source.encode_pieces(example.source)[: len(source) - 1]
        written = self._fitted.target.encode_pieces(text)
        lengths = np.array([len(source)], np.int32)
        memory = model.encode({"source": source[None], "source_lengths": lengths})
        weights = model.decoder.alignment(ops.convert_to_tensor(target[None]), memory)
        plot_alignment(
            path,
            [*read, END_PIECE],
            [*written, END_PIECE],
            ops.convert_to_numpy(weights)[0],
        )


def subset(examples: Sequence[Pair], rows: NDArray[np.int64]) -> Sequence[Pair]:
    """The pairs with these numbers, unread where they lie in files."""
    if isinstance(examples, PairSequence):
        return PairView(examples, rows)
    return [examples[i] for i in rows]


TASKS.register(TextToText.name, TextToText, __file__)

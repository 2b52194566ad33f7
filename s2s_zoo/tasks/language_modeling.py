"""Language models: what comes next in a text."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.sentencepiece_model import Kind
from s2s_zoo.data.streams import StreamBatches, streams_of
from s2s_zoo.data.texts import Text
from s2s_zoo.data.tokenizer import Tokenizer, read_tokenizer
from s2s_zoo.data.tokenizer_pair import TokenizerPair
from s2s_zoo.data.words import encode_texts, learn_words
from s2s_zoo.errors import UserError, check_range
from s2s_zoo.layers.base import MAX_SIZE
from s2s_zoo.layers.carry import MAX_STREAMS
from s2s_zoo.losses.base import Objective
from s2s_zoo.losses.log_likelihood import LogLikelihood
from s2s_zoo.metrics.bootstrap import Pooled
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import TASKS
from s2s_zoo.search.base import Search
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.tasks.base import Batches, Selection, Task, Unit
from s2s_zoo.tasks.evaluation import Evaluation, Outcome
from s2s_zoo.tasks.text_continuer import TextContinuer
from s2s_zoo.tasks.text_probability import (
    stream_log_probabilities,
    text_log_probabilities,
)
from s2s_zoo.typing import Arrays
from s2s_zoo.vocabulary import END, SPECIAL_PIECES, UNKNOWN

FIRST = len(SPECIAL_PIECES)
SCALED_VOCABULARY = 32
TOKENIZER = "tokens.model"
LEAST = 2
"""Tokens that a stream has to have."""


@dataclass(frozen=True)
class LanguageModeling(Task):
    """Texts as streams of tokens, each token predicted from all before it.

    Perplexity is per word, the end of each text counted as one, whatever the tokens
    are, so that models of words and of pieces of words compare. It is that of the full
    distribution over texts that are read one after another.

    Attributes:
        demo_corpus: corpus trained on when no data is named.
        objective: what training minimizes.
        search: how texts are continued.
        text_unit: what a text is: a "line", a "paragraph" or a "document" of the data.
        tokenizer: "word" (the most frequent words), "bpe", "unigram" or "char".
        tokenizer_file: SentencePiece model instead of learning one.
        vocabulary: tokens, the four special ones included; of words, at most.
        window: tokens of a row of a batch, through which gradients go back.
        varies: draw the lengths of windows anew each epoch, around `window`.
        carried: whether a window goes on from the state after the one before; else
            each starts from zeros. An epoch always does.
        restart: probability that a row of a training batch starts from zeros all the
            same (Melis et al., 2017, https://arxiv.org/abs/1707.05589), so that
            states never stray to where a model that starts anew cannot follow.
        evaluation_streams: parts that the texts to be measured are read in, side by
            side; 1 is exact, and slow.
        tokens: the tokenizer, learned or given; None before training.

    Example:
        >>> from s2s_zoo.data.texts import Text
        >>> from s2s_zoo.tasks import LanguageModeling
        >>> task = LanguageModeling(vocabulary=7).fit([Text("1", "to be or not to be")])
        >>> task.tokens.pieces[4:], task.offers(budget=70.0)["decoder"]
        (('▁be', '▁to', '▁not'), {'vocabulary_size': 7})
    """

    name: ClassVar[str] = "language_model"
    unit: ClassVar[Unit] = Unit("tokens", "tokens_per_second", " tokens/s")
    kind: ClassVar[str] = "texts"
    evaluation_budget: ClassVar[float] = 4096.0
    metric: ClassVar[str] = "perplexity"
    cut: ClassVar[int] = 0

    demo_corpus: str = "demo_texts"
    objective: Objective = field(default_factory=LogLikelihood)
    search: TokenSearch = field(
        default_factory=lambda: TokenSearch(
            beam=1, length_penalty=0.0, length_factor=0.0
        )
    )
    text_unit: str = "line"
    tokenizer: Kind = "word"
    tokenizer_file: str = ""
    vocabulary: int = 10_000
    window: int = 35
    varies: bool = False
    carried: bool = True
    restart: float = 0.0
    evaluation_streams: int = 10
    tokens: Tokenizer | None = field(
        default=None, repr=False, metadata={"setting": False}
    )

    def __post_init__(self) -> None:
        check_range("vocabulary", self.vocabulary, FIRST + 1, MAX_SIZE)
        check_range("window", self.window, 1, MAX_SIZE)
        check_range("restart", self.restart, 0, 1)
        check_range("evaluation_streams", self.evaluation_streams, 1, MAX_STREAMS)

    @property
    def vocabulary_size(self) -> int:
        return self.tokens.size if self.tokens else self.vocabulary

    def offers(self, budget: float) -> dict[str, dict[str, Any]]:
        size = {"vocabulary_size": self.vocabulary_size}
        streams = streams_of(budget, self.window) if self.carried else 0
        return {"features": size, "encoder": {"streams": streams}, "decoder": size}

    @property
    def shares_vocabulary(self) -> bool:
        return True

    def scaled_settings(self) -> dict[str, Any]:
        return {"vocabulary": min(self.vocabulary, SCALED_VOCABULARY)}

    def fit(self, examples: Sequence[Text]) -> Self:
        """The task with a tokenizer, which is learned unless a file is given."""
        if self.tokenizer_file:
            found = read_tokenizer(Path(self.tokenizer_file).expanduser())
            return replace(self, tokens=found)
        texts = (text.text for text in examples)
        if self.tokenizer == "word":
            return replace(self, tokens=learn_words(texts, self.vocabulary))
        found = Tokenizer.train(texts, self.vocabulary, self.tokenizer)
        return replace(self, tokens=found)

    def assets(self) -> dict[str, bytes]:
        return {TOKENIZER: self.tokens.model} if self.tokens else {}

    def with_assets(self, assets: Mapping[str, bytes]) -> Self:
        if not assets:
            return self
        if set(assets) != {TOKENIZER}:
            raise UserError(
                f"The tokenizer is {TOKENIZER}. Received: {', '.join(sorted(assets))}"
            )
        return replace(self, tokens=Tokenizer.from_bytes(assets[TOKENIZER], TOKENIZER))

    @property
    def fitted(self) -> Tokenizer:
        """The tokenizer.

        Raises:
            UserError: none is learned or given yet.
        """
        if self.tokens is None:
            raise UserError("The model has no tokenizer yet: train it")
        return self.tokens

    def amount(self, examples: Sequence[Text]) -> str:
        ids = self.batches(examples).tokens.ids
        unknown = np.count_nonzero(ids == UNKNOWN) / len(ids)
        return (
            f"{len(ids):,} tokens, {unknown:.1%} of them unknown, in a vocabulary of "
            f"{self.fitted.size:,}"
        )

    def select(
        self,
        model: Seq2Seq,
        examples: Sequence[Text],
        where: str,
        training: bool = True,
    ) -> Selection:
        """All texts, blank ones too.

        Raises:
            UserError: there are no words.
        """
        if not any(text.text.strip() for text in examples):
            raise UserError(f"{where}: no words in {len(examples)} texts")
        return Selection(examples)

    def batches(
        self, examples: Sequence[Text], training: bool = False, seed: int = 0
    ) -> StreamBatches:
        return StreamBatches(
            examples,
            self.fitted,
            self.window,
            varies=self.varies and training,
            carried=self.carried,
            restart=self.restart,
            seed=seed,
        )

    def random_batch(self, budget: float) -> tuple[tuple[Arrays, Arrays], float]:
        """Windows that are full but for the last row; each starts from zeros."""
        rng = np.random.default_rng(0)
        size = max(LEAST, int(min(self.window, budget / LEAST)))
        rows = max(1, int(budget) // size)
        lengths = np.full(rows, size, np.int32)
        lengths[-1] = -(-size * 3 // 4)
        real = np.arange(size + 1) <= lengths[:, None]
        text = rng.integers(FIRST, self.vocabulary_size, (rows, size + 1), np.int32)
        source, target = (text * real)[:, :-1], (text * real)[:, 1:]
        source = source * (np.arange(size) < lengths[:, None])
        inputs = {"source": source.astype(np.int32), "source_lengths": lengths}
        wanted = {"target": target, "target_lengths": lengths}
        wanted["weights"] = lengths.astype(np.float32)
        return (inputs | {"target": target}, wanted), float(lengths.sum())

    def runner(self, model: Seq2Seq, search: Search) -> TextContinuer:
        assert isinstance(search, TokenSearch)
        return TextContinuer(
            model, search, self, TokenizerPair(self.fitted, self.fitted)
        )

    def as_example(self, raw: Any) -> Text:
        return Text(str(raw), str(raw))

    def reference(self, example: Text) -> str:
        return example.text

    def evaluate(
        self,
        model: Seq2Seq,
        examples: Sequence[Text],
        budget: float,
        progress: Callable[[int], None],
        search: str = "",
    ) -> Evaluation:
        """Measure a model on texts, read one after another.

        The output for a text is the natural logarithm of its probability after all
        texts before it. `budget` and `search` change nothing: there is no search.
        """
        texts, batches = list(examples), self.batches(examples)
        scores = stream_log_probabilities(model, batches, self.evaluation_streams)
        ends = batches.tokens.ends
        totals: NDArray[np.float64] = np.add.reduceat(scores, [0, *ends[:-1]])
        progress(len(texts))
        outcomes = [
            Outcome(text.name, self.reference(text), float(total))
            for text, total in zip(texts, totals, strict=True)
        ]
        losses = [(-float(scores.sum()), float(len(scores)))]
        signature = self.signature(self.search, outcomes)
        return self._evaluated(outcomes, losses, signature, batches)

    def score(self, model: Seq2Seq, inputs: Sequence[Any]) -> list[dict[str, Any]]:
        """How probable texts are, each by itself.

        Returns:
            For each its `input`; as `output` the perplexity of its words and its end;
            the `log_probability` of all, natural; the number of `words`; and of each
            of its `tokens` the `piece` and the `log_probability`.
        """
        texts = [str(text) for text in inputs]
        scored = text_log_probabilities(model, self.fitted, texts)
        return [
            self._scored(text, scores)
            for text, scores in zip(texts, scored, strict=True)
        ]

    def _scored(self, text: str, scores: NDArray[np.float64]) -> dict[str, Any]:
        words, total = len(text.split()), float(scores.sum())
        ids = [*encode_texts(self.fitted, [text])[0], END]
        pieces = [self.fitted.pieces[token] for token in ids]
        return {
            "input": text,
            "output": _perplexity(np.array([-total, words + 1])),
            "log_probability": total,
            "words": words,
            "tokens": [
                {"piece": piece, "log_probability": float(score)}
                for piece, score in zip(pieces, scores, strict=True)
            ],
        }

    def measures(self, outcomes: Sequence[Outcome]) -> dict[str, Pooled]:
        """Perplexity of words and ends, and bits of a character or end."""
        lost = [-outcome.output for outcome in outcomes]
        words = [len(outcome.reference.split()) + 1 for outcome in outcomes]
        characters = [len(outcome.reference) + 1 for outcome in outcomes]
        per_word = np.array([lost, words], np.float64).T
        bits = np.array(lost) / math.log(2)
        return {
            "perplexity": Pooled(per_word, _perplexity),
            "bits_per_character": Pooled.ratio(bits, characters),
        }

    def signature(self, search: Search, outcomes: Sequence[Outcome]) -> str:
        return f"perplexity:word|ends:counted|streams:{self.evaluation_streams}"

    def remarks(self, batches: Batches) -> str:
        """How many tokens are unknown, which a model of words may guess easily."""
        assert isinstance(batches, StreamBatches)
        unknown = np.count_nonzero(batches.tokens.ids == UNKNOWN)
        return f"|unknown:{unknown}"


def _perplexity(sums: NDArray[np.float64]) -> float:
    """Of the summed -ln P and the words."""
    try:
        return math.exp(sums[0] / sums[1])
    except OverflowError:
        return math.inf


TASKS.register(LanguageModeling.name, LanguageModeling, __file__)

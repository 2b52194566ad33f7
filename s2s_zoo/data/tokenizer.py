"""Text to token ids and back: SentencePiece models, trained here or given."""

import functools
import io
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.segmentation import Segmenter
from s2s_zoo.data.sentencepiece_model import Kind, read_sentencepiece_model
from s2s_zoo.errors import UserError
from s2s_zoo.vocabulary import END, PAD, SPECIAL_PIECES, START, UNKNOWN

SETTING = "task.vocabulary"
"""What messages call the size that was asked for."""

MAX_SENTENCES = 1_000_000
"""Sentences learned from; of a larger corpus, as many are drawn."""

_SAMPLED_KINDS = ("unigram", "bpe")
_CHUNK_WORDS = 100
_CHUNK_CHARACTERS = 1000
_THREADS = 4  # a fixed number: the sums of the training depend on it
_TOO_LARGE = re.compile(r"Please set it to a value <= (\d+)")
_TOO_SMALL = re.compile(r"smaller than required_chars\. \d+ vs (\d+)")
_QUIET = 2


@dataclass(frozen=True)
class Tokenizer:
    """A SentencePiece model; equal to another if its bytes are.

    Ids 0 to 3 are padding, end, start and unknown, as in `s2s_zoo.vocabulary`.

    Attributes:
        model: the serialized model, what a `.model` file of SentencePiece holds.
    """

    model: bytes = field(repr=False)

    @classmethod
    def train(
        cls,
        lines: Iterable[str],
        vocabulary: int,
        kind: Kind = "unigram",
        byte_fallback: bool = False,
        seed: int = 0,
        setting: str = SETTING,
    ) -> Self:
        """Learn pieces from text; the same text, settings and seed give the same bytes.

        Args:
            lines: sentences; of more than `MAX_SENTENCES` as many are drawn.
            vocabulary: pieces, the four special ones included.
            kind: "unigram" (Kudo, 2018), "bpe" (Sennrich et al., 2016), "word" (cuts
                at spaces only and leaves characters as they are) or "char".
            byte_fallback: characters too rare to be a piece are written as bytes, so
                that nothing is unknown; takes 256 pieces.
            seed: of the draw.
            setting: what messages call `vocabulary`.

        Raises:
            UserError: no text, or a vocabulary too large or too small for it; names
                the size that is possible.
        """
        if kind not in get_args(Kind):
            known = ", ".join(get_args(Kind))
            raise UserError(f"A tokenizer is one of {known}. Received: {kind!r}")
        if byte_fallback and kind not in _SAMPLED_KINDS:
            raise UserError(
                f"Bytes stand in for characters of bpe and unigram, {kind=}"
            )
        sentences = _draw(filter(None, map(str.strip, lines)), seed)
        if not sentences:
            raise UserError("A tokenizer cannot be trained: there is no text")
        model = _learn(_chunks(sentences), vocabulary, kind, byte_fallback, setting)
        tokenizer = cls(model)
        if tokenizer.size != vocabulary:
            raise _too_large(vocabulary, tokenizer.size, setting)
        return tokenizer

    @classmethod
    def from_bytes(cls, model: bytes, origin: str = "tokenizer") -> Self:
        """A tokenizer from what a `.model` file holds.

        Args:
            model: the bytes.
            origin: what messages call them, such as the path of the file.

        Raises:
            UserError: no SentencePiece model, or its special ids are others.
        """
        try:
            processor = _processor(model)
            read_sentencepiece_model(model)
        except (RuntimeError, ValueError) as error:
            raise UserError(f"{origin}: not a SentencePiece model") from error
        ids = {
            "padding": (processor.pad_id(), PAD),
            "end": (processor.eos_id(), END),
            "start": (processor.bos_id(), START),
            "unknown": (processor.unk_id(), UNKNOWN),
        }
        others = [
            f"{n} {found}, want {want}"
            for n, (found, want) in ids.items()
            if found != want
        ]
        if others:
            raise UserError(
                f"{origin}: other special ids ({'; '.join(others)}); train it with "
                f"--pad_id={PAD} --eos_id={END} --bos_id={START} --unk_id={UNKNOWN}"
            )
        return cls(model)

    @property
    def kind(self) -> Kind:
        """How it cuts text."""
        return read_sentencepiece_model(self.model).kind

    @property
    def size(self) -> int:
        """V, the number of pieces."""
        return self._processor.get_piece_size()

    @property
    def pieces(self) -> tuple[str, ...]:
        """The piece of each id; the special ones are called as `SPECIAL_PIECES`."""
        return _pieces(self.model)

    @property
    def has_user_defined_pieces(self) -> bool:
        """Whether pieces are one whatever is around them."""
        return bool(read_sentencepiece_model(self.model).user_defined)

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Token ids of texts, without start and end.

        Raises:
            UserError: a text holds lone surrogates, which are no characters.
        """
        try:
            found = self._processor.encode(list(texts), out_type=int, num_threads=1)
        except (RuntimeError, TypeError) as error:
            raise _not_text(texts) from error
        return [np.array(ids, np.int32) for ids in found]

    def encode_randomly(
        self, texts: Sequence[str], dropout: float, seeds: Sequence[str]
    ) -> list[NDArray[np.int32]]:
        """Token ids of texts cut at random, for training.

        Args:
            texts: raw text.
            dropout: with BPE, the probability with which a merge is left out
                (Provilkov et al., 2020); unigram draws from all cuts by their
                probability to the power of 1 - dropout (Kudo, 2018). Words and
                characters have one cut and stay as they are.
            seeds: one for each text, which alone decides how it is cut.
        """
        if self.kind not in _SAMPLED_KINDS:
            return self.encode(texts)
        segmenter = _segmenter(self.model)
        found = []
        for text, seed in zip(
            self._processor.normalize(list(texts)), seeds, strict=True
        ):
            random = Random(seed)
            if self.kind == "bpe":
                ids = segmenter.drop_merges(text, dropout, random)
            else:
                ids = segmenter.draw(text, 1.0 - dropout, random)
            found.append(np.array(ids, np.int32))
        return found

    def encode_pieces(self, text: str) -> list[str]:
        """The pieces a text is cut into."""
        return [self.pieces[i] for i in self.encode([text])[0]]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids; padding, start and end say nothing."""
        return self._processor.decode([int(i) for i in ids])

    @property
    def _processor(self) -> Any:
        return _processor(self.model)


def read_tokenizer(path: Any) -> Tokenizer:
    """The tokenizer of a SentencePiece `.model` file.

    Raises:
        UserError: it cannot be read, or see `Tokenizer.from_bytes`.
    """
    try:
        with open(path, "rb") as file:
            model = file.read()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    return Tokenizer.from_bytes(model, str(path))


@functools.lru_cache(maxsize=16)
def _processor(model: bytes) -> Any:
    """The loaded model; loading takes a tenth of a second, so each is loaded once."""
    import sentencepiece

    sentencepiece.set_min_log_level(_QUIET)
    if not model:
        raise RuntimeError("no bytes")
    return sentencepiece.SentencePieceProcessor(model_proto=model)


@functools.lru_cache(maxsize=16)
def _pieces(model: bytes) -> tuple[str, ...]:
    processor = _processor(model)
    ids = range(len(SPECIAL_PIECES), processor.get_piece_size())
    return (*SPECIAL_PIECES, *map(processor.id_to_piece, ids))


@functools.lru_cache(maxsize=16)
def _segmenter(model: bytes) -> Segmenter:
    found = read_sentencepiece_model(model)
    ids = found.ids | found.user_defined | found.unused
    scores = {piece: float(found.scores[i]) for piece, i in ids.items()}
    return Segmenter(ids, scores, found.byte_ids)


def _draw(sentences: Iterable[str], seed: int) -> list[str]:
    """At most `MAX_SENTENCES`, each equally likely (Li, 1994, algorithm L)."""
    stream = iter(sentences)
    chosen = list(itertools.islice(stream, MAX_SENTENCES))
    random = Random(seed)
    weight = 1.0
    while len(chosen) == MAX_SENTENCES:
        weight *= random.random() ** (1 / MAX_SENTENCES)
        skipped = int(math.log(random.random()) / math.log1p(-weight))
        following = next(itertools.islice(stream, skipped, None), None)
        if following is None:
            break
        chosen[random.randrange(MAX_SENTENCES)] = following
    return chosen


def _chunks(sentences: Iterable[str]) -> Iterator[str]:
    """Documents in pieces: SentencePiece leaves out what is longer than 4192 bytes."""
    for sentence in sentences:
        if len(sentence) <= _CHUNK_CHARACTERS:
            yield sentence
            continue
        words = sentence.split(" ")
        for start in range(0, len(words), _CHUNK_WORDS):
            part = " ".join(words[start : start + _CHUNK_WORDS])
            for place in range(0, len(part), _CHUNK_CHARACTERS):
                yield part[place : place + _CHUNK_CHARACTERS]


def _learn(
    sentences: Iterable[str],
    vocabulary: int,
    kind: Kind,
    byte_fallback: bool,
    setting: str,
) -> bytes:
    import sentencepiece

    model = io.BytesIO()
    pad, end, start, unknown = SPECIAL_PIECES
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=model,
            model_type=kind,
            vocab_size=vocabulary,
            byte_fallback=byte_fallback,
            character_coverage=0.9999 if byte_fallback else 1.0,
            normalization_rule_name="identity" if kind == "word" else "nmt_nfkc",
            pad_id=PAD,
            eos_id=END,
            bos_id=START,
            unk_id=UNKNOWN,
            pad_piece=pad,
            eos_piece=end,
            bos_piece=start,
            unk_piece=unknown,
            num_threads=_THREADS,
            minloglevel=_QUIET,
        )
    except RuntimeError as error:
        raise _wrong_size(error, vocabulary, setting) from error
    return model.getvalue()


def _wrong_size(error: RuntimeError, vocabulary: int, setting: str) -> UserError:
    message = str(error)
    if too_large := _TOO_LARGE.search(message):
        return _too_large(vocabulary, int(too_large[1]), setting)
    if too_small := _TOO_SMALL.search(message):
        return UserError(
            f"{setting} = {vocabulary} is too small for this text: its characters "
            f"alone need {too_small[1]}"
        )
    return UserError(
        f"A tokenizer cannot be trained, {setting} = {vocabulary}: {error}"
    )


def _too_large(vocabulary: int, largest: int, setting: str) -> UserError:
    return UserError(
        f"{setting} = {vocabulary} is too large for this text: the largest possible "
        f"is {largest}"
    )


def _not_text(texts: Sequence[str]) -> UserError:
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            place = f"character {error.start} of {text[:60]!r}"
            return UserError(f"A lone surrogate, which is no character: {place}")
    return UserError(f"SentencePiece refuses {texts!r:.200}")

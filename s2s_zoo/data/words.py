"""Vocabularies of words, the most frequent ones, as SentencePiece models."""

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.tokenizer import Tokenizer
from s2s_zoo.errors import UserError
from s2s_zoo.vocabulary import END, PAD, SPECIAL_PIECES, START, UNKNOWN

UNKNOWN_WORD = SPECIAL_PIECES[UNKNOWN]
"""How texts write a word that their makers have left out."""

FIRST = len(SPECIAL_PIECES)

_QUIET = 2
_SPACE = "▁"


def learn_words(texts: Iterable[str], most: int) -> Tokenizer:
    """A tokenizer that cuts at white space and knows the most frequent words.

    Tokens are numbered by their frequency, behind the special ones; of words as
    frequent as each other the first by code points comes first. "<unk>" stands for the
    unknown token.

    Args:
        texts: of any number of words.
        most: tokens at most, the four special ones included.

    Raises:
        UserError: no word, or no room for one.

    Example:
        >>> from s2s_zoo.data.words import learn_words
        >>> tokenizer = learn_words(["the cat the dog <unk>"], most=6)
        >>> tokenizer.pieces, tokenizer.encode(["the <unk> cow"])[0].tolist()
        (('<pad>', '</s>', '<s>', '<unk>', '▁the', '▁cat'), [4, 3, 3])
    """
    counts = Counter(word for text in texts for word in text.split())
    counts.pop(UNKNOWN_WORD, None)
    known = [word for word in counts if _SPACE not in word]
    chosen = sorted(known, key=lambda word: (-counts[word], word))
    chosen = chosen[: most - len(SPECIAL_PIECES)] if most > len(SPECIAL_PIECES) else []
    if not chosen:
        raise UserError(
            f"A vocabulary of words has {len(SPECIAL_PIECES)} special tokens and at "
            f"least one word. Received: {len(known)} words, {most} tokens at most"
        )
    return Tokenizer.from_bytes(_model({word: counts[word] for word in chosen}))


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> list[NDArray[np.int32]]:
    """Token ids of texts, without start and end; of words one for each.

    SentencePiece takes words it does not know, next to each other, for one.

    Example:
        >>> from s2s_zoo.data.words import encode_texts, learn_words
        >>> tokenizer = learn_words(["the cat"], most=6)
        >>> encode_texts(tokenizer, ["the big black cat"])[0].tolist()
        [5, 3, 3, 4]
    """
    if tokenizer.kind != "word":
        return tokenizer.encode(texts)
    numbers = _numbers(tokenizer)
    return [
        np.array([numbers.get(word, UNKNOWN) for word in text.split()], np.int32)
        for text in texts
    ]


@lru_cache(maxsize=4)
def _numbers(tokenizer: Tokenizer) -> dict[str, int]:
    """The token of each word."""
    words = tokenizer.pieces[len(SPECIAL_PIECES) :]
    return {word.removeprefix(_SPACE): i for i, word in enumerate(words, FIRST)}


def _model(counts: dict[str, int]) -> bytes:
    """The SentencePiece model of these words, in the order of their counts."""
    import sentencepiece

    model = io.BytesIO()
    pad, end, start, unknown = SPECIAL_PIECES
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(f"{word}\t{count}" for word, count in counts.items()),
        input_format="tsv",
        model_writer=model,
        model_type="word",
        vocab_size=len(SPECIAL_PIECES) + len(counts),
        character_coverage=1.0,
        normalization_rule_name="identity",
        max_sentence_length=1 << 30,
        pad_id=PAD,
        eos_id=END,
        bos_id=START,
        unk_id=UNKNOWN,
        pad_piece=pad,
        eos_piece=end,
        bos_piece=start,
        unk_piece=unknown,
        minloglevel=_QUIET,
    )
    return model.getvalue()

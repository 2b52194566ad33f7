"""The same search by flashlight-text, in C++, where it finds the same and is faster.

It does for language models of characters that KenLM reads, without lexicon, hot words
and worth of words. Elsewhere its decoders differ from what a prefix beam search
defines: the one without a lexicon applies models of words nowhere, the one with a
lexicon wants a space behind the last word and takes any number of spaces for one.
Without a language model it is no faster than a batch at once.
"""

import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.search.prefixes import Found, Pruning
from s2s_zoo.search.text_scores import SPACE, TextScores

STDERR = 2
Engine = Callable[[NDArray[np.float32], NDArray[np.int64]], list[list[Found]]]


def decoder(
    scores: TextScores, path: Path | None, pruning: Pruning, n_best: int
) -> Engine | None:
    """What does as `prefix_beam_search`; None where that cannot be had.

    Args:
        scores: of texts.
        path: of the language model, if there is one.
        pruning: what is followed.
        n_best: texts given for each utterance at most.
    """
    if path is None or not (scores.characters and scores.is_plain and _is_installed()):
        return None
    model = _model(scores, path)
    if model is None:
        return None
    return partial(_search, model, scores.alpha, pruning, n_best)


def _is_installed() -> bool:
    try:
        import flashlight.lib.text.decoder.kenlm  # noqa: F401
    except ImportError:
        return False
    return True


def _model(scores: TextScores, path: Path) -> Any:
    """The language model; None where KenLM cannot read it, as one without bigrams."""
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    units = [scores.space if s == SPACE else s for s in scores.symbols]
    try:
        with _silence():
            return KenLM(str(path), Dictionary(units))
    except RuntimeError:
        return None


@contextmanager
def _silence() -> Iterator[None]:
    """Keep KenLM's bars of progress from the standard error of the process."""
    sys.stderr.flush()
    kept = os.dup(STDERR)
    try:
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), STDERR)
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)


def _search(
    model: Any,
    alpha: float,
    pruning: Pruning,
    n_best: int,
    emissions: NDArray[np.float32],
    lengths: NDArray[np.int64],
) -> list[list[Found]]:
    from flashlight.lib.text.decoder import (
        CriterionType,
        LexiconFreeDecoder,
        LexiconFreeDecoderOptions,
    )

    classes = emissions.shape[-1]
    options = LexiconFreeDecoderOptions(
        beam_size=pruning.beam,
        beam_size_token=int(np.isfinite(emissions).sum(axis=-1).max(initial=1)),
        beam_threshold=pruning.threshold,
        lm_weight=alpha * math.log(10),  # KenLM's logarithms are decadic
        sil_score=0.0,
        log_add=True,
        criterion_type=CriterionType.CTC,
    )
    blank, before = classes - 1, classes
    engine = LexiconFreeDecoder(options, model, before, blank, [])
    found = []
    for row, length in zip(emissions, lengths.tolist(), strict=True):
        # The class behind the blank stands before the first frame and in none.
        never = np.full((length, 1), -np.inf, np.float32)
        frames = np.ascontiguousarray(np.concatenate([row[:length], never], axis=1))
        results = engine.decode(frames.ctypes.data, length, classes + 1)
        kept = [r for r in results[:n_best] if r.score > -np.inf]
        found.append([Found(_collapsed(r.tokens, blank), r.score) for r in kept])
    return found


def _collapsed(path: list[int], blank: int) -> list[int]:
    """The tokens of an alignment."""
    changes = [
        t for t, before in zip(path, [blank, *path], strict=False) if t != before
    ]
    return [token for token in changes if 0 <= token < blank]

"""Text cut at random, so that a model meets every word in more than one cut.

SentencePiece can do this too, but draws from a generator that is salted anew in every
process: a training that is resumed could not go on as it would have.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from random import Random

from s2s_zoo.vocabulary import UNKNOWN

SPACE = "▁"
_NEVER = -math.inf
UNKNOWN_PENALTY = 10.0
"""Of SentencePiece: how far an unknown character is below the worst piece."""


@dataclass(frozen=True)
class Segmenter:
    """The pieces of a BPE or unigram model and how good they are.

    Attributes:
        ids: id of each piece that stands for text.
        scores: of each piece: of BPE the earlier merge is the greater; of unigram the
            log probability.
        byte_ids: ids of the 256 bytes, where the model has them.
    """

    ids: Mapping[str, int]
    scores: Mapping[str, float]
    byte_ids: tuple[int, ...] = ()

    def drop_merges(self, text: str, dropout: float, random: Random) -> list[int]:
        """Cut normalized text by BPE-dropout (Provilkov et al., 2020, algorithm 1).

        Args:
            text: as SentencePiece normalizes it, its spaces written as `SPACE`.
            dropout: probability with which a possible merge is left out of a round.
            random: what to draw from.
        """
        cut = (_merge(word, self.scores, dropout, random) for word in self._words(text))
        return self._to_ids(piece for pieces in cut for piece in pieces)

    def draw(self, text: str, power: float, random: Random) -> list[int]:
        """Cut normalized text into pieces drawn by their probability (Kudo, 2018).

        Every cut of a word is drawn with its probability to the power of `power`, by
        filtering forward and sampling backward.
        """
        cut = (self._draw_word(word, power, random) for word in self._words(text))
        return self._to_ids(piece for pieces in cut for piece in pieces)

    def _words(self, text: str) -> list[str]:
        """What no piece reaches across: words, or the whole text if pieces do."""
        return re.findall(self._word, text)

    @cached_property
    def _word(self) -> str:
        crossing = any(SPACE in piece[1:] for piece in self.ids)
        return "(?s).+" if crossing else f"{SPACE}?[^{SPACE}]+|{SPACE}"

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.ids))

    @cached_property
    def _unknown_score(self) -> float:
        return min(self.scores.values()) - UNKNOWN_PENALTY

    def _draw_word(self, word: str, power: float, random: Random) -> list[str]:
        sums = [0.0]
        into: list[list[tuple[int, float]]] = [[]]
        for end in range(1, len(word) + 1):
            weights = [(a, sums[a] + power * s) for a, s in self._ending(word, end)]
            best = max(weight for _, weight in weights)
            into.append([(a, math.exp(weight - best)) for a, weight in weights])
            sums.append(best + math.log(sum(weight for _, weight in into[end])))
        pieces: list[str] = []
        end = len(word)
        while end:
            starts, shares = zip(*into[end], strict=True)
            start = random.choices(starts, shares)[0]
            pieces.append(word[start:end])
            end = start
        return pieces[::-1]

    def _ending(self, word: str, end: int) -> Iterator[tuple[int, float]]:
        """Start and score of each piece of `word` that ends at `end`."""
        known = False
        for start in range(max(0, end - self._longest), end):
            score = self.scores.get(word[start:end])
            if score is not None:
                known = known or start == end - 1
                yield start, score
        if not known:
            yield end - 1, self._unknown_score

    def _to_ids(self, pieces: Iterator[str]) -> list[int]:
        """Ids; characters without one become their bytes, or one unknown in a row."""
        found: list[int] = []
        in_unknown = False
        for piece in pieces:
            known = self.ids.get(piece)
            if known is not None:
                found.append(known)
            elif self.byte_ids:
                found += [self.byte_ids[byte] for byte in piece.encode()]
            elif not in_unknown:
                found.append(UNKNOWN)
            in_unknown = known is None
        return found


def _merge(
    word: str, scores: Mapping[str, float], dropout: float, random: Random
) -> list[str]:
    """Merge neighbours, the best first, until no merge is possible or all dropped."""
    pieces = list(word)
    gains = [scores.get(a + b, _NEVER) for a, b in pairwise(pieces)]
    while gains:
        best = max(gains)
        place = gains.index(best) if best > _NEVER else -1
        if place >= 0 and random.random() < dropout:
            place = _next_best(gains, place, dropout, random)
        if place < 0:
            break
        pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
        del gains[place]
        for i in range(max(0, place - 1), min(place + 1, len(gains))):
            gains[i] = scores.get(pieces[i] + pieces[i + 1], _NEVER)
    return pieces


def _next_best(gains: list[float], dropped: int, dropout: float, random: Random) -> int:
    """The best merge that is not dropped after the very best was; -1 for none."""
    others = (i for i, g in enumerate(gains) if g > _NEVER and i != dropped)
    for place in sorted(others, key=gains.__getitem__, reverse=True):
        if random.random() >= dropout:
            return place
    return -1

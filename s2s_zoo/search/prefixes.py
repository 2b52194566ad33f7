"""The texts of a prefix beam search, as a tree, and what is found in the end."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.search.text_scores import Prefix, TextScores

Floats = NDArray[np.float64]

NEVER = -np.inf
NONE = -1


class Found(NamedTuple):
    """A text that was found.

    Attributes:
        tokens: its ids.
        score: ln P(tokens), all alignments added up, with the scores of the text.
        finished: False where it had to be cut, as no text ends in a whole word.
    """

    tokens: list[int]
    score: float
    finished: bool = True


@dataclass(frozen=True)
class Pruning:
    """What is followed.

    Attributes:
        beam: pairs at most, after each frame.
        threshold: what scores by more below the best is dropped.
    """

    beam: int
    threshold: float


class Prefixes:
    """Every text so far, as a tree: a node is a text, its parent the text before."""

    def __init__(self, scores: TextScores) -> None:
        self.scores = scores
        self.parents: list[int] = []
        self.tokens: list[int] = []
        self.states: list[Prefix] = []
        self._children: dict[tuple[int, int], int] = {}

    def root(self) -> int:
        """A new empty text."""
        return self._add(NONE, NONE, self.scores.start())

    def child(self, node: int, token: int) -> int:
        """The text that goes on with a token; always the same node."""
        found = self._children.get((node, token))
        if found is None:
            state = self.scores.extend(self.states[node], token)[1]
            found = self._children[node, token] = self._add(node, token, state)
        return found

    def _add(self, parent: int, token: int, state: Prefix) -> int:
        self.parents.append(parent)
        self.tokens.append(token)
        self.states.append(state)
        return len(self.parents) - 1

    def written(self, node: int) -> list[int]:
        """The tokens of a text."""
        tokens = []
        while self.parents[node] != NONE:
            tokens.append(self.tokens[node])
            node = self.parents[node]
        return tokens[::-1]

    def whole(self, node: int) -> int:
        """The text without the word it ends in."""
        while self.states[node].word:
            node = self.parents[node]
        return node

    def found(
        self, nodes: list[int], scores: Floats, threshold: float, n_best: int
    ) -> list[Found]:
        """What an utterance ends in, best first.

        Args:
            nodes: P texts.
            scores: (2, P) of those of their alignments that end in a blank, and of the
                others.
            threshold: what scores by more below the best is dropped.
            n_best: texts at most.
        """
        ends = np.array([self.scores.end(self.states[node]) for node in nodes])
        if not (scores + ends > NEVER).any():
            return self._cut(nodes, np.logaddexp(*scores))[:n_best]
        scores = scores + ends
        scores[scores < scores.max() - threshold] = NEVER
        totals = np.logaddexp(*scores)
        order = [i for i in np.argsort(-totals, kind="stable") if totals[i] > NEVER]
        return [Found(self.written(nodes[i]), float(totals[i])) for i in order[:n_best]]

    def _cut(self, nodes: list[int], totals: Floats) -> list[Found]:
        """The texts without their last words, each once."""
        found: dict[int, Found] = {}
        for i in np.argsort(-totals, kind="stable"):
            node = self.whole(nodes[i])
            text = self.written(node)
            found.setdefault(node, Found(text, float(totals[i]), finished=False))
        return list(found.values())

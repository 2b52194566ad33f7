"""What every language model can be asked."""

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from s2s_zoo.errors import check_choice

UNITS = ("words", "characters")

SPACE = "▁"
"""The unit that stands for a space in models of characters, U+2581."""

State = TypeVar("State", bound=Hashable)


@dataclass(frozen=True)
class Perplexity:
    """How well a model predicts lines; the end of each line is predicted too.

    Attributes:
        log_probability: natural logarithm, of all units and ends.
        unknown_log_probability: the part of it that falls to unknown units.
        units: number of units and ends.
        unknown: number of units that the model does not know.
        lines: number of lines.

    Example:
        >>> from math import log
        >>> from s2s_zoo.ngrams import Perplexity
        >>> found = Perplexity(-5 * log(10), -3 * log(10), 3, unknown=1, lines=1)
        >>> round(found.including_unknown, 2), round(found.excluding_unknown, 2)
        (46.42, 10.0)
    """

    log_probability: float
    unknown_log_probability: float
    units: int
    unknown: int
    lines: int

    @property
    def including_unknown(self) -> float:
        """Perplexity of all units and ends."""
        return _perplexity(self.log_probability, self.units)

    @property
    def excluding_unknown(self) -> float:
        """Perplexity of the known units and ends; unknown ones remain as contexts."""
        known = self.log_probability - self.unknown_log_probability
        return _perplexity(known, self.units - self.unknown)


class LanguageModel(ABC, Generic[State]):
    """Probabilities of sequences of units, one unit after the other.

    A state is hashable and stands for all that the model remembers: what follows equal
    states has equal probabilities. Logarithms are natural.

    Attributes:
        unit: what a unit is, one of `UNITS`.
        vocabulary: the units it knows.
        unknown_are_alike: whether all others are one to it.

    Example:
        >>> from math import log
        >>> from s2s_zoo.ngrams import LanguageModel
        >>> class Coin(LanguageModel[int]):  # its state counts the flips
        ...     unit, vocabulary = "words", {"heads", "tails"}
        ...     def start(self):
        ...         return 0
        ...     def advance(self, state, unit):
        ...         return log(1 / 2), state + 1
        ...     def end(self, state):
        ...         return 0.0
        >>> Coin().perplexity([["heads", "tails", "tails"]]).log_probability / log(2)
        -3.0
    """

    unit: str
    vocabulary: Collection[str]
    unknown_are_alike: bool = True

    @abstractmethod
    def start(self) -> State:
        """The state at the start of a line."""

    @abstractmethod
    def advance(self, state: State, unit: str) -> tuple[float, State]:
        """The logarithm of P(unit | state), and the state after the unit."""

    @abstractmethod
    def end(self, state: State) -> float:
        """The logarithm of P(the line ends | state)."""

    def knows(self, unit: str) -> bool:
        """Whether the unit is in the vocabulary."""
        return unit in self.vocabulary

    def score(self, units: Sequence[str]) -> float:
        """The logarithm of P(a whole line), its end included."""
        total, state = 0.0, self.start()
        for unit in units:
            log_probability, state = self.advance(state, unit)
            total += log_probability
        return total + self.end(state)

    def perplexity(self, lines: Iterable[Sequence[str]]) -> Perplexity:
        """How well the model predicts lines, each a sequence of units."""
        total = unknown_total = 0.0
        units = unknown = count = 0
        for line in lines:
            state = self.start()
            for unit in line:
                log_probability, state = self.advance(state, unit)
                total += log_probability
                if not self.knows(unit):
                    unknown_total += log_probability
                    unknown += 1
            total += self.end(state)
            units += len(line) + 1
            count += 1
        return Perplexity(total, unknown_total, units, unknown, count)


def split_units(line: str, unit: str) -> list[str]:
    """The units of a line of text.

    White space is collapsed. Words are what it separates; among characters, a space is
    the unit `SPACE`.

    Example:
        >>> from s2s_zoo.ngrams import split_units
        >>> split_units("to  be", "characters")
        ['t', 'o', '▁', 'b', 'e']

    Raises:
        ValueError: `unit` is not one of `UNITS`.
    """
    check_choice("unit", unit, UNITS)
    words = line.split()
    return words if unit == "words" else list(SPACE.join(words))


def _perplexity(log_probability: float, units: int) -> float:
    if not units:
        return math.nan
    try:
        return math.exp(-log_probability / units)
    except OverflowError:
        return math.inf

"""Language models of a few units, drawn at random."""

import zlib
from collections.abc import Collection, Hashable
from math import log

import numpy as np

from s2s_zoo.ngrams.base import LanguageModel


class Bigrams(LanguageModel[Hashable]):
    """Probabilities that follow from the two units and a seed, normalized."""

    unit = "words"

    def __init__(self, vocabulary: Collection[str], seed: int = 0) -> None:
        self.vocabulary = tuple(vocabulary)
        self.seed = seed

    def start(self) -> Hashable:
        return "<s>"

    def advance(self, state: Hashable, unit: str) -> tuple[float, Hashable]:
        unit = unit if unit in self.vocabulary else "<unk>"
        return self._logarithm(state, unit), unit

    def end(self, state: Hashable) -> float:
        return self._logarithm(state, "</s>")

    def _logarithm(self, state: Hashable, unit: str) -> float:
        key = zlib.crc32(str(state).encode())
        units = [*self.vocabulary, "<unk>", "</s>"]
        drawn = np.random.default_rng((self.seed, key)).gamma(0.5, size=len(units))
        drawn += 0.01
        return float(np.log(drawn / drawn.sum())[units.index(unit)])


def character_arpa(symbols: str, space: str = "|") -> str:
    """An ARPA file of bigrams of characters; some of them back off."""
    units = [space if symbol == " " else symbol for symbol in symbols]
    rng = np.random.default_rng(0)
    singles = {unit: rng.uniform(-2, -0.3) for unit in [*units, "<unk>", "</s>"]}
    lines = [
        f"{value:.6f}\t{unit}\t{rng.uniform(-0.5, 0):.6f}"
        for unit, value in singles.items()
        if unit != "</s>"
    ]
    lines += [f"{singles['</s>']:.6f}\t</s>", "-99\t<s>\t-0.2"]
    pairs = [(a, b) for a in ["<s>", *units] for b in [*units, "</s>"]]
    seen = [pair for pair in pairs if rng.random() < 0.6]
    double = [f"{rng.uniform(-1.5, -0.1):.6f}\t{a} {b}" for a, b in seen]
    return "\n".join(
        [
            "\\data\\",
            f"ngram 1={len(lines)}",
            f"ngram 2={len(double)}",
            "",
            "\\1-grams:",
            *lines,
            "",
            "\\2-grams:",
            *double,
            "",
            "\\end\\",
            "",
        ]
    )


class Arpa:
    """The model of such a file, read as the format is defined."""

    def __init__(self, text: str) -> None:
        rows = [line.split("\t") for line in text.splitlines() if "\t" in line]
        self.found = {tuple(row[1].split()): float(row[0]) for row in rows}
        self.backoff = {row[1]: float(row[2]) for row in rows if len(row) == 3}
        self.vocabulary = tuple(key[0] for key in self.found if len(key) == 1)

    def start(self) -> Hashable:
        return "<s>"

    def advance(self, state: Hashable, unit: str) -> tuple[float, Hashable]:
        unit = unit if unit in self.vocabulary else "<unk>"
        if (state, unit) in self.found:
            return log(10) * self.found[state, unit], unit
        backoff = self.backoff.get(str(state), 0.0)
        return log(10) * (backoff + self.found[unit,]), unit

    def end(self, state: Hashable) -> float:
        return self.advance(state, "</s>")[0]

"""Numbers in words, English and German: exact translations, made on this machine."""

import functools
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.demo_pairs import DemoPairs, Texts
from s2s_zoo.errors import UserError

COUNTS = {2: 100, 3: 900, 4: 5000, 5: 8000, 6: 8000}
"""How many of the numbers of at most two, of three, ... of six digits there are."""

HELD_OUT = 1000
"""Numbers of at least three digits in each of validation and test."""


def numbers(seed: int) -> dict[str, list[int]]:
    """The numbers of each split in a random order; none occurs twice."""
    random = Random(seed)
    chosen: list[int] = []
    for digits, count in COUNTS.items():
        smallest = 0 if digits == min(COUNTS) else 10 ** (digits - 1)
        chosen += random.sample(range(smallest, 10**digits), count)
    small, large = chosen[: COUNTS[2]], chosen[COUNTS[2] :]
    random.shuffle(large)
    train = small + large[2 * HELD_OUT :]
    random.shuffle(train)
    return {
        "train": train,
        "validation": large[:HELD_OUT],
        "test": large[HELD_OUT : 2 * HELD_OUT],
    }


@dataclass(frozen=True, kw_only=True)
class DemoNumbers(DemoPairs):
    """The built-in corpus of translation: the numbers 0 to 999,999.

    A number is in one split only. All below 100 are in train.
    """

    name: str = "demo_numbers"
    summary: str = "numbers in words up to 999,999: 22,000 pairs, exact"
    languages: tuple[str, ...] = ("en", "de")

    def make(self) -> Texts:
        if importlib.util.find_spec("num2words") is None:
            raise UserError(
                "The demo numbers are written by num2words, which is not installed. "
                "Either install it: pip install 's2s-zoo[demo]'. Or bring pairs of "
                "your own: --data PATH with two aligned files, .tsv, .jsonl or .tmx."
            )
        return {
            split: _in_words(found) for split, found in numbers(self.version).items()
        }


def _in_words(found: list[int]) -> Iterator[tuple[str, str]]:
    for number in found:
        thousands, rest = divmod(number, 1000)
        yield _english(thousands, rest), _german(thousands, rest)


def _english(thousands: int, rest: int) -> str:
    if not (thousands and rest):
        return _word(1000 * thousands + rest, "en")
    joint = ", " if rest >= 100 else " and "
    return _word(1000 * thousands, "en") + joint + _word(rest, "en")


def _german(thousands: int, rest: int) -> str:
    if not (thousands and rest):
        return _word(1000 * thousands + rest, "de")
    return _word(1000 * thousands, "de") + _word(rest, "de")


@functools.cache
def _word(number: int, language: str) -> str:
    """A number below 1000, or a multiple of 1000; a quarter of a millisecond each."""
    from num2words import num2words

    return num2words(number, lang=language)


CORPORA.register("demo_numbers", DemoNumbers(), __file__)

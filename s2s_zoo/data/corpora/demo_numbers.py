"""Numbers in words, English and German: exact translations, made on this machine."""

import functools
import importlib.util
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Self

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.demo_pairs import DemoPairs, Texts
from s2s_zoo.errors import UserError

COUNTS = {2: 100, 3: 900, 4: 5000, 5: 8000, 6: 8000}
"""How many of the numbers of at most two, of three, ... of six digits there are."""

HELD_OUT = 1000
"""Numbers of at least three digits in each of validation and test."""

TRAIN = sum(COUNTS.values()) - 2 * HELD_OUT
LONGER_DIGITS = range(7, 13)
MOST = 50_000_000


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


def longer_numbers(seed: int) -> Iterator[int]:
    """Numbers of 7 to 12 digits in turns, none of which occurs twice."""
    random = Random(seed)
    walks = [_all_of(digits, random) for digits in LONGER_DIGITS]
    return itertools.chain.from_iterable(zip(*walks, strict=True))


def _all_of(digits: int, random: Random) -> Iterator[int]:
    """The numbers of so many digits in equal steps that meet none of them twice."""
    smallest = 10 ** (digits - 1)
    count = 9 * smallest
    start = random.randrange(count)
    steps = iter(functools.partial(random.randrange, count), None)
    step = next(step for step in steps if math.gcd(step, count) == 1)
    return (smallest + (start + i * step) % count for i in range(count))


@dataclass(frozen=True, kw_only=True)
class DemoNumbers(DemoPairs):
    """The built-in corpus of translation: the numbers 0 to 999,999, and more on demand.

    A number is in one split only. All below 100 are in train. A larger train has
    numbers of up to 12 digits besides, as many of each length, of which another
    `HELD_OUT` are in validation and in test; these are the same for every size.

    Attributes:
        size: pairs in train, from `TRAIN` to `MOST`.
    """

    name: str = "demo_numbers"
    summary: str = (
        "numbers in words up to 999,999: 22,000 pairs, exact; up to twelve digits "
        "and fifty million pairs with demo_numbers:50000000"
    )
    languages: tuple[str, ...] = ("en", "de")
    size: int = TRAIN

    def of_size(self, size: str) -> Self:
        is_short = size.isdecimal() and len(size) <= len(str(MOST))
        if not (is_short and TRAIN <= int(size) <= MOST):
            raise UserError(
                f"{self.name}:SIZE has a SIZE of {TRAIN} to {MOST} pairs in train. "
                f"Received: {size!r}"
            )
        return replace(self, size=int(size))

    def found_in(self, directory: Path) -> bool:
        """Whether it is there; where no size is asked for, in any."""
        if super().found_in(directory) or self.size > TRAIN:
            return super().found_in(directory)
        return self.mark_in(directory).startswith(f"{self.name} {self.edition}-")

    @property
    def edition(self) -> str:
        return f"{self.version}" + (f"-{self.size}" if self.size > TRAIN else "")

    def check_makeable(self) -> None:
        if importlib.util.find_spec("num2words") is None:
            raise UserError(
                "The demo numbers are written by num2words, which is not installed. "
                "Either install it: pip install 's2s-zoo[demo]'. Or bring pairs of "
                "your own: --data PATH with two aligned files, .tsv, .jsonl or .tmx."
            )

    def texts(self) -> Texts:
        found: dict[str, Iterable[int]] = {**numbers(self.version)}
        if self.size > TRAIN:
            longer = longer_numbers(self.version)
            for split in ("validation", "test"):
                found[split] = [*found[split], *itertools.islice(longer, HELD_OUT)]
            more = itertools.islice(longer, self.size - TRAIN)
            found["train"] = itertools.chain(found["train"], more)
        return {split: in_words(found[split]) for split in self.splits}


def in_words(found: Iterable[int]) -> Iterator[tuple[str, str]]:
    """Each number in English and German."""
    for number in found:
        groups = _groups(number)
        yield _english(groups), _german(groups)


def _groups(number: int) -> list[int]:
    """What the digits of each thousand, million, ... stand for: 21_007 is 21_000, 7."""
    if not number:
        return [0]
    scales = (1000**power for power in range(len(str(number)) // 3, -1, -1))
    groups = (number // scale % 1000 * scale for scale in scales)
    return [group for group in groups if group]


def _english(groups: list[int]) -> str:
    *rest, last = (_word(group, "en") for group in groups)
    joint = " and " if rest and groups[-1] < 100 else ", " if rest else ""
    return ", ".join(rest) + joint + last


def _german(groups: list[int]) -> str:
    spaces = (" " if group >= 10**6 else "" for group in groups)
    words = (_word(group, "de") for group in groups)
    return "".join(map("".join, zip(words, spaces, strict=True))).rstrip()


@functools.cache
def _word(number: int, language: str) -> str:
    """A number below 1000 or such a number of thousands, ..., in 0.25 ms at first."""
    from num2words import num2words

    return num2words(number, lang=language)


CORPORA.register("demo_numbers", DemoNumbers(), __file__)

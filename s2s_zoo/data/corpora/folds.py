"""Cross-validation of corpora that come without splits."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Self

from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.labelled import Labelled
from s2s_zoo.errors import UserError

FOLDS = 10


@dataclass(frozen=True, kw_only=True)
class FoldedCorpus(Corpus):
    """A corpus of ten folds, "NAME:FOLD" for the one that is tested on.

    The next fold is validation, the others are train.

    Attributes:
        fold: the fold that is tested on, 0 to 9.
    """

    splits: tuple[str, ...] = ("train", "validation", "test")
    fold: int = 0

    def of_size(self, size: str) -> Self:
        if not (len(size) == 1 and size.isdecimal()):
            raise UserError(
                f"{self.name}:FOLD has a FOLD of 0 to {FOLDS - 1}, which is tested on. "
                f"Received: {size!r}"
            )
        return replace(self, fold=int(size))

    def in_split(
        self,
        examples: Iterable[Labelled],
        split: str,
        group: Callable[[Labelled], str],
    ) -> list[Labelled]:
        """The examples of a split; those of a group are in one fold.

        Args:
            examples: all there are.
            split: one of `splits`.
            group: what goes together: the SHA-256 of it chooses the fold.
        """
        self.check_split(split)
        places = {self.fold: "test", (self.fold + 1) % FOLDS: "validation"}
        return [
            example
            for example in examples
            if places.get(fold_of(group(example)), "train") == split
        ]


def fold_of(group: str) -> int:
    """The fold of a group, 0 to 9."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest(), "big") % FOLDS

"""Where data lies, and how its splits are read, whatever kind it is of."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.errors import UserError
from s2s_zoo.registry import canonical

ROLES = ("train", "validation", "test")
HELD_OUT_SHARE = 0.05

STEMS = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
"""What the files of each role may be called, their ending aside."""

_PREFIXES = {"speech_to_text": "asr", "text_to_text": "mt"}

Examples = TypeVar("Examples", bound=Sequence[Any])


@dataclass(frozen=True)
class Source(Generic[Examples]):
    """Data that was found.

    Attributes:
        data: what the user calls it.
        roles: its own split for each role that there is one for.
        splits: all of its own splits.
        read: reads one of them.
        join: makes one of several.
        hold_out: makes train and validation of train.
        held_out: what is said of such a validation split.
    """

    data: str
    roles: dict[str, str]
    splits: tuple[str, ...]
    read: Callable[[str], Examples]
    join: Callable[[list[Examples]], Examples]
    hold_out: Callable[[Examples, str], tuple[Examples, Examples]]
    held_out: str = "5 % of train"

    def read_split(self, split: str) -> Examples:
        """The examples of a role or of one of its own splits; "A+B" reads both.

        Raises:
            UserError: no such split; says which there are.
        """
        if split in ROLES and split in self.roles:
            examples = self.read(self.roles[split])
            is_shared = split == "train" and "validation" not in self.roles
            return self.hold_out(examples, self.data)[0] if is_shared else examples
        if split == "validation" and "train" in self.roles:
            return self.hold_out(self.read(self.roles["train"]), self.data)[1]
        parts = split.split("+")
        if set(parts) <= set(self.splits):
            return self.join([self.read(part) for part in parts])
        known = ", ".join(sorted({*self.all_roles(), *self.splits}))
        raise UserError(f"{self.data} has no split {split!r}; it has: {known}")

    def all_roles(self) -> dict[str, str]:
        """What stands for each role; what is held out of train is validation."""
        roles = dict(self.roles)
        if "train" in roles:
            roles.setdefault("validation", self.held_out)
        return {role: roles[role] for role in ROLES if role in roles}


def corpus_called(name: str) -> Corpus | None:
    """The corpus that is called NAME or NAME:SIZE; None if none is.

    Raises:
        UserError: it cannot have this size.
    """
    plain, colon, size = name.partition(":")
    if canonical(plain) not in CORPORA:
        return None
    corpus = CORPORA.get(plain)
    return corpus.of_size(size) if colon else corpus


def named_corpus(data: str, task: str) -> Corpus | None:
    """As `corpus_called`, of the corpora for a task.

    Raises:
        UserError: likewise, or it is a corpus for another task.
    """
    corpus = corpus_called(data)
    if corpus is None:
        return None
    if corpus.task != task:
        raise UserError(
            f"The corpus {corpus.name} is for {corpus.task}, not for {task}; for that "
            f"there are: {corpus_names(task)}"
        )
    return corpus


def corpus_names(task: str) -> str:
    """The names of the corpora for a task."""
    return ", ".join(corpus.name for corpus in CORPORA if corpus.task == task)


def corpus_in(directory: Path, task: str) -> Corpus | None:
    """The corpus for a task whose layout a directory has."""
    fitting = (corpus for corpus in CORPORA if corpus.task == task)
    return next((corpus for corpus in fitting if corpus.found_in(directory)), None)


def find_corpus(corpus: Corpus) -> Path:
    """Where a corpus lies on this machine.

    $S2S_ZOO_DATA_DIR/PREFIX_NAME or PREFIX_NAME_mini, where the prefix is "asr" for
    speech and "mt" for pairs of texts, else its cache; a corpus that is made locally
    is made where it is missing.

    Raises:
        UserError: it is not on this machine; says how to get it.
    """
    places = [corpus.home()]
    if shared := os.environ.get("S2S_ZOO_DATA_DIR"):
        folder = f"{_PREFIXES[corpus.task]}_{corpus.name}"
        places = [Path(shared) / folder, Path(shared) / f"{folder}_mini", *places]
    for place in places:
        if corpus.found_in(place):
            return place
    if corpus.made_locally:
        return corpus.prepare()
    looked = ", ".join(map(str, places))
    raise UserError(
        f"The corpus {corpus.name} is not on this machine (looked in {looked}); fetch "
        f"it: s2s-zoo data prepare {corpus.name}"
    )

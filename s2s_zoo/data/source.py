"""Data that was found, and how its splits are read, whatever kind it is of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from s2s_zoo.errors import UserError

ROLES = ("train", "validation", "test")

STEMS = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
"""What the files of each role may be called, their ending aside."""

Examples = TypeVar("Examples", bound=Sequence[Any])


@dataclass(frozen=True)
class Part(Generic[Examples]):
    """Examples that lie in files of their own.

    Attributes:
        files: the files.
        read: reads the examples.
    """

    files: tuple[Path, ...]
    read: Callable[[], Examples]


@dataclass(frozen=True)
class Source(Generic[Examples]):
    """Data that was found.

    Where there is a train but no validation split, validation is held out of train.

    Attributes:
        data: what the user calls it.
        kind: what its examples are, in the plural.
        roles: its own split for each role that there is one for.
        splits: all of its own splits.
        read: reads one of them.
        join: makes one of several.
        hold_out: makes train and validation of train.
        held_out: what is said of such a validation split.
        lone: absolute paths of the files that hold all of it, sorted; empty where it
            comes in splits.
    """

    data: str
    kind: str
    roles: dict[str, str]
    splits: tuple[str, ...]
    read: Callable[[str], Examples]
    join: Callable[[list[Examples]], Examples]
    hold_out: Callable[[Examples], tuple[Examples, Examples]]
    held_out: str
    lone: tuple[Path, ...] = ()

    def read_split(self, split: str) -> Examples:
        """The examples of a role or of one of its own splits; "A+B" reads both.

        Raises:
            UserError: no such split; says which there are. Or train is too small to
                hold some of it out.
        """
        if split in ("train", "validation") and self._shares_train:
            return self._share(split)
        if split in ROLES and split in self.roles:
            return self.read(self.roles[split])
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

    @property
    def _shares_train(self) -> bool:
        return "train" in self.roles and "validation" not in self.roles

    def _share(self, split: str) -> Examples:
        train, validation = self._shares
        if split == "train":
            return train
        if not len(validation):
            raise UserError(
                f"{self.data}: {len(train)} {self.kind}, too few to hold some out"
            )
        return validation

    @cached_property
    def _shares(self) -> tuple[Examples, Examples]:
        return self.hold_out(self.read(self.roles["train"]))

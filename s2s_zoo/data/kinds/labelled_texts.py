"""Texts with a label each: reviews and how they judge."""

from dataclasses import dataclass
from typing import Any, ClassVar

from s2s_zoo.data.kinds import KINDS
from s2s_zoo.data.kinds.labelled import LabelledKind


@dataclass(frozen=True)
class LabelledTexts(LabelledKind):
    """Rows of a table with a text and its label."""

    name: ClassVar[str] = "labelled_texts"
    prefix: ClassVar[str] = "sent"
    preset: ClassVar[str] = "sentiment_small"
    accepted: ClassVar[str] = (
        "CSV, TSV or JSON lines with the columns label (class, category) and text "
        "(sentence)"
    )

    def content(self, source: Any) -> bytes:
        return str(source).encode()


KINDS.register(LabelledTexts.name, LabelledTexts(), __file__)

"""Build n-gram language models from text, and measure them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from s2s_zoo.catalog import Preset
from s2s_zoo.data.kinds.base import Progress
from s2s_zoo.data.lines import Lines
from s2s_zoo.data.recognition import kind_of
from s2s_zoo.errors import UserError
from s2s_zoo.ngrams import (
    Estimate,
    NGramModel,
    Perplexity,
    estimate_kneser_ney,
    load_language_model,
    split_units,
    write_arpa,
)
from s2s_zoo.ngrams.counts import RESERVED
from s2s_zoo.registry import PRESETS
from s2s_zoo.workflows.sources import open_data

ENDINGS = (".arpa", ".arpa.gz")

_ROWS = 10_000


@dataclass(frozen=True)
class Texts:
    """The lines that a model is built from or measured on; blank ones are left out.

    Attributes:
        files: of text, one line a sentence, plain or compressed by gzip.
        corpus: by name or path; its references are lines too.
        split: of the corpus.
        preset: whose task reads the corpus and writes its references, in its alphabet
            say; None is that of the kind of data the corpus holds.
        settings: of the preset by path.
    """

    files: Sequence[str | Path] = ()
    corpus: str | None = None
    split: str = "train"
    preset: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        corpus = [self.corpus] if self.corpus else []
        return ", ".join([*map(str, self.files), *corpus])

    def lines(self, unit: str, progress: Progress | None = None) -> Iterator[list[str]]:
        """Each line's units; `progress` is called with (done, total).

        Raises:
            UserError: there is no text, it cannot be read, or a line holds a word that
                is reserved.
        """
        files = [Lines(Path(path).expanduser()) for path in self.files]
        references = self._references() if self.corpus else []
        total = sum(int(np.sum(~file.blank)) for file in files) + len(references)
        if not total:
            raise UserError(f"{str(self) or 'no text was named'}: no line of text")
        named = chain(*map(_named_lines, files), references)
        for done, (where, line) in enumerate(named, start=1):
            units = split_units(line, unit)
            if any(word in units for word in RESERVED):
                raise UserError(
                    f"{where}: {', '.join(RESERVED)} have a meaning of their "
                    f"own; write them differently. Received: {line[:80]!r}"
                )
            yield units
            if progress and (done % _ROWS == 0 or done == total):
                progress(done, total)

    def _references(self) -> list[tuple[str, str]]:
        task = self._preset().task
        examples = open_data(task, str(self.corpus)).read_split(self.split)
        texts = [(f"{self.corpus}: {e.name}", task.reference(e)) for e in examples]
        return [(where, text) for where, text in texts if text.strip()]

    def _preset(self) -> Preset[Any]:
        if self.preset:
            chosen = PRESETS.get(self.preset)
        elif kind := kind_of(str(self.corpus)):
            chosen = PRESETS.get(kind.preset)
        else:
            raise UserError(
                f"{self.corpus}: neither a corpus by name nor data whose kind can be "
                "told; name a preset that reads it"
            )
        return chosen.with_settings(self.settings) if self.settings else chosen


@dataclass(frozen=True)
class Building:
    """A model that was built.

    Attributes:
        path: of its ARPA file.
        estimate: the model and what it was estimated with.
        unit: what a unit is.
    """

    path: Path
    estimate: Estimate
    unit: str

    def summary(self) -> dict[str, Any]:
        """The object that `lm build --json` prints."""
        return {
            "path": self.path,
            "unit": self.unit,
            "lines": self.estimate.lines,
            "units": self.estimate.units,
            "ngrams": [len(grams) for grams in self.estimate.ngrams.orders],
            "discounts": self.estimate.discounts,
            "fallbacks": self.estimate.fallbacks,
        }


def build_language_model(
    *,
    texts: Texts,
    output: str | Path,
    order: int = 3,
    prune: Sequence[int] = (),
    unit: str = "words",
    progress: Progress | None = None,
) -> Building:
    """Estimate an n-gram model and write it as an ARPA file.

    Args:
        texts: what it is estimated from.
        output: path that ends in ".arpa" or ".arpa.gz".
        order: length of the longest n-grams.
        prune: as for `estimate_kneser_ney`.
        unit: "words" or "characters".
        progress: called with (done, total) lines.

    Raises:
        UserError: there is no text, it cannot be read or holds reserved words; order or
            thresholds are not accepted, or the file cannot be written.
    """
    path = Path(output).expanduser()
    if not path.name.endswith(ENDINGS):
        raise UserError(f"{path}: want a name that ends in {' or '.join(ENDINGS)}")
    if not path.parent.is_dir():
        raise UserError(f"{path}: {path.parent} is no directory")
    try:
        estimate = estimate_kneser_ney(texts.lines(unit, progress), order, prune)
    except ValueError as error:
        raise UserError(str(error)) from error
    write_arpa(path, estimate.ngrams)
    return Building(path, estimate, unit)


@dataclass(frozen=True)
class Measurement:
    """How well a model predicts text.

    Attributes:
        path: of the model.
        order: of the model.
        unit: what a unit is.
        perplexity: of the text.
    """

    path: Path
    order: int
    unit: str
    perplexity: Perplexity

    def summary(self) -> dict[str, Any]:
        """The object that `lm score --json` prints; logarithms are natural."""
        found = self.perplexity
        return {
            "path": self.path,
            "order": self.order,
            "unit": self.unit,
            "lines": found.lines,
            "units": found.units,
            "unknown": found.unknown,
            "log_probability": found.log_probability,
            "perplexity": found.including_unknown,
            "perplexity_without_unknown": found.excluding_unknown,
        }


def score_language_model(
    *,
    model: str | Path,
    texts: Texts,
    unit: str | None = None,
    progress: Progress | None = None,
) -> Measurement:
    """The perplexity of an n-gram model on text, ends of lines included.

    Args:
        model: ARPA file, plain or compressed by gzip, or binary of KenLM.
        texts: what it is measured on.
        unit: "words" or "characters"; None is what the model's vocabulary looks like.
        progress: called with (done, total) lines.

    Raises:
        UserError: the model or a text cannot be read.
    """
    path = Path(model).expanduser()
    loaded: NGramModel = load_language_model(path)
    unit = unit or loaded.unit
    perplexity = loaded.perplexity(texts.lines(unit, progress))
    return Measurement(path, loaded.order, unit, perplexity)


def _named_lines(file: Lines) -> Iterator[tuple[str, str]]:
    rows = np.flatnonzero(~file.blank)
    for start in range(0, len(rows), _ROWS):
        block = rows[start : start + _ROWS]
        yield from zip(map(file.where, block), file.read(block), strict=True)

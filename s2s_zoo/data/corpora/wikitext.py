"""WikiText: good and featured articles of Wikipedia (Merity et al., 2016)."""

from dataclasses import dataclass
from pathlib import Path

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.text_files import GivenTextCorpus
from s2s_zoo.data.peek import first_text

FILES = {"train": "train", "validation": "valid", "test": "test"}
FIRST_TESTS = ("= Robert <unk> =", "= Robert Boulter =")
"""Title of the first article of the test split, which both sizes share."""


@dataclass(frozen=True, kw_only=True)
class WikiText(GivenTextCorpus):
    """Articles with titles and rare words as "<unk>", in one of two sizes.

    Attributes:
        train_bytes: of the file to train on, at least and at most, packed or not.
    """

    licence: str = "CC BY-SA 3.0"
    train_bytes: tuple[int, int]

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        return {
            split: (f"wiki.{file}.tokens", f"{file}.txt")
            for split, file in FILES.items()
        }

    def found_in(self, directory: Path) -> bool:
        if not super().found_in(directory):
            return False
        train, test = (self.file_in(directory, split) for split in ("train", "test"))
        assert train is not None
        assert test is not None
        low, high = self.train_bytes
        fits = low <= train.stat().st_size <= high
        return fits and first_text(test) in FIRST_TESTS


CORPORA.register(
    "wikitext2",
    WikiText(
        name="wikitext2",
        summary="600 articles of Wikipedia to train on, 2 M words",
        origin="wikitext-2-v1.zip of Merity et al., 2016",
        train_bytes=(1_000_000, 50_000_000),
    ),
    __file__,
)
CORPORA.register(
    "wikitext103",
    WikiText(
        name="wikitext103",
        summary="28,475 articles of Wikipedia to train on, 103 M words",
        origin="wikitext-103-v1.zip of Merity et al., 2016",
        train_bytes=(100_000_000, 1_000_000_000),
    ),
    __file__,
)

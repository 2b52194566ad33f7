"""The Penn Treebank as language models read it (Mikolov et al., 2010)."""

from dataclasses import dataclass

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.text_files import GivenTextCorpus

FILES = {"train": "train", "validation": "valid", "test": "test"}


@dataclass(frozen=True, kw_only=True)
class PennTreebank(GivenTextCorpus):
    """Lines of newspaper text, lower-cased, with 9,999 words and without punctuation.

    929,589 tokens to train on, 73,760 and 82,430 to measure, ends of lines among them.
    """

    name: str = "ptb"
    summary: str = "Penn Treebank for language models: 0.9 M words of newspaper text"
    licence: str = "LDC (Treebank-3)"
    origin: str = "the archive simple-examples.tgz of Mikolov's RNNLM toolkit, data/"

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        return {split: (f"ptb.{file}.txt",) for split, file in FILES.items()}


CORPORA.register("ptb", PennTreebank(), __file__)

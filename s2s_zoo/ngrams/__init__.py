"""N-gram language models: estimation, ARPA and KenLM files, scores."""

from typing import TYPE_CHECKING

from s2s_zoo.lazy import lazily

if TYPE_CHECKING:
    from s2s_zoo.ngrams.arpa import read_arpa, write_arpa
    from s2s_zoo.ngrams.base import LanguageModel, Perplexity, split_units
    from s2s_zoo.ngrams.grams import NGrams
    from s2s_zoo.ngrams.kneser_ney import Estimate, estimate_kneser_ney
    from s2s_zoo.ngrams.loading import load_language_model
    from s2s_zoo.ngrams.model import NGramModel

__all__ = [
    "Estimate",
    "LanguageModel",
    "NGramModel",
    "NGrams",
    "Perplexity",
    "estimate_kneser_ney",
    "load_language_model",
    "read_arpa",
    "split_units",
    "write_arpa",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        ".arpa": ("read_arpa", "write_arpa"),
        ".base": ("LanguageModel", "Perplexity", "split_units"),
        ".grams": ("NGrams",),
        ".kneser_ney": ("Estimate", "estimate_kneser_ney"),
        ".loading": ("load_language_model",),
        ".model": ("NGramModel",),
    },
)

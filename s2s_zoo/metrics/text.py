"""How texts that were written are measured by those that were wanted."""

from collections.abc import Sequence
from typing import Literal

from s2s_zoo.metrics.bleu_tokenizer import AUTO, BleuTokenizer
from s2s_zoo.metrics.bootstrap import Pooled
from s2s_zoo.metrics.rouge import rouge_measures, rouge_scorer, rouge_signature
from s2s_zoo.metrics.translation import (
    check_tokenizer,
    translation_measures,
    translation_signature,
)

Measure = Literal["translation", "summary", "exact"]
METRICS: dict[Measure, str] = {
    "translation": "bleu",
    "summary": "rouge_l",
    "exact": "exact_match",
}
"""The first metric of each measure, which tells the better model."""


def check_measure(measure: Measure, tokenizer: str) -> None:
    """Refuse what cannot be measured here.

    Args:
        measure: of texts.
        tokenizer: of BLEU, or "auto".

    Raises:
        UserError: there is no such tokenizer, or the package that measures it is not
            installed.
    """
    if measure == "summary":
        rouge_scorer()
    if measure == "translation" and tokenizer != AUTO:
        check_tokenizer(tokenizer)


def text_measures(
    measure: Measure,
    written: Sequence[str],
    references: Sequence[str],
    tokenizer: BleuTokenizer,
) -> dict[str, Pooled]:
    """BLEU and chrF, ROUGE, or the share of texts that are right, by name."""
    if measure == "translation":
        return translation_measures(written, references, tokenizer.name)
    if measure == "summary":
        return rouge_measures(written, references)
    right = (w == r for w, r in zip(written, references, strict=True))
    return {"exact_match": Pooled.mean(right)}


def text_signature(measure: Measure, tokenizer: BleuTokenizer) -> str:
    """How it is measured, in the words of the library that does."""
    if measure == "translation":
        return translation_signature(tokenizer.name)
    return rouge_signature() if measure == "summary" else "exact"

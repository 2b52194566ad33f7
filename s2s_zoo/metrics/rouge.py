"""ROUGE-1, ROUGE-2 and ROUGE-L of summaries, 0 to 100.

Lin, "ROUGE: a package for automatic evaluation of summaries" (2004): F-measures of
unigrams, bigrams and the longest common subsequence, as rouge-score computes them
and without stemming. Words are runs of letters, marks and digits of any script in
lower case, which is rouge-score's own rule where the text is ASCII; text without
spaces between words is one word.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from s2s_zoo.errors import UserError
from s2s_zoo.metrics.bootstrap import SAMPLES, Pooled, Scores, check_pairs, score_all

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer

SEED = 0
NAMES = {"rouge1": "rouge1", "rouge2": "rouge2", "rouge_l": "rougeL"}


def rouge_scores(hypotheses: Sequence[str], references: Sequence[str]) -> Scores:
    """Mean F-measures `rouge1`, `rouge2`, `rouge_l` with 95 % bootstrap intervals.

    Args:
        hypotheses: summaries; an empty one scores 0.
        references: one for each.

    Raises:
        ValueError: no hypotheses, or not as many references.
        UserError: rouge-score is not installed.

    Example:
        >>> from s2s_zoo.metrics import rouge_scores
        >>> scores = rouge_scores(["a dog runs"], ["a dog walks"])
        >>> {name: round(value, 1) for name, value in scores.metrics.items()}
        {'rouge1': 66.7, 'rouge2': 50.0, 'rouge_l': 66.7}
    """
    measures = rouge_measures(hypotheses, references)
    return score_all(measures, rouge_signature(), seed=SEED)


def rouge_measures(
    hypotheses: Sequence[str], references: Sequence[str]
) -> dict[str, Pooled]:
    """`rouge1`, `rouge2`, `rouge_l` as means over examples; see `rouge_scores`.

    Example:
        >>> from s2s_zoo.metrics import rouge_measures
        >>> measures = rouge_measures(["a dog runs", "a cat"], ["a dog walks", "a cat"])
        >>> round(measures["rouge_l"].value, 1)
        83.3
    """
    check_pairs(hypotheses, references)
    scorer = rouge_scorer()
    found = [
        scorer.score(reference, hypothesis)
        for hypothesis, reference in zip(hypotheses, references, strict=True)
    ]
    return {
        name: Pooled.mean(100 * scores[kind].fmeasure for scores in found)
        for name, kind in NAMES.items()
    }


def rouge_signature() -> str:
    """How `rouge_scores` computes."""
    from importlib.metadata import version

    return (
        f"rouge|f-measure|case:lower|stem:no|tok:unicode|bs:{SAMPLES}|seed:{SEED}"
        f"|version:{version('rouge-score')}"
    )


def split_words(text: str) -> list[str]:
    """Runs of letters, marks and digits, in lower case."""
    return "".join(c if _in_word(c) else " " for c in text.lower()).split()


def _in_word(character: str) -> bool:
    if character.isascii():
        return re.match("[a-z0-9]", character) is not None
    return unicodedata.category(character)[0] in "LMN"


class _Words:
    """What rouge-score asks of a tokenizer."""

    def tokenize(self, text: str) -> list[str]:
        return split_words(text)


def rouge_scorer() -> "RougeScorer":
    """The library's scorer, with words of any script.

    Raises:
        UserError: rouge-score is not installed.
    """
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise UserError(
            "ROUGE needs the package rouge-score: pip install 's2s-zoo[rouge]'"
        ) from error
    kinds: list[Any] = list(NAMES.values())
    return RougeScorer(kinds, tokenizer=_Words())

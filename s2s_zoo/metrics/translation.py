"""BLEU and chrF of translations, as sacreBLEU computes them, 0 to 100.

Papineni et al., "BLEU" (ACL 2002); Popović, "chrF" (WMT 2015); Post, "A call for
clarity in reporting BLEU scores" (WMT 2018). Texts are detokenized and cased.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from s2s_zoo.errors import UserError
from s2s_zoo.metrics.bootstrap import SAMPLES, Pooled, Scores, check_pairs, score_all

SEED = 12345
"""sacreBLEU's own: the draws are those of its bootstrap."""
TOKENIZERS = ("13a", "intl", "ja-mecab", "ko-mecab", "zh", "char", "none")


def translation_scores(
    hypotheses: Sequence[str], references: Sequence[str], tokenize: str = "13a"
) -> Scores:
    """Corpus `bleu` and `chrf` with 95 % bootstrap intervals.

    The signature is sacreBLEU's of BLEU, then of chrF; it says which tokenizer, how
    many samples, which seed and which version.

    Args:
        hypotheses: translations; an empty one counts as nothing right.
        references: one for each.
        tokenize: sacreBLEU's tokenizer for BLEU: `13a`, `intl`, `zh` for Chinese,
            `ja-mecab` for Japanese, `ko-mecab` for Korean, `char` for other scripts
            without spaces, `none` for text in tokens already.

    Raises:
        ValueError: no hypotheses, or not as many references.
        UserError: no such tokenizer, or it is not installed.

    Example:
        >>> from s2s_zoo.metrics import translation_scores
        >>> texts = ["Two dogs run in the park.", "A man sleeps."]
        >>> scores = translation_scores(texts, texts)
        >>> {name: round(value, 1) for name, value in scores.metrics.items()}
        {'bleu': 100.0, 'chrf': 100.0}
    """
    measures = translation_measures(hypotheses, references, tokenize)
    return score_all(measures, translation_signature(tokenize), seed=SEED)


def translation_measures(
    hypotheses: Sequence[str], references: Sequence[str], tokenize: str = "13a"
) -> dict[str, Pooled]:
    """`bleu` and `chrf` as sums over sentences; see `translation_scores`.

    Example:
        >>> from s2s_zoo.metrics import translation_measures
        >>> texts = ["Two dogs run in the park.", "A man sleeps."]
        >>> round(translation_measures(texts, texts)["bleu"].value, 1)
        100.0
    """
    check_pairs(hypotheses, references)
    metrics = _metrics(tokenize)
    return {
        name: _pooled(metric, hypotheses, references)
        for name, metric in metrics.items()
    }


def translation_signature(tokenize: str = "13a") -> str:
    """How `translation_scores` computes, as sacreBLEU writes it."""
    return " + ".join(
        f"{name}|{_signature(metric)}" for name, metric in _metrics(tokenize).items()
    )


def is_installed(tokenize: str) -> bool:
    """Whether sacreBLEU has what one of its tokenizers needs."""
    try:
        BLEU(tokenize=tokenize)
    except (RuntimeError, AssertionError):  # no MeCab, or one with another dictionary
        return False
    return True


def install_command(tokenize: str) -> str:
    """What installs a tokenizer that needs a package of its own."""
    return f"pip install 's2s-zoo[{tokenize.partition('-')[0]}]'"


def check_tokenizer(tokenize: str) -> None:
    """Refuse a tokenizer that BLEU cannot be computed with here.

    Raises:
        UserError: there is none of that name, or it is not installed.
    """
    if tokenize not in TOKENIZERS:
        accepted = ", ".join(TOKENIZERS)
        raise UserError(f"The tokenizer is one of {accepted}. Received: {tokenize!r}")
    if not is_installed(tokenize):
        raise UserError(f"{tokenize} is not installed: {install_command(tokenize)}")


def _metrics(tokenize: str) -> dict[str, BLEU | CHRF]:
    check_tokenizer(tokenize)
    return {"bleu": BLEU(tokenize=tokenize, force=True), "chrf": CHRF()}


def _signature(metric: BLEU | CHRF) -> str:
    values: dict[str, Any] = {"num_refs": 1, "n_bootstrap": SAMPLES, "seed": SEED}
    for name, value in values.items():
        setattr(metric, name, value)
    return str(metric.get_signature())


def _pooled(
    metric: BLEU | CHRF, hypotheses: Sequence[str], references: Sequence[str]
) -> Pooled:
    """The statistics from which sacreBLEU's own significance tests compute."""
    rows = metric._extract_corpus_statistics(hypotheses, [references])

    def score(sums: NDArray[np.float64]) -> float:
        return float(metric._compute_score_from_stats(sums.tolist()).score)

    return Pooled(np.array(rows, np.float64), score)

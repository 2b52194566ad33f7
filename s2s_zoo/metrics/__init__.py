"""Corpus metrics with confidence intervals, and tests whether two systems differ."""

from typing import TYPE_CHECKING

from s2s_zoo.lazy import lazily

if TYPE_CHECKING:
    from s2s_zoo.metrics.bootstrap import Pooled, Scores, score_all
    from s2s_zoo.metrics.breakdown import Breakdown, Group
    from s2s_zoo.metrics.classification import (
        Prediction,
        calibration_error,
        confusion_matrix,
        label_breakdown,
        label_measures,
        macro_f1,
    )
    from s2s_zoo.metrics.error_rates import (
        ErrorCounts,
        align,
        bootstrap_interval,
        character_error_rate,
        character_errors,
        count_errors,
        error_measures,
        word_error_rate,
        word_errors,
    )
    from s2s_zoo.metrics.rouge import rouge_measures, rouge_scores
    from s2s_zoo.metrics.significance import Difference, paired_bootstrap, paired_tests
    from s2s_zoo.metrics.translation import translation_measures, translation_scores
    from s2s_zoo.metrics.word_confusions import error_breakdown

__all__ = [
    "Breakdown",
    "Difference",
    "ErrorCounts",
    "Group",
    "Pooled",
    "Prediction",
    "Scores",
    "align",
    "bootstrap_interval",
    "calibration_error",
    "character_error_rate",
    "character_errors",
    "confusion_matrix",
    "count_errors",
    "error_breakdown",
    "error_measures",
    "label_breakdown",
    "label_measures",
    "macro_f1",
    "paired_bootstrap",
    "paired_tests",
    "rouge_measures",
    "rouge_scores",
    "score_all",
    "translation_measures",
    "translation_scores",
    "word_error_rate",
    "word_errors",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        ".bootstrap": ("Pooled", "Scores", "score_all"),
        ".breakdown": ("Breakdown", "Group"),
        ".classification": (
            "Prediction",
            "calibration_error",
            "confusion_matrix",
            "label_breakdown",
            "label_measures",
            "macro_f1",
        ),
        ".error_rates": (
            "ErrorCounts",
            "align",
            "bootstrap_interval",
            "character_error_rate",
            "character_errors",
            "count_errors",
            "error_measures",
            "word_error_rate",
            "word_errors",
        ),
        ".rouge": ("rouge_measures", "rouge_scores"),
        ".significance": ("Difference", "paired_bootstrap", "paired_tests"),
        ".translation": ("translation_measures", "translation_scores"),
        ".word_confusions": ("error_breakdown",),
    },
)

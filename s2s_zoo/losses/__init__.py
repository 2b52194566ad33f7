"""What training minimizes: objectives of tasks, and the functions they sum up."""

from typing import TYPE_CHECKING

from s2s_zoo.lazy import lazily

if TYPE_CHECKING:
    from s2s_zoo.losses.base import Objective
    from s2s_zoo.losses.cross_entropy import CrossEntropy, smoothed_cross_entropy
    from s2s_zoo.losses.ctc import CTC, ctc_fits, ctc_loss
    from s2s_zoo.losses.label_cross_entropy import LabelCrossEntropy
    from s2s_zoo.losses.log_likelihood import LogLikelihood
    from s2s_zoo.losses.samples import SampleCrossEntropy
    from s2s_zoo.losses.spectrogram import SpectrogramLoss

__all__ = [
    "CTC",
    "CrossEntropy",
    "LabelCrossEntropy",
    "LogLikelihood",
    "Objective",
    "SampleCrossEntropy",
    "SpectrogramLoss",
    "ctc_fits",
    "ctc_loss",
    "smoothed_cross_entropy",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        ".base": ("Objective",),
        ".cross_entropy": ("CrossEntropy", "smoothed_cross_entropy"),
        ".ctc": ("CTC", "ctc_fits", "ctc_loss"),
        ".label_cross_entropy": ("LabelCrossEntropy",),
        ".log_likelihood": ("LogLikelihood",),
        ".samples": ("SampleCrossEntropy",),
        ".spectrogram": ("SpectrogramLoss",),
    },
)

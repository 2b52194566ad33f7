"""Frames written in a style that is asked for."""

from dataclasses import dataclass

import keras

from s2s_zoo.search.base import text
from s2s_zoo.search.frames import FrameSearch


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class StyledFrameSearch(FrameSearch):
    """As `FrameSearch`, of a model that knows styles.

    Attributes:
        style: "mean" for the mean style of the training; an audio file, to speak as it
            does; a weight from 0 for each token, with slashes between them; or "own"
            for the style of the recording that is to be spoken again, in evaluations.

    Example:
        >>> from s2s_zoo.search import StyledFrameSearch
        >>> StyledFrameSearch().parse("style=0.2/0.8,ahead=4").signature
        'frames|ahead:4|style:0.2/0.8'
    """

    style: str = text("mean")

    @property
    def signature(self) -> str:
        return f"{super().signature}|style:{self.style}"

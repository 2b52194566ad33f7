"""Speech synthesis in styles that are learned without being named."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import TASKS
from s2s_zoo.search.base import Search
from s2s_zoo.search.styled_frames import StyledFrameSearch
from s2s_zoo.tasks.styled_speaker import StyledSpeaker
from s2s_zoo.tasks.text_to_speech import TextToSpeech


@dataclass(frozen=True)
class StyledTextToSpeech(TextToSpeech):
    """As `TextToSpeech`, in a style that the search names.

    Attributes:
        search: how frames are written, and in which style.

    Example:
        >>> from s2s_zoo.tasks import StyledTextToSpeech
        >>> StyledTextToSpeech().offers(budget=60.0)["encoder"]
        {'frame_size': 80}
    """

    name: ClassVar[str] = "styled_text_to_speech"

    search: Search = field(default_factory=StyledFrameSearch)

    def offers(self, budget: float) -> dict[str, dict[str, Any]]:
        read = {"frame_size": self.spectrogram.num_mels}
        return {**super().offers(budget), "encoder": read}

    @property
    def validation_search(self) -> str:
        """Each held-out text is spoken in the style of its recording."""
        return "style=own"

    def runner(self, model: Seq2Seq, search: Search) -> StyledSpeaker:
        return StyledSpeaker(model, search, self)

    def weights(self, model: Seq2Seq, style: str) -> NDArray[np.float32]:
        """(H, N) weights of the tokens in a style, zeros for the mean.

        Args:
            model: of this task.
            style: as of `StyledFrameSearch`.

        Raises:
            UserError: it is no style.
        """
        search = self.search.with_settings({"style": style})
        return self.runner(model, search).weights


TASKS.register(StyledTextToSpeech.name, StyledTextToSpeech, __file__)

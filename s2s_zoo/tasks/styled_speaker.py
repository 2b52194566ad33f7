"""Texts through a synthesizer that knows styles."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.data.manifests import Utterance
from s2s_zoo.data.voices import TAIL, recorded
from s2s_zoo.encoders.styled import StyledEncoder
from s2s_zoo.errors import UserError
from s2s_zoo.search.styled_frames import StyledFrameSearch
from s2s_zoo.tasks.serving import Input, Serving
from s2s_zoo.tasks.speaker import Speaker
from s2s_zoo.typing import Arrays, Tensors

MEAN, OWN = "mean", "own"

Weights = NDArray[np.float32]


@dataclass(frozen=True)
class StyledSpeaker(Speaker):
    """A synthesizer that speaks in the style that its search asks for."""

    @cached_property
    def weights(self) -> Weights:
        """(H, N) weights of the tokens in that style, zeros for the mean.

        Raises:
            UserError: it is no style.
        """
        style, encoder = self._style, self._encoder
        if style == MEAN:
            return np.zeros((encoder.heads, encoder.tokens), np.float32)
        if Path(style).is_file():
            return self._heard(style)
        try:
            weights = np.array([float(part) for part in style.split("/")], np.float32)
        except ValueError:
            self._refuse(style)
        fit = np.isfinite(weights).all() and weights.min() >= 0 < weights.max()
        if len(weights) != encoder.tokens or not fit:
            self._refuse(f"{len(weights)} weights, {style}")
        return np.tile(weights, (encoder.heads, 1))

    def searched(self, inputs: Arrays) -> Tensors:
        """As of every runner, by one graph for all styles."""
        style = self._weights_of(inputs, len(inputs["source"]))
        search = self.search.with_settings({"style": MEAN})
        plain = Speaker(self.model, search, self.task)
        return plain.searched({**inputs, "style": style})

    def serving(self, examples: Sequence[Utterance]) -> Serving:
        """As of every speaker, with the `style` as an input."""
        plain, shape = super().serving(examples), self.weights.shape

        def batch(texts: Sequence[Any]) -> Arrays:
            inputs = plain.batch(texts)
            rows = len(inputs["source"])
            return {**inputs, "style": np.tile(self.weights, (rows, 1, 1))}

        words = f"weights by head of {shape[1]} tokens; zeros for the mean style"
        return replace(
            plain,
            inputs={**plain.inputs, "style": Input((None, *shape), "float32")},
            batch=batch,
            description={**plain.description, "style": words},
        )

    @property
    def _style(self) -> str:
        assert isinstance(self.search, StyledFrameSearch)
        return self.search.style

    @property
    def _encoder(self) -> StyledEncoder:
        encoder = self.model.encoder
        assert isinstance(encoder, StyledEncoder)
        return encoder

    def _weights_of(self, inputs: Arrays, rows: int) -> Weights:
        """(B, H, N) of each row of a batch."""
        if self._style != OWN:
            return np.tile(self.weights, (rows, 1, 1))
        if "target" not in inputs:
            raise UserError(
                "Search: style=own is that of the recording of a text, in evaluations; "
                "a text alone has none"
            )
        return self._weigh(inputs["target"], inputs["target_lengths"])

    def _heard(self, path: str) -> Weights:
        """(H, N) of a recording, with the silence behind it that trainings have."""
        found = Utterance(path, path, 0.0, "")
        frames = recorded(found, self.task.spectrogram, self.task.trim_db)
        if not len(frames):
            raise UserError(f"Search: the style of {path} cannot be heard: no samples")
        frames = np.pad(frames, ((0, TAIL), (0, 0)))[None]
        return self._weigh(frames, np.array([frames.shape[1]], np.int32))[0]

    def _weigh(self, frames: NDArray[Any], lengths: NDArray[Any]) -> Weights:
        frames, lengths = map(ops.convert_to_tensor, (frames, lengths))
        found: Weights = ops.convert_to_numpy(self._encoder.weigh(frames, lengths))
        return found

    def _refuse(self, received: str) -> NoReturn:
        count = self._encoder.tokens
        raise UserError(
            f"Search: style is {MEAN}, an audio file, or {count} weights from 0 with "
            f"slashes between them, one of them above 0. Received: {received}"
        )

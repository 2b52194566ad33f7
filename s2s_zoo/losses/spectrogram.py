"""What a synthesizer of spectrograms is trained by."""

from dataclasses import dataclass
from typing import Literal

import keras
from keras import ops

from s2s_zoo.errors import check_choice, check_range
from s2s_zoo.layers.masking import mask_lengths, sequence_mask
from s2s_zoo.losses.base import Objective
from s2s_zoo.typing import Arrays, Tensor, Tensors

LARGEST = 1e6


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class SpectrogramLoss(Objective):
    """Errors of frames before and after the postnet, and of when to stop.

    Shen et al., 2017, section 2.2, and OpenSeq2Seq's `Text2SpeechLoss`: the mean over
    real frames of the mean error of a frame's channels, and of the cross-entropy of
    stopping. Guided attention (Tachibana et al., 2017, section 4.1,
    https://arxiv.org/abs/1710.08969) adds what lies off the diagonal.

    Attributes:
        error: "squared" or "absolute" differences.
        mel_weight: of both errors of mel frames.
        magnitude_weight: of the error of magnitudes, where the decoder tells them.
        stop_weight: of the cross-entropy of stopping.
        guide_weight: of guided attention, 0 for none.
        guide_width: g, how far from the diagonal attention is free to be, as a share.

    Raises:
        ValueError: a value out of range.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.losses import SpectrogramLoss
        >>> zero = ops.zeros((1, 3, 4))
        >>> target = {"target": zero, "target_lengths": ops.array([2])}
        >>> target["stop"] = ops.array([[0.0, 1.0, 0.0]])
        >>> output = {"frames": zero + 1, "refined": zero, "stop": zero[..., 0]}
        >>> f"{float(SpectrogramLoss().mean(target, output)):.3f}"  # 1 + log 2
        '1.693'
    """

    error: Literal["squared", "absolute"] = "squared"
    mel_weight: float = 1.0
    magnitude_weight: float = 1.0
    stop_weight: float = 1.0
    guide_weight: float = 0.0
    guide_width: float = 0.2

    def __post_init__(self) -> None:
        check_choice("error", self.error, ("squared", "absolute"))
        for name in ("mel_weight", "magnitude_weight", "stop_weight", "guide_weight"):
            check_range(name, getattr(self, name), 0, LARGEST)
        check_range("guide_width", self.guide_width, 1e-3, 1e3)

    def __call__(self, target: Tensors, output: Tensors) -> Tensor:
        wanted = ops.cast(target["target"], "float32")
        lengths, mels = target["target_lengths"], output["frames"].shape[-1]
        real = sequence_mask(lengths, ops.shape(wanted)[1])
        of_frame = self.mel_weight * (
            self._distance(output["frames"], wanted[..., :mels], real)
            + self._distance(output["refined"], wanted[..., :mels], real)
        )
        of_frame = of_frame + self.stop_weight * _stop_error(
            output["stop"], target["stop"], real
        )
        if "magnitudes" in output:
            found = self._distance(output["magnitudes"], wanted[..., mels:], real)
            of_frame = of_frame + self.magnitude_weight * found
        if self.guide_weight:
            size = mask_lengths(output["mask"])
            strayed = strays(output["alignments"], lengths, size, self.guide_width)
            of_frame = of_frame + self.guide_weight * strayed
        return ops.sum(of_frame)

    def _distance(self, found: Tensor, wanted: Tensor, real: Tensor) -> Tensor:
        """(B, U) mean error of the channels, 0 where not `real` (B, U)."""
        difference = ops.where(real[..., None], found - wanted, 0.0)
        if self.error == "squared":
            return ops.mean(ops.square(difference), axis=-1)
        return ops.mean(ops.abs(difference), axis=-1)

    def weight_in_graph(self, target: Tensors, output: Tensors) -> Tensor:
        """Real frames."""
        return ops.sum(ops.cast(target["target_lengths"], "float32"))

    def weight(self, inputs: Arrays, target: Arrays) -> float:
        return float(target["target_lengths"].sum())


def strays(
    alignments: Tensor, lengths: Tensor, source_lengths: Tensor, width: float
) -> Tensor:
    """(B, U) share of attention off the diagonal, by how far: 1 - exp(-d²/2g²).

    Args:
        alignments: (B, U, T) weights.
        lengths: (B,) int32 real frames, others stray nowhere.
        source_lengths: (B,) int32 real entries of the source.
        width: g of Tachibana et al., 2017.
    """
    place = _places(lengths, ops.shape(alignments)[1])[..., None]
    wanted = _places(source_lengths, ops.shape(alignments)[2])[:, None]
    penalty = 1 - ops.exp(-ops.square(place - wanted) / (2 * width**2))
    real = sequence_mask(lengths, ops.shape(alignments)[1])
    there = sequence_mask(source_lengths, ops.shape(alignments)[2])[:, None]
    strayed = ops.sum(ops.where(there, penalty * alignments, 0.0), axis=-1)
    return ops.where(real, strayed, 0.0)


def _places(lengths: Tensor, size: Tensor | int) -> Tensor:
    """(B, size) how far along a row each entry is, from 0 to 1."""
    whole = ops.maximum(ops.cast(lengths, "float32"), 1.0)[:, None]
    return ops.arange(size, dtype="float32")[None] / whole


def _stop_error(logits: Tensor, stop: Tensor, real: Tensor) -> Tensor:
    """(B, U) cross-entropy of logits (B, U), 0 where not `real` (B, U)."""
    logits = ops.where(real, logits, 0.0)
    error = ops.relu(logits) - logits * ops.cast(stop, "float32")
    error = error + ops.log1p(ops.exp(-ops.abs(logits)))
    return ops.where(real, error, 0.0)

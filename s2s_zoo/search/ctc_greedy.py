"""The best path through the output of a CTC decoder."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import keras
import numpy as np
from keras import ops

from s2s_zoo.search.base import Hypothesis, Search
from s2s_zoo.typing import Arrays, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class CTCGreedy(Search):
    """The best path: nothing to choose, and nothing to search in the graph.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.search import CTCGreedy
        >>> logits = 9.0 * ops.one_hot(ops.array([[0, 0, 2, 1]]), 3)
        >>> output = {"ctc_logits": logits, "mask": ops.ones((1, 4), "bool")}
        >>> [[best]] = CTCGreedy().read(output)
        >>> best.tokens.tolist(), best.spans.tolist()
        ([0, 1], [[0, 2], [3, 4]])
    """

    family: ClassVar[str] = "ctc"

    @property
    def signature(self) -> str:
        return "ctc:greedy"

    def read(self, output: Arrays) -> list[list[Hypothesis]]:
        """The transcript of each utterance, its tokens with their frames."""
        found = ctc_greedy(output["ctc_logits"], output["mask"])
        rows = zip(*(ops.convert_to_numpy(values) for values in found), strict=True)
        return [
            [
                Hypothesis(
                    tokens[:size],
                    float(scores[:size].sum()),
                    spans=np.stack([starts[:size], ends[:size]], axis=1),
                    log_probabilities=scores[:size],
                )
            ]
            for tokens, size, starts, ends, scores in rows
        ]


class GreedyResult(NamedTuple):
    """What greedy search heard, packed to the front of rows of static length.

    Attributes:
        tokens: (B, T) int32, -1 after the last token.
        lengths: (B,) int32 number of tokens.
        frames: (B, T) int32 first frame of each token, -1 after the last token.
        end_frames: (B, T) int32 one past the last frame of each token, -1 after
            the last token.
        log_probabilities: (B, T) float32 mean log-probability of each token over its
            frames, 0 after the last token.
    """

    tokens: Tensor
    lengths: Tensor
    frames: Tensor
    end_frames: Tensor
    log_probabilities: Tensor


def ctc_greedy(logits: Tensor, mask: Tensor) -> GreedyResult:
    """Best-path decoding: the likeliest class of each frame, repeats merged.

    Graves et al., "Connectionist temporal classification" (ICML 2006), section 3.2,
    equation 4. The blank is the last class; frames outside the mask count as blank;
    of equally likely classes the first one is taken.

    Args:
        logits: (B, T, V+1) of any floating type; need not be normalized.
        mask: (B, T) bool, True on real frames.

    Returns:
        The tokens, where they lie in time, and how likely they are. The mean over
        its frames keeps the score of a token comparable whether it is held or short.
    """
    blank = logits.shape[-1] - 1
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    best = ops.where(mask, ops.argmax(log_probabilities, axis=-1), blank)
    best = ops.cast(best, "int32")
    starts, ends = _run_borders(best, blank)
    lengths = ops.sum(ops.cast(starts, "int32"), axis=1)
    frame = ops.cumsum(ops.ones_like(best), axis=1) - 1
    real = frame < ops.expand_dims(lengths, 1)
    frames = _pack(frame, starts)
    sums = _run_sums(ops.max(log_probabilities, axis=-1), best != blank, starts)
    runs = ops.cast(ops.where(real, _pack(frame, ends) + 1 - frames, 1), "float32")
    return GreedyResult(
        tokens=ops.where(real, ops.take_along_axis(best, frames, axis=1), -1),
        lengths=lengths,
        frames=ops.where(real, frames, -1),
        end_frames=ops.where(real, _pack(frame, ends) + 1, -1),
        log_probabilities=ops.where(real, sums / runs, 0.0),
    )


def _run_borders(best: Tensor, blank: int) -> tuple[Tensor, Tensor]:
    """Where a run of one token starts and where it has its last frame; (B, T) bool."""
    edge = ops.full_like(best[:, :1], blank)
    spoken = best != blank
    starts = spoken & (best != ops.concatenate([edge, best[:, :-1]], axis=1))
    ends = spoken & (best != ops.concatenate([best[:, 1:], edge], axis=1))
    return starts, ends


def _pack(frame: Tensor, chosen: Tensor) -> Tensor:
    """The chosen frames in order, then the last frame of the batch; (B, T)."""
    return ops.sort(ops.where(chosen, frame, frame[:, -1:]), axis=1)


def _run_sums(values: Tensor, spoken: Tensor, starts: Tensor) -> Tensor:
    """Sums of `values` over the frames of the first, second, … token; (B, T).

    Summed token by token: differences of a running sum would lose precision
    with the length of the utterance.
    """
    batch, time = ops.shape(values)[0], ops.shape(values)[1]
    token = ops.maximum(ops.cumsum(ops.cast(starts, "int32"), axis=1) - 1, 0)
    row = ops.cumsum(ops.ones_like(token), axis=0) - 1
    sums = ops.segment_sum(
        ops.reshape(ops.where(spoken, values, 0.0), (-1,)),
        ops.reshape(row * time + token, (-1,)),
        num_segments=batch * time,
    )
    return ops.reshape(sums, (batch, time))

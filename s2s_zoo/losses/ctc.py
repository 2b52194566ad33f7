"""Connectionist temporal classification (Graves et al., 2006).

Forward and backward variables run in one loop over time, normalized at every frame,
and give the gradient in closed form: the loop is never differentiated, and long
utterances keep float32 accuracy.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from s2s_zoo.layers.masking import mask_lengths, sequence_mask
from s2s_zoo.losses.base import Objective
from s2s_zoo.typing import Arrays, Tensor, Tensors

IMPOSSIBLE = -1e30


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class CTC(Objective):
    """Negative log-likelihood of transcripts in nats, a mean over the utterances.

    An utterance whose frames cannot hold its transcript counts as 0.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.losses import CTC
        >>> target = {"target": ops.array([[0, 1]]), "target_lengths": ops.array([2])}
        >>> output = {"ctc_logits": ops.zeros((1, 4, 3))}
        >>> loss = CTC().mean(target, {**output, "mask": ops.ones((1, 4), "bool")})
        >>> f"{float(loss):.3f}"  # 15 of 3⁴ paths: log 81/15
        '1.686'
    """

    def __call__(self, target: Tensors, output: Tensors) -> Tensor:
        lengths = mask_lengths(output["mask"])
        tokens, sizes = target["target"], target["target_lengths"]
        return ops.sum(ctc_loss(output["ctc_logits"], lengths, tokens, sizes))

    def weight_in_graph(self, target: Tensors, output: Tensors) -> Tensor:
        """Utterances with any frames."""
        return ops.sum(ops.cast(ops.any(output["mask"], axis=1), "float32"))

    def weight(self, inputs: Arrays, target: Arrays) -> float:
        return float(np.sum(inputs["source_lengths"] > 0))


def ctc_loss(
    logits: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor
) -> Tensor:
    """Negative log-likelihood of each transcript, in nats; the last class is blank.

    Args:
        logits: (B, T, V+1), any float dtype; computed in float32.
        lengths: (B,) int, frames of each row.
        targets: (B, U) int in [0, V); what lies beyond `target_lengths` is ignored.
        target_lengths: (B,) int.

    Returns:
        (B,) float32; 0, with no gradient, for transcripts their frames cannot hold.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.losses import ctc_loss
        >>> logits, targets = ops.zeros((1, 4, 3)), ops.array([[0, 1]])
        >>> losses = ctc_loss(logits, ops.array([4]), targets, ops.array([2]))
        >>> print(ops.convert_to_numpy(losses).round(3))
        [1.686]
    """
    fits = ctc_fits(lengths, targets, target_lengths)
    return _loss(
        ops.cast(logits, "float32"),
        ops.cast(lengths, "int32"),
        ops.cast(targets, "int32"),
        ops.cast(target_lengths, "int32"),
        ops.cast(fits, "float32"),
    )


def ctc_fits(lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
    """(B,) bool: a frame for each token and a blank between equal neighbours.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.losses import ctc_fits
        >>> targets, frames = ops.array([[0, 0], [0, 0]]), ops.array([3, 2])
        >>> print(ops.convert_to_numpy(ctc_fits(frames, targets, ops.array([2, 2]))))
        [ True False]
    """
    real = sequence_mask(target_lengths, ops.shape(targets)[1])
    repeats = ops.logical_and(targets[:, 1:] == targets[:, :-1], real[:, 1:])
    needed = ops.cast(target_lengths, "int32")
    needed = needed + ops.sum(ops.cast(repeats, "int32"), axis=1)
    lengths = ops.cast(lengths, "int32")
    return ops.logical_and(lengths >= needed, lengths > 0)


@ops.custom_gradient
def _loss(
    logits: Tensor, lengths: Tensor, targets: Tensor, sizes: Tensor, weight: Tensor
) -> Tensor:
    states = _interleave_blanks(targets, logits.shape[-1] - 1)
    log_probabilities = ops.log_softmax(logits, axis=-1)
    batch, frames = ops.shape(logits)[:2]
    index = ops.broadcast_to(states[:, None, :], (batch, frames, ops.shape(states)[1]))
    emissions = ops.transpose(
        ops.take_along_axis(log_probabilities, index, axis=-1), (1, 0, 2)
    )
    forward, backward, likelihood = _forward_backward(emissions, states, lengths, sizes)

    def gradient(*args: Tensor, upstream: Tensor | None = None) -> tuple[Tensor, ...]:
        scale = (args[0] if upstream is None else upstream) * weight
        occupancy = ops.softmax(forward + backward - emissions, axis=-1)
        occupancy = ops.transpose(occupancy, (1, 0, 2))
        expected = ops.matmul(
            occupancy, ops.one_hot(states, logits.shape[-1], dtype="float32")
        )
        real = sequence_mask(lengths, ops.shape(logits)[1])[..., None]
        difference = ops.where(real, ops.softmax(logits, axis=-1) - expected, 0.0)
        others = (ops.zeros_like(x) for x in (lengths, targets, sizes, weight))
        return scale[:, None, None] * difference, *others

    return ops.where(weight > 0, -likelihood, 0.0), gradient


def _interleave_blanks(targets: Tensor, blank: int) -> Tensor:
    """(B, 2U+1): a blank before, between and after the (B, U) tokens."""
    blanks = ops.full_like(targets, blank)
    pairs = ops.stack([blanks, ops.maximum(targets, 0)], axis=-1)
    batch, size = ops.shape(targets)
    pairs = ops.reshape(pairs, (batch, 2 * size))
    return ops.concatenate([pairs, ops.full((batch, 1), blank, dtype="int32")], axis=1)


def _forward_backward(
    emissions: Tensor, states: Tensor, lengths: Tensor, sizes: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Forward and backward log-variables, both with the emission of their frame.

    The backward pass is a forward pass over reversed time and states, so both run
    as one batch of 2B rows. Each frame's variables are shifted to a maximum of 0.

    Args:
        emissions: (T, B, S) log-probabilities of the S = 2U+1 states.
        states: (B, S) classes of the states.
        lengths: (B,) frames.
        sizes: (B,) tokens.

    Returns:
        Forward (T, B, S), backward (T, B, S) and log-likelihood (B,).
    """
    frames, batch, size = ops.shape(emissions)
    position = ops.arange(size, dtype="int32")[None]
    last = 2 * sizes[:, None]
    first = ops.concatenate([ops.zeros_like(last), size - 1 - last], axis=0)
    start = ops.where(position == first, 0.0, IMPOSSIBLE)
    skip = _skips(ops.concatenate([states, ops.flip(states, axis=1)], axis=0))
    active = ops.transpose(sequence_mask(lengths, frames))
    active = ops.concatenate([active, ops.flip(active, axis=0)], axis=1)[..., None]
    both = ops.concatenate([emissions, ops.flip(emissions, axis=(0, 2))], axis=1)
    # one tensor: Keras' TensorFlow scan over several needs static T
    steps = ops.concatenate([both, ops.cast(active, "float32")], axis=-1)

    def step(carry: tuple[Tensor, Tensor], inputs: Tensor) -> Any:
        variables, total = carry
        emission, on = inputs[:, :-1], inputs[:, -1:] > 0
        entered = _log_add(variables, _shift(variables, 1), _shift(variables, 2) + skip)
        entered = entered + emission
        top = ops.max(entered, axis=-1, keepdims=True)
        new = (
            ops.where(on, entered - top, variables),
            ops.where(on, total + top, total),
        )
        return new, new

    total = ops.zeros_like(start[:, :1])
    (end, total), (variables, _) = ops.scan(step, (start, total), steps)
    final = ops.logical_or(position == last, position == last - 1)
    likelihood = ops.logsumexp(ops.where(final, end[:batch], IMPOSSIBLE), axis=-1)
    backward = ops.flip(variables[:, batch:], axis=(0, 2))
    return variables[:, :batch], backward, likelihood + total[:batch, 0]


def _skips(states: Tensor) -> Tensor:
    """0 where a state may be entered from two before it, IMPOSSIBLE elsewhere."""
    position = ops.arange(ops.shape(states)[1], dtype="int32")
    before = ops.roll(states, 2, axis=1)
    token = ops.logical_and(position % 2 == 1, position >= 2)
    return ops.where(ops.logical_and(token, states != before), 0.0, IMPOSSIBLE)


def _shift(variables: Tensor, places: int) -> Tensor:
    fill = ops.full_like(variables[:, :places], IMPOSSIBLE)
    return ops.concatenate([fill, variables[:, :-places]], axis=1)


def _log_add(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    top = ops.maximum(ops.maximum(a, b), c)
    return top + ops.log(ops.exp(a - top) + ops.exp(b - top) + ops.exp(c - top))

"""CTC against torch's own, in float64, and its behaviour on impossible transcripts."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.losses.ctc import ctc_fits, ctc_loss
from tests.gradients import value_and_gradients


def batch(rng, rows, frames, tokens, classes):
    logits = rng.normal(size=(rows, frames, classes)).astype("float32") * 3
    targets = rng.integers(0, classes - 1, (rows, tokens)).astype("int32")
    sizes = rng.integers(0, tokens + 1, rows).astype("int32")
    lengths = rng.integers(frames // 2, frames + 1, rows).astype("int32")
    return logits, lengths, targets, sizes


def torch_ctc(logits, lengths, targets, sizes):
    torch = pytest.importorskip(
        "torch", reason="the reference: pip install s2s-zoo[torch]"
    )
    x = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.ctc_loss(
        x.log_softmax(-1).transpose(0, 1),
        torch.tensor(targets, dtype=torch.int64),
        torch.tensor(lengths, dtype=torch.int64),
        torch.tensor(sizes, dtype=torch.int64),
        blank=logits.shape[-1] - 1,
        reduction="none",
    )
    loss.sum().backward()
    return loss.detach().numpy(), x.grad.numpy()


def tolerance(expected):
    """1e-5 nats; above 64, where float32 sums cannot keep it, a 1e-6th of the loss.

    A loss is the float32 sum of one term a frame, each addition rounded by up to half
    a spacing: 1.9e-6 at 64 nats, 1.5e-5 at 256, where the rounding of the result
    alone exceeds 1e-5. A 1e-6th is some ten spacings, whatever the loss.
    """
    return np.where(expected <= 64, 1e-5, 1e-6 * expected)


@pytest.mark.parametrize(
    ("rows", "frames", "tokens", "classes"),
    [(4, 20, 6, 5), (3, 60, 25, 29), (2, 400, 80, 29), (5, 12, 0, 4), (2, 50, 12, 3)],
)
def test_equals_torch(rows, frames, tokens, classes):
    rng = np.random.default_rng(frames)
    logits, lengths, targets, sizes = batch(rng, rows, frames, tokens, classes)
    expected, gradient = torch_ctc(logits, lengths, targets, sizes)
    loss, (ours,) = value_and_gradients(
        lambda x: ctc_loss(x, lengths, targets, sizes), [logits]
    )
    possible = np.isfinite(expected)
    assert possible.any()
    assert np.all(np.abs(loss - expected)[possible] <= tolerance(expected)[possible])
    np.testing.assert_allclose(ours[possible], gradient[possible], rtol=0, atol=1e-5)


def test_peaked_logits_keep_their_precision():
    """Gradients to 1e-4: logits reach 240, where float32 numbers lie 1.5e-5 apart.

    Their shares of the gradient are exponentials of sums of a few such numbers, so
    1e-5 is out of reach; torch's own float32 is 9e-3 off here.
    """
    rng = np.random.default_rng(7)
    logits, lengths, targets, sizes = batch(rng, 2, 300, 40, 29)
    logits *= 20
    expected, gradient = torch_ctc(logits, lengths, targets, sizes)
    loss, (ours,) = value_and_gradients(
        lambda x: ctc_loss(x, lengths, targets, sizes), [logits]
    )
    assert np.all(np.abs(loss - expected) <= tolerance(expected))
    np.testing.assert_allclose(ours, gradient, rtol=0, atol=1e-4)


def test_impossible_transcripts_cost_nothing():
    logits = np.random.default_rng(0).normal(size=(4, 5, 4)).astype("float32")
    targets = np.array([[0, 0, 0], [0, 1, 2], [0, 1, 2], [1, 1, 0]], "int32")
    lengths, sizes = np.array([4, 5, 0, 3], "int32"), np.array([3, 3, 1, 2], "int32")
    fits = ops.convert_to_numpy(ctc_fits(lengths, targets, sizes))
    assert fits.tolist() == [False, True, False, True]
    loss, (gradient,) = value_and_gradients(
        lambda x: ctc_loss(x, lengths, targets, sizes), [logits]
    )
    assert np.isfinite(loss).all()
    assert np.isfinite(gradient).all()
    assert (loss[[0, 2]] == 0).all()
    assert (gradient[[0, 2]] == 0).all()
    assert (loss[[1, 3]] > 0).all()


def test_half_precision_logits_are_computed_in_float32():
    rng = np.random.default_rng(1)
    logits, lengths, targets, sizes = batch(rng, 3, 40, 8, 10)
    logits = logits.astype("float16")
    half = ctc_loss(ops.convert_to_tensor(logits), lengths, targets, sizes)
    full = ctc_loss(
        ops.convert_to_tensor(logits.astype("float32")), lengths, targets, sizes
    )
    assert keras.backend.standardize_dtype(half.dtype) == "float32"
    np.testing.assert_array_equal(
        ops.convert_to_numpy(half), ops.convert_to_numpy(full)
    )

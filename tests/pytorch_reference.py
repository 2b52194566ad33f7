"""The same layers in plain PyTorch, in float64, with the zoo's weights copied."""

import numpy as np
import pytest

GATES = {"gru": (1, 0, 2), "lstm": (0, 1, 2, 3)}
"""Where torch's gates (r, z, n and i, f, g, o) stand among the zoo's."""


def import_torch():
    return pytest.importorskip(
        "torch", reason="the reference: pip install s2s-zoo[torch]"
    )


def reorder(array, cell):
    """Gates on the last axis, from the zoo's order to torch's; its own inverse."""
    parts = np.split(np.asarray(array, "float64"), len(GATES[cell]), axis=-1)
    return np.concatenate([parts[i] for i in GATES[cell]], axis=-1)


def recurrent_module(weights, cell, bidirectional):
    """`torch.nn.GRU` or `LSTM` of one layer.

    Args:
        weights: kernel (N, D, G·H), recurrent kernel (N, H, G·H), bias
            (N, 1, 1, G·H) and, for the GRU, recurrent bias (N, 1, G·H).
    """
    torch = import_torch()
    kernel, recurrent, bias = weights[:3]
    kind = torch.nn.GRU if cell == "gru" else torch.nn.LSTM
    module = kind(
        kernel.shape[1],
        recurrent.shape[1],
        batch_first=True,
        bidirectional=bidirectional,
        dtype=torch.float64,
    )
    second = weights[3] if cell == "gru" else np.zeros_like(bias)
    for i, suffix in enumerate(["_l0", "_l0_reverse"][: len(kernel)]):
        copied = {
            "weight_ih": reorder(kernel[i], cell).T,
            "weight_hh": reorder(recurrent[i], cell).T,
            "bias_ih": reorder(bias[i].reshape(-1), cell),
            "bias_hh": reorder(second[i].reshape(-1), cell),
        }
        for name, value in copied.items():
            getattr(module, name + suffix).data = torch.tensor(value.copy())
    return module


def recurrent_gradients(module, cell):
    """Gradients of a module's weights in the shapes and order of the zoo's."""
    suffixes = ["_l0", "_l0_reverse"][: 2 if module.bidirectional else 1]

    def stacked(name):
        found = [getattr(module, name + suffix).grad.numpy() for suffix in suffixes]
        return np.stack([reorder(gradient.T, cell) for gradient in found])

    gradients = [stacked("weight_ih"), stacked("weight_hh")]
    gradients.append(stacked("bias_ih")[:, None, None])
    return [*gradients, stacked("bias_hh")[:, None]] if cell == "gru" else gradients


def run_packed(module, x, lengths):
    """(B, T, N·H) outputs of (B, T, D) float64 `x`, zero beyond `lengths`."""
    torch = import_torch()
    pack = torch.nn.utils.rnn.pack_padded_sequence(
        x,
        torch.tensor(lengths, dtype=torch.int64),
        batch_first=True,
        enforce_sorted=False,
    )
    unpacked, _ = torch.nn.utils.rnn.pad_packed_sequence(
        module(pack)[0], batch_first=True, total_length=x.shape[1]
    )
    return unpacked

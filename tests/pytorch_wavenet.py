"""WaveNet in PyTorch's own modules, in float64, with the zoo's weights copied."""

import numpy as np

from tests.pytorch_reference import import_torch
from tests.pytorch_tacotron2 import dense, double, put

torch = import_torch()
nn, relu = torch.nn, torch.nn.functional.relu


def causal(layer):
    """A causal `NormalizedConvolution` at inference, of (B, C, S)."""
    kernel = np.asarray(layer.convolution.weight)
    size, inputs, outputs = kernel.shape
    module = nn.Conv1d(inputs, outputs, size, dilation=layer.dilation, bias=False)
    put(module.double().weight, kernel.transpose(2, 1, 0))
    norm = nn.BatchNorm1d(outputs, eps=layer.epsilon).double().eval()
    theirs = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    for parameter, array in zip(theirs, layer.normalizer.get_weights(), strict=True):
        put(parameter, array)
    reach = (size - 1) * layer.dilation
    return lambda x: norm(module(nn.functional.pad(x, (reach, 0))))


def pointwise(layer):
    module = dense(layer)
    return lambda x: module(x.transpose(1, 2)).transpose(1, 2)


class WaveNet(nn.Module):
    """Args: layer: a `WaveNetDecoder`."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.entry = causal(layer.entry)
        self.conditioners = [pointwise(one) for one in layer.conditioners]
        self.stack = [
            (
                *map(causal, one.convolutions),
                pointwise(one.residual),
                pointwise(one.skip),
            )
            for one in layer.stack
        ]
        self.exits = [pointwise(one) for one in layer.exits]

    def forward(self, target, frames):
        """(B, S, V) logits of `target` (B, S), with `frames` (B, T, M)."""
        classes = self.layer.classes
        before = nn.functional.one_hot(torch.tensor(target).long(), classes).double()
        before = nn.functional.pad(before[:, :-1], (0, 0, 1, 0)).transpose(1, 2)
        x = self.entry(before)
        each = double(frames).repeat_interleave(self.layer.stride, 1).transpose(1, 2)
        half = each.shape[1] // 2
        parts = zip(self.conditioners, (each[:, :half], each[:, half:]), strict=True)
        conditions = [one(part)[..., : x.shape[-1]] for one, part in parts]
        total = 0
        for filtered, gated, residual, skip in self.stack:
            low, high = x.chunk(2, 1)
            y = (filtered(low) + conditions[0]).tanh()
            y = y * (gated(high) + conditions[1]).sigmoid()
            x, total = x + residual(y), total + skip(y)
        x = total + x
        for one in self.exits:
            x = one(relu(x))
        return x.transpose(1, 2)

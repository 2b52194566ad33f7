"""Centaur in PyTorch's own modules, in float64, with the zoo's weights copied.

Rows are read one by one, as long as they are, so that nothing is padded.
"""

import math

import numpy as np

from tests.pytorch_reference import import_torch
from tests.pytorch_tacotron2 import dense, double, put

torch = import_torch()
nn = torch.nn


def positions(count, width):
    """Sines and cosines of tensor2tensor, one by one."""
    codes = torch.zeros(count, width, dtype=torch.float64)
    half = width // 2
    for place in range(count):
        for i in range(half):
            angle = place * 10000.0 ** (-i / max(half - 1, 1))
            codes[place, i], codes[place, half + i] = math.sin(angle), math.cos(angle)
    return codes


class Residual(nn.Module):
    """Args: layer: a `ResidualConvolution`."""

    def __init__(self, layer):
        super().__init__()
        kernel = np.asarray(layer.convolution.convolution.weight)
        size, channels, _ = kernel.shape
        self.convolution = nn.Conv1d(channels, channels, size, bias=False).double()
        put(self.convolution.weight, kernel.transpose(2, 1, 0))
        self.norm = nn.BatchNorm1d(channels, eps=1e-5).double().eval()
        ours = layer.convolution.normalizer
        put(self.norm.weight, ours.gamma)
        put(self.norm.bias, ours.beta)
        put(self.norm.running_mean, ours.moving_mean)
        put(self.norm.running_var, ours.moving_variance)
        left = size - 1 if layer.causal else (size - 1) // 2
        self.sides = (left, size - 1 - left)

    def forward(self, x):
        y = nn.functional.pad(x.T[None], self.sides)
        return x + self.norm(self.convolution(y)).relu()[0].T


def norm(layer):
    module = nn.LayerNorm(layer.gamma.shape[0], eps=1e-6).double()
    put(module.weight, layer.gamma)
    put(module.bias, layer.beta)
    return module


class Block(nn.Module):
    """Args: layer: a `ConvolutionalAttention`."""

    def __init__(self, layer):
        super().__init__()
        self.convolution = Residual(layer.convolution)
        ours, width = layer.attention, layer.units
        size = ours.keys.shape[0]
        self.attention = nn.MultiheadAttention(
            width, 1, bias=False, kdim=size, vdim=size, batch_first=True
        ).double()
        put(self.attention.q_proj_weight, np.transpose(ours.query))
        put(self.attention.k_proj_weight, np.transpose(ours.keys))
        put(self.attention.v_proj_weight, np.transpose(ours.values))
        put(self.attention.out_proj.weight, np.transpose(ours.output_kernel))
        self.norms = [
            norm(frame.normalization)
            for frame in (layer.around_attention, layer.around_dense)
        ]
        self.dense = dense(layer.dense)

    def forward(self, x, memory):
        x = self.convolution(x)
        read, weights = self.attention(
            self.norms[0](x)[None], memory[None], memory[None]
        )
        x = x + read[0]
        return x + self.dense(self.norms[1](x)), weights[0]


class Encoder(nn.Module):
    """Args: layer: a `CentaurEncoder`."""

    def __init__(self, layer):
        super().__init__()
        stack = layer.convolutions.convolutions
        self.layers = [*(Residual(one) for one in stack), dense(layer.exit)]

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Decoder(nn.Module):
    """Args: layer: a `CentaurDecoder` that tells magnitudes."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.prenet = [dense(one) for one in layer.prenet.denses]
        self.entry = dense(layer.entry)
        self.blocks = [Block(one) for one in layer.attention.stack]
        self.norm = norm(layer.attention.normalization)
        self.mels = [Residual(one) for one in layer.mel_stack.convolutions]
        self.more = [Residual(one) for one in layer.magnitude_stack.convolutions]
        self.frame, self.stop = dense(layer.frame_dense), dense(layer.stop_dense)
        self.magnitudes = dense(layer.magnitude_dense)

    def forward(self, target, memory):
        """Of one row: target (U, C) and memory (T, D)."""
        size, reduction = len(target), self.layer.reduction
        whole = nn.functional.pad(target, (0, 0, 0, -size % reduction))
        steps = whole.reshape(-1, reduction * target.shape[1])
        x = torch.cat([torch.zeros_like(steps[:1]), steps[:-1]])
        for one in self.prenet:
            x = one(x).relu()
        x = self.entry(x)
        x = x + positions(*x.shape)
        memory = memory + positions(len(memory), memory.shape[1] + 1)[:, :-1]
        every = []
        for block in self.blocks:
            x, weights = block(x, memory)
            every.append(weights)
        x = self.norm(x)
        for one in self.mels:
            x = one(x)
        y = x
        for one in self.more:
            y = one(y)
        mean = torch.stack([every[i] for i in self.layer.forced]).mean(0)
        found = {
            "frames": self.frame(x).reshape(-1, self.layer.frame_size),
            "stop": self.stop(x).reshape(-1),
            "magnitudes": self.magnitudes(y).reshape(-1, self.layer.magnitude_size),
            "alignments": mean.repeat_interleave(reduction, 0),
        }
        found = {name: part[:size] for name, part in found.items()}
        return found | {"refined": found["frames"]}


def row(array, length):
    """The first `length` entries, as PyTorch takes them."""
    return double(array[:length])

"""Convolutional recognizers as one would write them in PyTorch, by a preset's table."""

from itertools import chain, pairwise

import torch
from librosa.filters import mel
from torch import nn

from s2s_zoo.registry import PRESETS

COLUMNS = ("kinds", "blocks", "repeats", "kernels", "channels")
COLUMNS += ("strides", "dilations", "dropouts", "residuals")


def convolution(kind, inputs, outputs, kernel, stride, dilation):
    sizes = {"stride": stride, "dilation": dilation, "bias": False}
    sizes["padding"] = (kernel - 1) * dilation // 2
    if kind == "separable":
        depthwise = nn.Conv1d(inputs, inputs, kernel, groups=inputs, **sizes)
        layers = [depthwise, nn.Conv1d(inputs, outputs, 1, bias=False)]
    else:
        layers = [nn.Conv1d(inputs, outputs, kernel, **sizes)]
    return nn.Sequential(*layers, nn.BatchNorm1d(outputs, 1e-3, 0.1))


class Block(nn.Module):
    """Masks before every convolution, what is added before the last activation."""

    def __init__(self, sources, inputs, row):
        super().__init__()
        kind, _, repeat, kernel, channels, stride, dilation, dropout, _ = row
        pairs = enumerate(pairwise([inputs, *[channels] * repeat]))
        self.convolutions = nn.ModuleList(
            convolution(kind, *pair, kernel, stride if i == 0 else 1, dilation)
            for i, pair in pairs
        )
        self.branches = nn.ModuleList(
            convolution(kind, source, channels, 1, stride, 1) for source in sources
        )
        self.dropout, self.stride = nn.Dropout(dropout), stride

    def forward(self, x, sources, lengths):
        for i, layer in enumerate(self.convolutions):
            mask = torch.arange(x.shape[-1])[None] < lengths[:, None]
            x = layer(x * mask[:, None])
            if i == 0:
                lengths = (lengths + self.stride - 1) // self.stride
            if i + 1 == len(self.convolutions):
                for branch, source in zip(self.branches, sources, strict=True):
                    x = x + branch(source)
            x = self.dropout(torch.relu(x))
        return x, lengths


class Recognizer(nn.Module):
    def __init__(self, preset, alphabet):
        super().__init__()
        self.filters = nn.Buffer(torch.from_numpy(mel(sr=16000, n_fft=512, n_mels=64)))
        table = PRESETS.get(preset).encoder.keywords
        rows = zip(*(table[name] for name in COLUMNS), strict=True)
        size, dense = 64, []
        self.blocks, self.residuals = nn.ModuleList(), []
        for row in chain.from_iterable([row] * row[1] for row in rows):
            self.residuals.append(row[-1])
            dense += [size] if row[-1] == "dense" else []
            sources = {"none": [], "plain": [size], "dense": dense}[row[-1]]
            self.blocks.append(Block(sources, size, row))
            size = row[4]
        self.head = nn.Linear(size, alphabet + 1)

    def features(self, audio):
        audio = torch.cat([audio[:, :1], audio[:, 1:] - 0.97 * audio[:, :-1]], 1)
        window = torch.hann_window(320)
        spectrum = torch.stft(
            audio, 512, 160, 320, window, pad_mode="constant", return_complex=True
        )
        x = torch.log(self.filters @ spectrum.abs().square() + 1e-10)
        return (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-5)

    def forward(self, audio, lengths):
        x, frames, dense = self.features(audio), lengths // 160 + 1, []
        for block, residual in zip(self.blocks, self.residuals, strict=True):
            dense += [x] if residual == "dense" else []
            sources = {"none": [], "plain": [x], "dense": dense}[residual]
            x, frames = block(x, sources, frames)
        return self.head(x.transpose(1, 2)).log_softmax(-1), frames

"""Networks of images as one would write them in PyTorch, by a preset's settings."""

from torch import nn
from torch.nn import functional


def convolution(inputs, outputs, kernel, stride, bias, padding=None):
    padding = (kernel - 1) // 2 if padding is None else padding
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias)


class Block(nn.Module):
    """Normalization and ReLU before each convolution."""

    def __init__(self, encoder, inputs, width, stride, projects):
        super().__init__()
        wide = 4 * width if encoder.bottleneck else width
        sizes = [(width, 3, stride), (width, 3, 1)]
        if encoder.bottleneck:
            sizes = [(width, 1, 1), (width, 3, stride), (wide, 1, 1)]
        self.norms, self.convolutions = nn.ModuleList(), nn.ModuleList()
        size = inputs
        for i, (outputs, kernel, step) in enumerate(sizes):
            bias = encoder.bias and i == len(sizes) - 1
            self.norms.append(norm(encoder, size))
            self.convolutions.append(convolution(size, outputs, kernel, step, bias))
            size = outputs
        self.stride, self.shortcut = stride, None
        if projects:
            self.shortcut = convolution(inputs, wide, 1, stride, encoder.bias)

    def forward(self, x):
        added = x[..., :: self.stride, :: self.stride] if self.stride > 1 else x
        for i, layers in enumerate(zip(self.norms, self.convolutions, strict=True)):
            x = functional.relu(layers[0](x))
            if i == 0 and self.shortcut:
                added = self.shortcut(x)
            x = layers[1](x)
        return x + added


def norm(encoder, size):
    return nn.BatchNorm2d(size, encoder.epsilon, 1 - encoder.momentum)


def resnet(encoder, channels):
    """Version 2, and how many channels it gives."""
    kernel, stride = encoder.stem_kernel, encoder.stem_stride
    layers = [convolution(channels, encoder.width, kernel, stride, encoder.bias)]
    if encoder.stem_pool:
        layers.append(nn.MaxPool2d(3, 2, 1))
    size = encoder.width
    for width, stride, projects in encoder._geometries():
        layers.append(Block(encoder, size, width, stride, projects))
        size = 4 * width if encoder.bottleneck else width
    return nn.Sequential(*layers, norm(encoder, size), nn.ReLU()), size


def table(encoder, channels):
    """Of a `CNNEncoder` whose paddings are "same" at odd kernels, or "valid"."""
    layers, size = [], channels
    for row in encoder.rows:
        side = (row.kernel - 1) // 2 if row.padding == "same" else 0
        if row.kind == "max_pool":
            layers.append(nn.MaxPool2d(row.kernel, row.stride, side))
            continue
        bias = row.kind == "conv"
        layers.append(
            convolution(size, row.channels, row.kernel, row.stride, bias, side)
        )
        size = row.channels
        layers += [] if bias else [norm(encoder, size)]
        layers.append(nn.ReLU())
    return nn.Sequential(*layers), size


class Classifier(nn.Module):
    """From bytes (B, 1, H, W, C) to scores, by the mean of the last images."""

    def __init__(self, encoder, task, mean, deviation):
        super().__init__()
        make = resnet if hasattr(encoder, "stem") else table
        self.encoder, size = make(encoder, task.channels)
        self.head = nn.Linear(size, task.classes)
        self.mean, self.deviation = mean, deviation

    def forward(self, source):
        x = source[:, 0].permute(0, 3, 1, 2).float() / 255
        x = self.encoder((x - self.mean) / self.deviation)
        return self.head(x.mean((2, 3)))

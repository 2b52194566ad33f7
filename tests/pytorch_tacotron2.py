"""Tacotron 2 in PyTorch's own modules, in float64, with the zoo's weights copied."""

import numpy as np

from tests.pytorch_reference import import_torch, recurrent_module, reorder

torch = import_torch()
nn, relu = torch.nn, torch.nn.functional.relu


def double(array):
    return torch.tensor(np.asarray(array, "float64"))


def put(parameter, array):
    assert tuple(parameter.shape) == tuple(np.shape(array))
    parameter.data = double(array)


def linear(kernel, bias=None):
    module = nn.Linear(*np.shape(kernel), bias=bias is not None).double()
    put(module.weight, np.transpose(kernel))
    if bias is not None:
        put(module.bias, bias)
    return module


def dense(layer):
    return linear(layer.kernel, layer.bias if layer.use_bias else None)


def lstm_cell(recurrence):
    kernel, recurrent, bias = (reorder(w, "lstm") for w in recurrence.get_weights())
    module = nn.LSTMCell(kernel.shape[1], recurrent.shape[1]).double()
    put(module.weight_ih, kernel[0].T)
    put(module.weight_hh, recurrent[0].T)
    put(module.bias_ih, bias.reshape(-1))
    put(module.bias_hh, np.zeros(bias.size))
    return module


class Attention(nn.Module):
    """Its filters as a convolution of their own, its biases where the paper has them.

    Args:
        layer: a `LocationSensitiveAttention`.
    """

    def __init__(self, layer):
        super().__init__()
        weights = {w.name: np.asarray(w) for w in layer.weights}
        kernel, channels = weights["filter_kernel"].shape
        self.left, self.right = (kernel - 1) // 2, kernel // 2
        self.filters = nn.Conv1d(1, channels, kernel).double()
        put(self.filters.weight, weights["filter_kernel"].T[:, None])
        put(self.filters.bias, weights["filter_bias"])
        self.query = linear(weights["query_kernel"])
        self.keys = linear(weights["key_kernel"])
        self.location = linear(weights["location_kernel"], weights["bias"])
        self.direction = linear(weights["direction"][:, None])

    def forward(self, query, memory, before, mask):
        padded = nn.functional.pad(before[:, None], (self.left, self.right))
        place = self.location(self.filters(padded).transpose(1, 2))
        sums = (self.query(query)[:, None] + self.keys(memory) + place).tanh()
        scores = self.direction(sums)[..., 0].masked_fill(~mask, -1e9)
        weights = scores.softmax(-1)
        return (weights[:, None] @ memory)[:, 0], weights


class Recurrence(nn.Module):
    """Args: layer: a `LocationRecurrence`."""

    def __init__(self, layer):
        super().__init__()
        self.lower, self.upper = lstm_cell(layer.lower), lstm_cell(layer.upper)
        self.attention = Attention(layer.attention)

    def forward(self, x, memory, mask, kept=None):
        """Outputs, contexts and weights of all steps."""
        rows, units = len(x), self.upper.hidden_size
        zeros = torch.zeros(rows, units, dtype=x.dtype)
        lower, upper = (zeros, zeros), (zeros, zeros)
        context, before = (
            torch.zeros_like(memory[:, 0]),
            torch.zeros_like(memory[..., 0]),
        )
        found = []
        for t in range(x.shape[1]):
            ones = torch.ones(rows, 2 * units, dtype=x.dtype)
            one, other = (ones if kept is None else kept[:, t]).chunk(2, -1)
            lower = self.lower(torch.cat([x[:, t], context], -1), lower)
            upper = self.upper(lower[0] * one, upper)
            output = upper[0] * other
            context, weights = self.attention(output, memory, before, mask)
            before = before + weights
            found.append((output, context, weights))
        return [torch.stack(part, 1) for part in zip(*found, strict=True)]


def convolution(layer):
    """A `NormalizedConvolution` at inference, of (B, T, D) unpadded."""
    kernel = np.asarray(layer.convolution.weight)
    size, inputs, outputs = kernel.shape
    module = nn.Conv1d(inputs, outputs, size, bias=False).double()
    put(module.weight, kernel.transpose(2, 1, 0))
    norm = nn.BatchNorm1d(outputs, eps=layer.epsilon).double().eval()
    theirs = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    for parameter, array in zip(theirs, layer.normalizer.get_weights(), strict=True):
        put(parameter, array)

    def run(x):
        sides = ((size - 1) // 2, size // 2)
        return norm(module(nn.functional.pad(x.transpose(1, 2), sides))).transpose(1, 2)

    return run


class Encoder(nn.Module):
    """Args: layer: a `Tacotron2Encoder`."""

    def __init__(self, layer):
        super().__init__()
        self.convolutions = [convolution(one) for one in layer.convolutions]
        weights = layer.recurrence.get_weights()
        self.recurrence = recurrent_module(weights, "lstm", bidirectional=True)

    def forward(self, x):
        for one in self.convolutions:
            x = relu(one(x))
        return self.recurrence(x)[0]


class Decoder(nn.Module):
    """Args: layer: a `Tacotron2Decoder`."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.prenet = [dense(one) for one in layer.prenet.denses]
        self.recurrence = Recurrence(layer.recurrence)
        self.frame, self.stop = dense(layer.frame_dense), dense(layer.stop_dense)
        self.postnet = [convolution(one) for one in layer.postnet.convolutions]
        self.head = [convolution(one) for one in layer.head.convolutions]
        self.magnitudes = dense(layer.head.dense)

    def forward(self, target, memory, mask, lengths):
        rows, size, channels = target.shape
        reduction = self.layer.reduction
        steps = -(-size // reduction)
        last = torch.zeros(rows, steps, channels, dtype=target.dtype)
        for step in range(1, steps):
            last[:, step] = target[:, step * reduction - 1]
        for i, one in enumerate(self.prenet):
            last = relu(one(last)) * self.kept(i, steps)
        states = self.recurrence(last, memory, torch.tensor(mask))
        both = torch.cat(states[:2], -1)
        found = {
            "frames": self.frame(both).reshape(rows, -1, channels)[:, :size],
            "stop": self.stop(both).reshape(rows, -1)[:, :size],
            "alignments": states[2].repeat_interleave(reduction, 1)[:, :size],
        }
        refined, magnitudes = zip(
            *map(self.refine, found["frames"], lengths), strict=True
        )
        padded = nn.utils.rnn.pad_sequence
        found["refined"] = padded(refined, batch_first=True)
        return found | {"magnitudes": padded(magnitudes, batch_first=True)}

    def kept(self, number, steps):
        """What the zoo drops of each frame, which no other library can tell."""
        one = np.ones((), "int32")
        return double(self.layer.prenet._kept(0 * one, steps, 0 * one)[number])

    def refine(self, frames, length):
        """The frames of a row, as long as it is."""
        x = written = frames[None, :length]
        for i, one in enumerate(self.postnet):
            x = one(x)
            x = x.tanh() if i + 1 < len(self.postnet) else x
        refined = x = written + x
        for one in self.head:
            x = relu(one(x))
        return refined[0], self.magnitudes(x)[0]

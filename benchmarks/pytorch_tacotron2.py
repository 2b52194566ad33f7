"""Tacotron 2 as one would write it in PyTorch, by a preset's sizes."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, dropout

from s2s_zoo.registry import PRESETS


def convolutions(count, inputs, filters, outputs, kernel):
    sizes = [inputs, *[filters] * (count - 1), outputs]
    return nn.ModuleList(
        nn.Sequential(
            nn.Conv1d(*pair, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm1d(pair[1], momentum=0.1),
        )
        for pair in pairwise(sizes)
    )


def real(lengths, size):
    """(B, size) where there is something."""
    return torch.arange(size)[None] < lengths[:, None]


class Encoder(nn.Module):
    def __init__(self, symbols, width, units, filters, layers, kernel, dropout):
        super().__init__()
        self.embedding = nn.Embedding(symbols, width)
        self.convolutions = convolutions(layers, width, filters, filters, kernel)
        self.rnn = nn.LSTM(filters, units, batch_first=True, bidirectional=True)
        self.dropout = dropout

    def forward(self, tokens, lengths):
        mask = real(lengths, tokens.shape[1])
        x = (self.embedding(tokens) * mask[..., None]).transpose(1, 2)
        for layer in self.convolutions:
            x = dropout(torch.relu(layer(x)) * mask[:, None], self.dropout)
        packed = nn.utils.rnn.pack_padded_sequence(
            x.transpose(1, 2), lengths, batch_first=True, enforce_sorted=False
        )
        size = {"total_length": tokens.shape[1], "batch_first": True}
        return nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], **size)[0], mask


class Attention(nn.Module):
    def __init__(self, query, memory, units, filters, kernel):
        super().__init__()
        self.query = nn.Linear(query, units, bias=False)
        self.keys = nn.Linear(memory, units, bias=False)
        self.filters = nn.Conv1d(1, filters, kernel, padding=kernel // 2)
        self.location = nn.Linear(filters, units)
        self.direction = nn.Linear(units, 1, bias=False)

    def forward(self, query, keys, memory, before, mask):
        place = self.location(self.filters(before[:, None]).transpose(1, 2))
        scores = self.direction(torch.tanh(self.query(query)[:, None] + keys + place))
        weights = scores[..., 0].masked_fill(~mask, -1e9).softmax(-1)
        return (weights[:, None] @ memory)[:, 0], weights


class Tacotron2(nn.Module):
    """Frames of texts, each from those before it.

    Args:
        preset: whose sizes it has.
    """

    def __init__(self, preset):
        super().__init__()
        preset = PRESETS.get(preset)
        task, width = preset.task, preset.features.keywords["width"]
        sizes = self.sizes = preset.decoder.keywords
        units, memory = sizes["units"], 2 * preset.encoder.keywords["units"]
        self.encoder = Encoder(task.text.size, width, **preset.encoder.keywords)
        self.mels, prenet = task.spectrogram.num_mels, sizes["prenet_units"]
        self.prenet = nn.ModuleList(
            [nn.Linear(self.mels, prenet), nn.Linear(prenet, prenet)]
        )
        self.lower = nn.LSTMCell(prenet + memory, units)
        self.upper = nn.LSTMCell(units, units)
        attention = (sizes[f"attention_{n}"] for n in ("units", "filters", "kernel"))
        self.attention = Attention(units, memory, *attention)
        self.frame = nn.Linear(units + memory, self.mels * sizes["reduction"])
        self.stop = nn.Linear(units + memory, sizes["reduction"])
        layers = (sizes[f"postnet_{n}"] for n in ("layers", "filters", "kernel"))
        count, filters, kernel = layers
        self.postnet = convolutions(count, self.mels, filters, self.mels, kernel)

    def forward(self, tokens, token_lengths, frames, lengths):
        memory, mask = self.encoder(tokens, token_lengths)
        states, weights = self.decode(self.read(frames), memory, mask)
        rows, size = frames.shape[:2]
        found = self.frame(states).reshape(rows, -1, self.mels)[:, :size]
        stop = self.stop(states).reshape(rows, -1)[:, :size]
        weights = weights.repeat_interleave(self.sizes["reduction"], 1)[:, :size]
        x = found * real(lengths, size)[..., None]
        x = x.transpose(1, 2)
        for i, layer in enumerate(self.postnet):
            x = layer(x)
            last = i + 1 == len(self.postnet)
            x = dropout(x if last else x.tanh(), self.sizes["postnet_dropout"])
            x = x * real(lengths, size)[:, None]
        return found, found + x.transpose(1, 2), stop, weights

    def read(self, frames):
        """What the recurrence reads: the last frame before each step."""
        reduction = self.sizes["reduction"]
        x = frames[:, reduction - 1 :: reduction]
        steps = -(-frames.shape[1] // reduction)
        x = nn.functional.pad(x, (0, 0, 1, 0))[:, :steps]
        for layer in self.prenet:
            x = dropout(torch.relu(layer(x)), 0.5)
        return x

    def decode(self, x, memory, mask):
        keys, rows = self.attention.keys(memory), len(x)
        zero = x.new_zeros(rows, self.upper.hidden_size)
        lower, upper = (zero, zero), (zero, zero)
        context, before = torch.zeros_like(memory[:, 0]), torch.zeros_like(mask * 1.0)
        states, every = [], []
        for step in x.unbind(1):
            lower = self.lower(torch.cat([step, context], 1), lower)
            upper = self.upper(dropout(lower[0], 0.1), upper)
            output = dropout(upper[0], 0.1)
            context, weights = self.attention(output, keys, memory, before, mask)
            before = before + weights
            states.append(torch.cat([output, context], 1))
            every.append(weights)
        return torch.stack(states, 1), torch.stack(every, 1)


def loss_of(found, frames, lengths, stop, token_lengths, guide_weight):
    """Absolute errors, stops and guided attention, a mean over real frames."""
    written, refined, stops, weights = found
    mask = real(lengths, frames.shape[1])
    errors = (written - frames).abs().mean(-1) + (refined - frames).abs().mean(-1)
    errors = errors + binary_cross_entropy_with_logits(stops, stop, reduction="none")
    place = torch.arange(weights.shape[1])[None] / lengths[:, None]
    wanted = torch.arange(weights.shape[2])[None] / token_lengths[:, None]
    distance = place[..., None] - wanted[:, None]
    strayed = (1 - torch.exp(-(distance**2) / (2 * 0.2**2))) * weights
    errors = errors + guide_weight * strayed.sum(-1)
    return errors[mask].mean()

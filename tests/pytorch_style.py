"""Style tokens in PyTorch's own modules, in float64, with the zoo's weights copied."""

import numpy as np

from tests.pytorch_reference import import_torch, recurrent_module
from tests.pytorch_tacotron2 import dense, double, linear, put

torch = import_torch()
nn = torch.nn


def convolution(layer):
    """A `SpectrogramConvolution` at inference, of (1, T, F, C) unpadded."""
    kernel, *norms = (np.asarray(weight) for weight in layer.get_weights())
    rows, columns, inputs, outputs = kernel.shape
    module = nn.Conv2d(inputs, outputs, (rows, columns), 2, 1, bias=False).double()
    put(module.weight, kernel.transpose(3, 2, 0, 1))
    norm = nn.BatchNorm2d(outputs, eps=layer.normalization.epsilon).double().eval()
    theirs = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    for parameter, array in zip(theirs, norms, strict=True):
        put(parameter, array)
    return nn.Sequential(module, norm, nn.ReLU())


class StyleWeights(nn.Module):
    """Args: layer: a `StyledEncoder`."""

    def __init__(self, layer):
        super().__init__()
        heard, bank = layer.reference, layer.bank
        self.convolutions = [convolution(one) for one in heard.convolutions]
        self.recurrence = recurrent_module(
            heard.recurrence.get_weights(), "gru", bidirectional=False
        )
        self.dense = dense(heard.dense)
        kernels = {w.name: np.asarray(w) for w in bank.weights}
        self.query, self.keys, self.values, self.output = (
            linear(kernels[f"{name}_kernel"])
            for name in ("query", "key", "value", "output")
        )
        self.bank = double(kernels["bank"]).tanh()
        self.direction = double(kernels["direction"])
        self.heads = bank.heads

    def forward(self, frames):
        """Weights (H, N) and embedding (W,) of one recording (U, M)."""
        x = frames[None, None]
        for one in self.convolutions:
            x = one(x)
        x = x.permute(0, 2, 3, 1).flatten(2)
        heard = self.dense(self.recurrence(x)[1][-1]).tanh()[0]
        query, keys, values = self.query(heard), self.keys(self.bank), self.values
        weights, mixed = [], []
        for q, k, v in zip(
            query.chunk(self.heads),
            keys.chunk(self.heads, -1),
            values(self.bank).chunk(self.heads, -1),
            strict=True,
        ):
            weights.append(((q + k).tanh() @ self.direction).softmax(0))
            mixed.append(weights[-1] @ v)
        return torch.stack(weights), self.output(torch.cat(mixed))

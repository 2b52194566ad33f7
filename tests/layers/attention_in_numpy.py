"""Recurrent steps with attention, equation by equation in float64 NumPy."""

import math

import numpy as np

from s2s_zoo.models.unallocated import unallocated


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def scores(kind, weights, query, keys):
    """Scores of `keys` (T, D) for a `query` (H,): Bahdanau, Salimans, Luong."""
    if kind == "dot":
        return weights["gain"] * keys @ weights["key_kernel"] @ query
    sums = query @ weights["query_kernel"] + keys @ weights["key_kernel"]
    direction = weights["direction"]
    if kind == "additive":
        return np.tanh(sums) @ direction
    direction = weights["gain"] * direction / np.sqrt((direction**2).sum())
    return np.tanh(sums + weights["bias"]) @ direction


def lstm(weights, x, state):
    """Hochreiter and Schmidhuber's cell with a forget gate; gates i, f, g, o."""
    h, c = state
    a = x @ weights["kernel"][0] + h @ weights["recurrent_kernel"][0]
    i, f, g, o = np.split(a + weights["bias"].reshape(-1), 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, (h, c)


def gru(weights, x, state):
    """Cho's cell with the reset gate after the product; gates z, r, n."""
    a = x @ weights["kernel"][0] + weights["bias"].reshape(-1)
    b = state[0] @ weights["recurrent_kernel"][0]
    b = b + weights["recurrent_bias"].reshape(-1)
    (z, r, n), (zh, rh, nh) = np.split(a, 3), np.split(b, 3)
    z, r = sigmoid(z + zh), sigmoid(r + rh)
    h = z * state[0] + (1 - z) * np.tanh(n + r * nh)
    return h, (h,)


CELLS = {"lstm": lstm, "gru": gru}


def parameters(layer, *shapes):
    """Trainable parameters of a layer built for `shapes`, none of them allocated."""

    def count() -> int:
        layer.build(*shapes)
        return sum(math.prod(weight.shape) for weight in layer.trainable_weights)

    return unallocated(count)

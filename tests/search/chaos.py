"""A model whose next token depends on every token before, in Keras and in NumPy."""

import math
from itertools import pairwise

import keras
import numpy as np
from keras import ops

from s2s_zoo.compilation import CompiledLoop
from s2s_zoo.search.loop import while_loop
from s2s_zoo.typing import DecoderState
from s2s_zoo.vocabulary import END, START

WIDTH = 4


class Chaos:
    """A random recurrent network that also counts the tokens it has read.

    Its cache holds floats in a tuple and integers in a dictionary in a list, so a
    wrong order of either shows in the logits; what differs by source is memory.
    """

    def __init__(self, vocabulary: int, sources: int, seed: int, spread: float = 2.0):
        rng = np.random.default_rng(seed)
        self.vocabulary = vocabulary
        self.embedding = rng.normal(size=(vocabulary, WIDTH))
        self.recurrent = rng.normal(size=(WIDTH, WIDTH)) * 0.8
        self.output = rng.normal(size=(WIDTH, vocabulary)) * spread
        self.counted = rng.normal(size=(vocabulary, vocabulary)) * 0.7
        self.source = rng.normal(size=(sources, vocabulary))

    def start(self, sources, rows: int) -> DecoderState:
        """The state for `rows` texts of each of `sources` (B,) int32."""
        count = ops.shape(sources)[0] * rows
        hidden = ops.zeros((count, WIDTH), dtype="float32")
        counts = ops.zeros((count, self.vocabulary), dtype="int32")
        table = ops.convert_to_tensor(self.source.astype("float32"))
        return DecoderState(
            cache=((hidden,), [{"counts": counts}]),
            memory={"bias": ops.take(table, sources, axis=0), "nothing": None},
            position=ops.zeros((), dtype="int32"),
        )

    def step(self, tokens, state):
        (hidden,), (counted,) = state.cache
        bias = state.memory["bias"]
        rows = ops.shape(tokens)[0] // ops.shape(bias)[0]
        hidden = ops.tanh(
            ops.matmul(hidden, np.float32(self.recurrent))
            + ops.take(
                ops.convert_to_tensor(np.float32(self.embedding)), tokens, axis=0
            )
        )
        seen = tokens[:, None] == ops.arange(self.vocabulary, dtype="int32")
        counts = counted["counts"] + ops.cast(seen, "int32")
        logits = (
            ops.matmul(hidden, np.float32(self.output))
            + ops.matmul(ops.cast(counts, "float32"), np.float32(self.counted))
            + ops.repeat(bias, rows, axis=0)
        )
        cache = ((hidden,), [{"counts": counts}])
        return logits, DecoderState(cache, state.memory, state.position + 1)

    def log_probabilities(self, source: int, tokens: tuple[int, ...]) -> np.ndarray:
        """Of the token after `tokens`, in float64."""
        hidden, counts = np.zeros(WIDTH), np.zeros(self.vocabulary)
        for token in (START, *tokens):
            hidden = np.tanh(hidden @ self.recurrent + self.embedding[token])
            counts[token] += 1
        logits = hidden @ self.output + counts @ self.counted + self.source[source]
        return logits - np.logaddexp.reduce(logits)


class Task:
    """One source with its rules, searched in plain Python."""

    def __init__(self, model, source, longest, shortest, prefix, forbidden):
        self.model, self.source, self.prefix = model, source, tuple(prefix)
        self.longest = max(longest, len(self.prefix))
        self.shortest = min(shortest, self.longest)
        self.forbidden = forbidden
        self.known: dict[tuple[int, ...], np.ndarray] = {}

    def continuations(self, text: tuple[int, ...]) -> list[tuple[int, float]]:
        if text not in self.known:
            self.known[text] = self.model.log_probabilities(self.source, text)
        place = len(text)
        if place < len(self.prefix):
            tokens = [self.prefix[place]]
        elif place == self.longest:
            tokens = [END]
        else:
            tokens = [
                token
                for token in range(self.model.vocabulary)
                if token not in self.forbidden
                and (token != END or place >= self.shortest)
            ]
        return [(token, float(self.known[text][token])) for token in tokens]

    def all_texts(self, text=(), total=0.0):
        """Every text the rules allow with its log-probability."""
        for token, gain in self.continuations(text):
            if token == END:
                yield text, total + gain
            else:
                yield from self.all_texts((*text, token), total + gain)

    def beam(self, width: int, patience: float | None = None):
        """Texts a textbook beam search ends, without patience never stopping early."""
        alive, ended = [((), 0.0)], []
        among = 2 * width if patience is None else width
        while alive and (patience is None or len(ended) < round(patience * width)):
            ways = [
                (text, token, total + gain)
                for text, total in alive
                for token, gain in self.continuations(text)
            ]
            ways = sorted(ways, key=lambda way: -way[2])[: 2 * width]
            ended += [
                (text, total) for text, token, total in ways[:among] if token == END
            ]
            alive = [((*t, token), total) for t, token, total in ways if token != END]
            alive = alive[:width]
        return ended

    def greedy(self):
        text, total = (), 0.0
        while True:
            token, gain = max(self.continuations(text), key=lambda way: way[1])
            total += gain
            if token == END:
                return text, total
            text = (*text, token)


def ranked(texts, alpha: float, count: int):
    """The best of texts with their scores, without near ties at the cut."""
    scored = sorted(
        ((total / math.pow((6 + len(text)) / 6, alpha), text) for text, total in texts),
        reverse=True,
    )
    assert all(a[0] - b[0] > 1e-5 for a, b in pairwise(scored[: count + 1]))
    return scored[:count]


def texts(result, row: int) -> list[tuple[int, ...]]:
    """The texts of a source, those that are there."""
    return [
        tuple(tokens[:length].tolist())
        for tokens, length, score in zip(
            result.tokens[row], result.lengths[row], result.scores[row], strict=True
        )
        if np.isfinite(score)
    ]


def modes() -> list[str]:
    """How the running backend compiles a whole search.

    A graph is for all sizes at once, as in a SavedModel.
    """
    found = {"tensorflow": ["graph", "xla"], "jax": ["jit"]}
    return found.get(keras.backend.backend(), ["eager", "traced"])


def loop_of(mode: str):
    """What a search runs in where nothing around it is compiled."""
    return CompiledLoop("eager") if mode == "traced" else while_loop


def compiled(function, mode: str):
    """`function` of integer arrays as one compiled function that gives arrays."""
    if mode == "xla":
        import tensorflow as tf

        inner = tf.function(function, jit_compile=True, autograph=False)
    elif mode == "jit":
        import jax

        inner = jax.jit(function)
    elif mode == "graph":
        inner = of_any_size(function)
    else:
        inner = function

    def call(*arrays):
        result = inner(*(ops.convert_to_tensor(array, "int32") for array in arrays))
        return keras.tree.map_structure(ops.convert_to_numpy, result)

    return call


def of_any_size(function):
    """`function` as a TensorFlow graph that knows only how many axes there are."""
    import tensorflow as tf

    graphs = {}

    def run(*tensors):
        axes = tuple(len(tensor.shape) for tensor in tensors)
        if axes not in graphs:
            signature = [tf.TensorSpec([None] * n, "int32") for n in axes]
            graphs[axes] = tf.function(function, signature, autograph=False)
        return graphs[axes](*tensors)

    return run

"""The loop of `AttentionRecurrence` over the steps of a call, forth and back."""

import itertools
from typing import Any, NamedTuple

from keras import ops

from s2s_zoo.layers.cells import (
    Gradients,
    Stepped,
    gru_back,
    gru_cell,
    gru_factors,
    kernel_gradient,
    lstm_back,
    lstm_cell,
    lstm_factors,
    over_steps,
    packed,
    recurrent_product,
    weighted_mean,
)
from s2s_zoo.layers.content_attention import additive_scores, dot_scores
from s2s_zoo.layers.recurrent import PARTS, State
from s2s_zoo.typing import Tensor


class _Gru:
    """A GRU inside the loop."""

    parts = PARTS["gru"]
    products_weights = 2

    @staticmethod
    def step(x: Tensor, g: Tensor, state: State) -> tuple[Tensor, ...]:
        """The new state and four gates."""
        return gru_cell(x, g, state[0])

    @staticmethod
    def factors(before: State, _: State, *gates: Tensor) -> Gradients:
        return gru_factors(before[0], *gates)

    @staticmethod
    def back(gradients: State, factors: Gradients) -> tuple[State, Tensor]:
        """Gradients of the state before, and those that `products` takes apart."""
        kept, dg, dn = gru_back(gradients[0], *factors)
        return (kept,), ops.concatenate([dg, dn], axis=-1)

    @staticmethod
    def products(joint: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of the input projections and of the recurrent product."""
        z, r, q, n = ops.split(joint, 4, axis=-1)
        return ops.concatenate([z, r, n], axis=-1), joint[..., : 3 * q.shape[-1]]


class _Lstm:
    """An LSTM inside the loop."""

    parts = PARTS["lstm"]
    products_weights = 1

    @staticmethod
    def step(x: Tensor, g: Tensor, state: State) -> tuple[Tensor, ...]:
        return lstm_cell(x + g, state[1])

    @staticmethod
    def factors(before: State, after: State, *gates: Tensor) -> Gradients:
        return lstm_factors(before[1], after[1], *gates)

    @staticmethod
    def back(gradients: State, factors: Gradients) -> tuple[State, Tensor]:
        dc, da = lstm_back(*gradients, *factors)
        return (ops.zeros_like(dc), dc), da

    @staticmethod
    def products(joint: Tensor) -> tuple[Tensor, Tensor]:
        return joint, joint


class _Loop:
    """The loop over U steps of one call, forth and back.

    Args:
        cell: `_Gru` or `_Lstm`.
        x: (U, B, G·H) input projections.
        kept: (U, B, C) factors of the contexts read, (U, B, 0) for 1.
        start: (B, parts·H) float32 state.
        of_contexts: (C, G·H) kernel.
        keys: (B, T, A).
        values: (B, T, C).
        bias: (B, T) float32, added to scores, 0 on real frames.
        weights: of the recurrent product, then W_q (H, A) and v (A,) of additive
            scores.
    """

    def __init__(
        self,
        cell: type[_Gru] | type[_Lstm],
        x: Tensor,
        kept: Tensor,
        start: Tensor,
        of_contexts: Tensor,
        keys: Tensor,
        values: Tensor,
        bias: Tensor,
        *weights: Tensor,
    ) -> None:
        self.cell, self.x, self.kept, self.of_contexts = cell, x, kept, of_contexts
        self.keys, self.values, self.bias = keys, values, bias
        self.recurrent = weights[: cell.products_weights]
        self.scores = weights[cell.products_weights :]
        self.start = tuple(ops.split(start, cell.parts, axis=-1))
        self.units = self.recurrent[0].shape[0]

    def forward(self) -> Tensor:
        """(U, B, H + C) float32 hidden states and contexts."""
        parts, zero = self.cell.parts, ops.zeros_like(self.start[0])
        carry = (*self.start, self._no_context(), *(zero,) * 4)
        carry = (*carry, ops.zeros_like(self.bias))
        found = ops.scan(self._step, carry, packed(self.x, self.kept))[1]
        self.states, self.contexts = found[:parts], found[parts]
        self.gates, self.attention = found[parts + 1 : -1], found[-1]
        return ops.concatenate([self.states[0], self.contexts], axis=-1)

    def _no_context(self) -> Tensor:
        width = self.of_contexts.shape[0]
        return ops.zeros((ops.shape(self.bias)[0], width), "float32")

    def _step(self, carry: tuple[Tensor, ...], inputs: Tensor) -> Stepped:
        parts, width = self.cell.parts, self.x.shape[-1]
        inputs = ops.cast(inputs, "float32")
        fed = _times(carry[parts], inputs[:, width:])
        x = inputs[:, :width] + recurrent_product(fed, self.of_contexts)
        g = recurrent_product(carry[0], *self.recurrent)
        found = self.cell.step(x, g, carry[:parts])
        weights = ops.softmax(self._score(found[0]) + self.bias, axis=-1)
        context = weighted_mean(weights, self.values)
        new = (*found[:parts], context, *found[parts:], weights)
        return new, new

    def _query(self, h: Tensor) -> Tensor:
        h = ops.cast(h, self.keys.dtype)
        return ops.matmul(h, self.scores[0]) if self.scores else h

    def _score(self, h: Tensor) -> Tensor:
        query = self._query(h)[:, None]
        if self.scores:
            return additive_scores(query, self.keys, self.scores[1])[:, 0]
        return dot_scores(query, self.keys)[:, 0]

    def backward(self, *args: Tensor, upstream: Tensor | None = None) -> Gradients:
        """Gradients of all arguments but the cell, in their order."""
        upstream = args[0] if upstream is None else upstream
        start = [part[None] for part in (*self.start, self._no_context())]
        after = (*self.states, self.contexts)
        *before, read = (
            ops.concatenate([first, rest[:-1]], axis=0)
            for first, rest in zip(start, after, strict=True)
        )
        factors = self.cell.factors(tuple(before), self.states, *self.gates)
        queries = self._query(self.states[0])
        found = self._run_back(upstream, factors, queries)
        return self._gradients(found, before[0], _times(read, self.kept), queries)

    def _run_back(
        self, upstream: Tensor, factors: Gradients, queries: Tensor
    ) -> tuple["_Carry", "_Carry"]:
        """The last carry and those of all steps."""
        self.transposed = [
            ops.transpose(kernel)
            for kernel in (self.recurrent[0], self.of_contexts, *self.scores[:1])
        ]
        self.widths = (
            self.units,
            self.contexts.shape[-1],
            self.units * len(factors),
            self.kept.shape[-1],
            queries.shape[-1],
        )
        steps = packed(upstream, *factors, self.kept, queries, self.attention)
        zero, keys = ops.zeros_like(self.start[0]), self.keys
        query = ops.zeros_like(keys[:, 0], dtype="float32")
        carry = _Carry(
            state=(zero,) * self.cell.parts,
            fed=self._no_context(),
            joint=ops.concatenate([zero] * 4, axis=-1),
            query=query,
            score=ops.zeros_like(self.bias),
            context=self._no_context(),
            sums=(ops.zeros_like(keys, dtype="float32"), query) if self.scores else (),
        )
        return ops.scan(self._step_back, carry, steps, reverse=True)

    def _step_back(self, carry: "_Carry", inputs: Tensor) -> tuple["_Carry", "_Carry"]:
        dh, dcontext, factors, kept, query, weights = _apart(inputs, self.widths)
        context = dcontext + carry.fed
        score = _softmax_back(weights, context, self.values)
        query, sums = self._score_back(score, query, carry.sums)
        dh = dh + carry.state[0] + self._to_state(query)
        factors = ops.split(factors, factors.shape[-1] // self.units, axis=-1)
        state, joint = self.cell.back((dh, *carry.state[1:]), factors)
        dx, dg = self.cell.products(joint)
        state = (state[0] + recurrent_product(dg, self.transposed[0]), *state[1:])
        fed = _times(recurrent_product(dx, self.transposed[1]), kept)
        new = _Carry(state, fed, joint, query, score, context, sums)
        return new, new

    def _to_state(self, query: Tensor) -> Tensor:
        return recurrent_product(query, self.transposed[2]) if self.scores else query

    def _score_back(
        self, score: Tensor, query: Tensor, sums: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Gradient of the query, and the sums over steps with this step added."""
        keys = self.keys
        if not self.scores:
            return weighted_mean(score, keys), ()
        tanh = ops.tanh(keys + ops.cast(query, keys.dtype)[:, None])
        slopes = ops.cast(score, keys.dtype)[..., None] * (1 - tanh * tanh)
        slopes = ops.cast(slopes, "float32")
        direction = ops.cast(self.scores[1], "float32")
        return (
            ops.sum(slopes, axis=1) * direction,
            (sums[0] + slopes, sums[1] + weighted_mean(score, tanh)),
        )

    def _gradients(
        self,
        found: tuple["_Carry", "_Carry"],
        before: Tensor,
        fed: Tensor,
        queries: Tensor,
    ) -> Gradients:
        last, steps = found
        dx, dg = self.cell.products(steps.joint)
        recurrent = [kernel_gradient(before, dg, self.recurrent[0])]
        for bias in self.recurrent[1:]:
            recurrent.append(ops.cast(ops.sum(dg, axis=(0, 1))[None], bias.dtype))
        keys, scores = self._gradients_of_scores(last, steps, queries)
        values = over_steps(self.attention, steps.context, self.values)
        return (
            ops.cast(dx, self.x.dtype),
            ops.zeros_like(self.kept),
            ops.concatenate(last.state, axis=-1),
            kernel_gradient(fed, dx, self.of_contexts),
            keys,
            values,
            ops.zeros_like(self.bias),
            *recurrent,
            *scores,
        )

    def _gradients_of_scores(
        self, last: "_Carry", steps: "_Carry", queries: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """Gradients of the keys, and of the weights of additive scores."""
        keys = self.keys
        if not self.scores:
            return over_steps(steps.score, queries, keys), []
        kernel, direction = self.scores
        of_kernel = kernel_gradient(self.states[0], steps.query, kernel)
        of_direction = ops.cast(ops.sum(last.sums[1], axis=0), direction.dtype)
        of_keys = last.sums[0] * ops.cast(direction, "float32")
        return ops.cast(of_keys, keys.dtype), [of_kernel, of_direction]


class _Carry(NamedTuple):
    """Gradients that one step of the loop hands to the step before, float32.

    Attributes:
        state: (B, H) each, of the state before the step.
        fed: (B, C), of the context before the step.
        joint: (B, 4H), of both products together.
        query: (B, A), of the query.
        score: (B, T), of the scores.
        context: (B, C), of the step's context.
        sums: over the steps so far: of the keys (B, T, A), v left out, and of v (B, A).
    """

    state: State
    fed: Tensor
    joint: Tensor
    query: Tensor
    score: Tensor
    context: Tensor
    sums: tuple[Tensor, ...]


def _loop(cell: type[_Gru] | type[_Lstm]) -> Any:
    @ops.custom_gradient
    def loop(*arguments: Tensor) -> Any:
        run = _Loop(cell, *arguments)
        return run.forward(), run.backward

    return loop


LOOPS = {"gru": _loop(_Gru), "lstm": _loop(_Lstm)}


def _times(x: Tensor, kept: Tensor) -> Tensor:
    """`x` by factors of its shape, or as it is if there are none."""
    return x * ops.cast(kept, x.dtype) if kept.shape[-1] else x


def _softmax_back(weights: Tensor, context: Tensor, values: Tensor) -> Tensor:
    """(B, T) gradient of the scores by that of the context (B, C)."""
    context = ops.cast(context, values.dtype)[..., None]
    of_weights = ops.cast(ops.matmul(values, context)[..., 0], "float32")
    return weights * (
        of_weights - ops.sum(weights * of_weights, axis=-1, keepdims=True)
    )


def _apart(x: Tensor, widths: tuple[int, ...]) -> list[Tensor]:
    """The parts of `x` (B, ...) of these widths, static ones, and what is left."""
    ends = [0, *itertools.accumulate(widths)]
    pairs = zip(ends, widths, strict=False)
    parts = [ops.reshape(x[:, i : i + n], (-1, n)) if n else x[:, :0] for i, n in pairs]
    return [*parts, x[:, ends[-1] :]]

"""The loop of `LocationRecurrence` over the steps of a call, forth and back."""

from typing import Any, NamedTuple

from keras import ops

from s2s_zoo.layers.cells import (
    Gradients,
    Stepped,
    kernel_gradient,
    lstm_back,
    lstm_cell,
    lstm_factors,
    over_steps,
    packed,
    recurrent_product,
    weighted_mean,
)
from s2s_zoo.layers.location_attention import (
    location_features,
    windows,
    windows_back,
)
from s2s_zoo.typing import Tensor

STATES = 6
"""Tensors that a step hands on: two hidden and cell states, context, sum of weights."""
FACTORS = 6
"""Of the backward pass of an LSTM."""


class _Loop:
    """The loop over U steps of one call.

    Args:
        x: (U, B, 4H) input projections of the lower layer.
        kept: (U, B, 2H) factors of the outputs of both layers, (U, B, 0) for 1.
        lower: (C + H, 4H) kernel of the context and of the state of the lower layer.
        upper: (2H, 4H) kernel of the output of the lower layer and of the state.
        upper_bias: (4H,).
        keys: (B, T, A).
        values: (B, T, C).
        bias: (B, T) float32, added to scores, 0 on real frames.
        query_kernel: (H, A).
        location: (K, A).
        direction: (A,).
    """

    def __init__(
        self,
        x: Tensor,
        kept: Tensor,
        lower: Tensor,
        upper: Tensor,
        upper_bias: Tensor,
        keys: Tensor,
        values: Tensor,
        bias: Tensor,
        query_kernel: Tensor,
        location: Tensor,
        direction: Tensor,
    ) -> None:
        self.x, self.kept, self.lower, self.upper = x, kept, lower, upper
        self.upper_bias, self.keys, self.values = upper_bias, keys, values
        self.bias, self.query_kernel = bias, query_kernel
        self.location, self.direction = location, direction
        self.units = upper.shape[0] // 2
        self.width = values.shape[-1]

    def forward(self) -> Tensor:
        """(U, B, H + C + T) float32 outputs of the upper layer, contexts, weights."""
        rows, units = ops.shape(self.bias)[0], self.units
        zero, context = (ops.zeros((rows, n), "float32") for n in (units, self.width))
        none = ops.zeros_like(self.bias)
        start = (*(zero,) * 4, context, none, *(zero,) * 8, none)
        found = ops.scan(self._step, start, packed(self.x, self.kept))[1]
        self.states, gates = found[:STATES], found[STATES:-1]
        self.gates, self.weights = (gates[:4], gates[4:]), found[-1]
        self.tops = self._dropped(self.states[2], self.kept, 1)
        parts = [self.tops, self.states[4], self.weights]
        return ops.concatenate(parts, axis=-1)

    def _step(self, carry: tuple[Tensor, ...], inputs: Tensor) -> Stepped:
        h, c, top, top_c, context, before = carry[:STATES]
        inputs = ops.cast(inputs, "float32")
        x, kept = inputs[:, : 4 * self.units], inputs[:, 4 * self.units :]
        x = x + recurrent_product(_beside(context, h), self.lower)
        h, c, *gates = lstm_cell(x, c)
        fed = _beside(self._dropped(h, kept, 0), top)
        x = recurrent_product(fed, self.upper, self.upper_bias)
        top, top_c, *upper_gates = lstm_cell(x, top_c)
        query = self._query(self._dropped(top, kept, 1))
        scores = ops.matmul(self._features(query, before), self.direction[:, None])
        scores = ops.cast(scores[..., 0], "float32") + self.bias
        weights = ops.softmax(scores, axis=-1)
        context = weighted_mean(weights, self.values)
        states = (h, c, top, top_c, context, before + weights)
        new = (*states, *gates, *upper_gates, weights)
        return new, new

    def _dropped(self, h: Tensor, kept: Tensor, layer: int) -> Tensor:
        if not kept.shape[-1]:
            return h
        here = kept[..., layer * self.units : (layer + 1) * self.units]
        return h * ops.cast(here, h.dtype)

    def _query(self, h: Tensor) -> Tensor:
        return ops.matmul(ops.cast(h, self.keys.dtype), self.query_kernel)

    def _features(self, query: Tensor, before: Tensor) -> Tensor:
        query = ops.cast(query, self.keys.dtype)
        return location_features(query, before, self.keys, self.location)

    def backward(self, *args: Tensor, upstream: Tensor | None = None) -> Gradients:
        """Gradients of all arguments, in their order."""
        upstream = args[0] if upstream is None else upstream
        before = [
            ops.concatenate([ops.zeros_like(part[:1]), part[:-1]], axis=0)
            for part in self.states
        ]
        steps = self._run_back(upstream, before)
        h, _, top, _, context, _ = before
        fed = _beside(self._dropped(self.states[0], self.kept, 0), top)
        of_upper = ops.sum(steps.upper, axis=(0, 1))
        keys, location, direction = self._sums(steps.score, before[5])
        return (
            ops.cast(steps.lower, self.x.dtype),
            ops.zeros_like(self.kept),
            kernel_gradient(_beside(context, h), steps.lower, self.lower),
            kernel_gradient(fed, steps.upper, self.upper),
            ops.cast(of_upper, self.upper_bias.dtype),
            ops.cast(keys, self.keys.dtype),
            over_steps(self.weights, steps.context, self.values),
            ops.zeros_like(self.bias),
            kernel_gradient(self.tops, steps.query, self.query_kernel),
            ops.cast(location, self.location.dtype),
            ops.cast(direction, self.direction.dtype),
        )

    def _run_back(self, upstream: Tensor, before: list[Tensor]) -> "_Carry":
        """The carries of all steps."""
        of_weights = upstream[..., self.units + self.width :]
        self.queries = self._query(self.tops)
        steps = packed(
            upstream[..., : self.units + self.width],
            *lstm_factors(before[1], self.states[1], *self.gates[0]),
            *lstm_factors(before[3], self.states[3], *self.gates[1]),
            *(self.kept, self.queries, of_weights, self.weights, before[5]),
        )
        zero, context = ops.zeros_like(before[0][0]), ops.zeros_like(before[4][0])
        carry = _Carry(
            states=(zero,) * 4,
            fed=context,
            before=ops.zeros_like(self.bias),
            lower=ops.concatenate([zero] * 4, axis=-1),
            upper=ops.concatenate([zero] * 4, axis=-1),
            query=ops.zeros_like(self.keys[:, 0], dtype="float32"),
            score=ops.zeros_like(self.bias),
            context=context,
        )
        return ops.scan(self._step_back, carry, steps, reverse=True)[1]

    def _step_back(self, carry: "_Carry", inputs: Tensor) -> tuple["_Carry", "_Carry"]:
        given = self._apart(inputs)
        dh, dc, dtop, dtop_c = carry.states
        context = given.context + carry.fed
        of_weights = given.of_weights + carry.before
        score = _softmax_back(given.weights, context, self.values, of_weights)
        slopes = self._slopes(score, given.query, given.before)
        query = ops.sum(ops.cast(slopes, "float32"), axis=1)
        seen = ops.matmul(slopes, ops.transpose(self.location))
        before = carry.before + windows_back(ops.cast(seen, "float32"))
        output = given.output + recurrent_product(
            query, ops.transpose(self.query_kernel)
        )
        dtop = dtop + self._dropped(output, given.kept, 1)
        dtop_c, upper = lstm_back(dtop, dtop_c, *given.upper)
        both = recurrent_product(upper, ops.transpose(self.upper))
        fed, dtop = both[:, : self.units], both[:, self.units :]
        dh = dh + self._dropped(fed, given.kept, 0)
        dc, lower = lstm_back(dh, dc, *given.lower)
        both = recurrent_product(lower, ops.transpose(self.lower))
        fed, dh = both[:, : self.width], both[:, self.width :]
        states = (dh, dc, dtop, dtop_c)
        new = _Carry(states, fed, before, lower, upper, query, score, context)
        return new, new

    def _slopes(self, score: Tensor, query: Tensor, before: Tensor) -> Tensor:
        """(B, T, A) gradient of what is under the tanh."""
        features = self._features(query, before)
        weighted = ops.cast(score, features.dtype)[..., None] * self.direction
        return weighted * (1 - features * features)

    def _apart(self, x: Tensor) -> "_Given":
        """The packed inputs of a step, (B, ...), one by one."""
        units, time = self.units, ops.shape(self.keys)[1]
        sizes = (units, self.width, *(units,) * (2 * FACTORS), self.kept.shape[-1])
        parts, end = [], 0
        for size in (*sizes, self.keys.shape[-1]):
            parts.append(x[:, end : end + size])
            end += size
        output, context, *factors, kept, query = parts
        rest = ops.reshape(x[:, end:], (-1, 3, time))
        lower, upper = tuple(factors[:FACTORS]), tuple(factors[FACTORS:])
        places = (rest[:, 0], rest[:, 1], rest[:, 2])
        return _Given(output, context, lower, upper, kept, query, *places)

    def _sums(self, scores: Tensor, before: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of keys, location and direction.

        Features are computed again: kept for all steps they would be U·B·T·A numbers.

        Args:
            scores: (U, B, T) their gradients.
            before: (U, B, T) sums of weights before each step.
        """
        start = tuple(
            ops.zeros_like(part, dtype="float32")
            for part in (self.keys, self.location, self.direction)
        )
        depth, reach = self.keys.shape[-1], self.location.shape[0]

        def add(step: Tensor, sums: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            score, query, seen = (
                ops.take(part, step, axis=0) for part in (scores, self.queries, before)
            )
            features = self._features(query, seen)
            score = ops.cast(score, features.dtype)[..., None]
            slopes = score * self.direction * (1 - features * features)
            places = windows(ops.cast(seen, features.dtype), reach)
            places = ops.transpose(ops.reshape(places, (-1, reach)))
            location = ops.matmul(places, ops.reshape(slopes, (-1, depth)))
            direction = ops.sum(score * features, axis=(0, 1))
            new = (slopes, location, direction)
            return tuple(
                total + ops.cast(part, "float32")
                for total, part in zip(sums, new, strict=True)
            )

        return ops.fori_loop(0, ops.shape(scores)[0], add, start)


class _Carry(NamedTuple):
    """Gradients that one step hands to the step before, float32.

    Attributes:
        states: (B, H) each, of the states before the step.
        fed: (B, C), of the context before the step.
        before: (B, T), of the sum of weights before the step.
        lower: (B, 4H), of the products of the lower layer.
        upper: (B, 4H), of those of the upper layer.
        query: (B, A), of the projected query.
        score: (B, T), of the scores.
        context: (B, C), of the step's context.
    """

    states: tuple[Tensor, ...]
    fed: Tensor
    before: Tensor
    lower: Tensor
    upper: Tensor
    query: Tensor
    score: Tensor
    context: Tensor


class _Given(NamedTuple):
    """What a step back reads: gradients from above, and what the step had."""

    output: Tensor
    context: Tensor
    lower: tuple[Tensor, ...]
    upper: tuple[Tensor, ...]
    kept: Tensor
    query: Tensor
    of_weights: Tensor
    weights: Tensor
    before: Tensor


@ops.custom_gradient
def location_loop(*arguments: Tensor) -> Any:
    """The arguments and the outputs of `_Loop`."""
    run = _Loop(*arguments)
    return run.forward(), run.backward


def _beside(left: Tensor, right: Tensor) -> Tensor:
    return ops.concatenate([left, right], axis=-1)


def _softmax_back(
    weights: Tensor, context: Tensor, values: Tensor, of_weights: Tensor
) -> Tensor:
    """(B, T) gradient of the scores by those of the context (B, C) and of weights."""
    context = ops.cast(context, values.dtype)[..., None]
    from_context = ops.cast(ops.matmul(values, context)[..., 0], "float32")
    total = of_weights + from_context
    return weights * (total - ops.sum(weights * total, axis=-1, keepdims=True))

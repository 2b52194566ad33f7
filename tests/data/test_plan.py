"""The batch plan: a pure function of seed and epoch, within budget, least padding."""

import tracemalloc
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s_zoo.data.plan import Batch, BatchPlan, bucket_edges

LENGTHS = st.lists(st.integers(1, 400), min_size=1, max_size=60)
PLANS = {
    "lengths": LENGTHS,
    "budget": st.integers(1, 3000),
    "buckets": st.integers(1, 6),
    "seed": st.integers(0, 5),
    "shuffle": st.booleans(),
}


def make(lengths, budget, buckets, seed, shuffle):
    targets = [length // 7 for length in lengths]
    return BatchPlan(lengths, targets, budget, buckets, seed, shuffle), targets


@settings(max_examples=60, deadline=None)
@given(**PLANS, epoch=st.integers(0, 3))
def test_every_example_is_in_exactly_one_batch_of_its_size(epoch, **arguments):
    plan, targets = make(**arguments)
    lengths, budget = arguments["lengths"], arguments["budget"]
    batches = plan.epoch(epoch)
    indices = [i for batch in batches for i in batch.indices]
    assert sorted(indices) == list(range(len(lengths)))
    assert len(batches) == len(plan)
    for batch in batches:
        bucket = batch.bucket
        assert bucket in plan.buckets
        assert 1 <= len(batch.indices) <= bucket.rows
        assert bucket.rows * bucket.size <= budget or bucket.rows == 1
        assert all(lengths[i] <= bucket.size for i in batch.indices)
        assert all(targets[i] <= bucket.target_size for i in batch.indices)
    assert len({batch.bucket for batch in batches}) <= arguments["buckets"]


@settings(max_examples=40, deadline=None)
@given(**PLANS, epoch=st.integers(0, 3))
def test_order_is_a_pure_function_of_seed_and_epoch(epoch, **arguments):
    plan, _ = make(**arguments)
    for other in (3, 0, 2, 1):
        plan.epoch(other)
    assert plan.epoch(epoch) == make(**arguments)[0].epoch(epoch)
    assert plan.identity == make(**arguments)[0].identity


@settings(max_examples=40, deadline=None)
@given(**PLANS)
def test_the_batch_of_the_most_padded_source_comes_first(**arguments):
    """Memory runs out at the first step or never."""
    sizes = [
        batch.bucket.rows * batch.bucket.size for batch in make(**arguments)[0].epoch(1)
    ]
    assert sizes[0] == max(sizes)


@settings(max_examples=40, deadline=None)
@given(**PLANS)
def test_padding_is_counted(**arguments):
    plan, _ = make(**arguments)
    lengths = arguments["lengths"]
    padded = sum(b.bucket.size * len(b.indices) for b in plan.epoch(0))
    assert plan.total_length == sum(lengths)
    assert plan.padding_share() == pytest.approx(1 - sum(lengths) / padded)


def test_epochs_and_seeds_give_other_orders():
    lengths = list(range(1, 200))
    plan = BatchPlan(lengths, lengths, 400, seed=0)
    orders = [plan.epoch(0), plan.epoch(1), BatchPlan(lengths, lengths, 400).epoch(0)]
    assert orders[0] != orders[1]
    assert orders[0] == orders[2]
    assert BatchPlan(lengths, lengths, 400, seed=1).epoch(0) != orders[0]
    unshuffled = BatchPlan(lengths, lengths, 400, shuffle=False)
    assert unshuffled.epoch(0) == unshuffled.epoch(1)


def test_identity_follows_data_and_shapes_but_not_the_order():
    lengths, targets = [5, 9, 30] * 4, [1, 2, 3] * 4
    plan = BatchPlan(lengths, targets, 60)
    assert plan.identity == BatchPlan(lengths, targets, 60, shuffle=False).identity
    others = [
        BatchPlan([5, 10, 30] * 4, targets, 60),
        BatchPlan(lengths, [1, 2, 4] * 4, 60),
        BatchPlan(lengths, targets, 30),
        BatchPlan(lengths, targets, 60, buckets=1),
    ]
    assert len({plan.identity, *(other.identity for other in others)}) == 5


def least_padded(lengths, buckets):
    """Padded total of the best choice of edges, by trying all of them."""
    values = sorted(set(lengths))
    choices = [
        (*chosen, values[-1])
        for count in range(min(buckets, len(values)))
        for chosen in combinations(values[:-1], count)
    ]
    return min(padded(lengths, edges) for edges in choices)


def padded(lengths, edges):
    return sum(min(edge for edge in edges if edge >= length) for length in lengths)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.integers(1, 5))
def test_edges_waste_the_least_padding(lengths, buckets):
    edges = bucket_edges(np.array(lengths, np.int64), buckets).tolist()
    assert edges == sorted(set(edges))
    assert len(edges) <= buckets
    assert edges[-1] == max(lengths)
    assert set(edges) <= set(lengths)
    assert padded(lengths, edges) == least_padded(lengths, buckets)


def test_many_lengths_are_planned_over_quantiles():
    lengths = np.random.default_rng(0).integers(1, 250_000, 20_000)
    edges = bucket_edges(lengths, 4)
    even = np.quantile(lengths, [0.25, 0.5, 0.75, 1.0], method="higher")
    member = np.searchsorted(edges, lengths)
    assert edges[member].sum() <= even[np.searchsorted(even, lengths)].sum()


def listed_epoch(plan, epoch):
    """The order in lists, one object a batch."""
    rng = np.random.default_rng((plan.seed, epoch))
    batches = []
    for members, bucket in zip(plan._members, plan.buckets, strict=True):
        order = rng.permutation(members) if plan.shuffle else members
        starts = range(0, len(order), bucket.rows)
        batches += [
            Batch(tuple(order[i : i + bucket.rows].tolist()), bucket) for i in starts
        ]
    shapes = [batch.bucket.rows * batch.bucket.size for batch in batches]
    largest = batches.pop(len(shapes) - 1 - int(np.argmax(shapes[::-1])))
    if not plan.shuffle:
        return [largest, *batches[::-1]]
    return [largest, *(batches[i] for i in rng.permutation(len(batches)))]


@settings(max_examples=60, deadline=None)
@given(**PLANS, epoch=st.integers(0, 3))
def test_batches_made_when_asked_for_are_those_of_a_list(epoch, **arguments):
    plan, _ = make(**arguments)
    order, expected = plan.epoch(epoch), listed_epoch(plan, epoch)
    assert list(order) == expected
    assert list(order[2:7]) == expected[2:7]
    assert order[-1] == expected[-1]
    assert order[1:] != order
    with pytest.raises(IndexError):
        order[len(expected)]


def test_millions_of_examples_are_planned_without_an_object_for_each():
    lengths = np.random.default_rng(0).integers(1, 100, 1_000_000, np.int32)
    tracemalloc.start()
    plan = BatchPlan(lengths, lengths, 4096, 8)
    batch = plan.epoch(3)[1000]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(batch.indices) * batch.bucket.size <= 4096
    assert most < 80 * len(lengths)

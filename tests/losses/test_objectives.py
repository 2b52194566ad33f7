"""Every objective: a batch costs what its parts cost, weighted."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.losses.base import Objective
from s2s_zoo.losses.ctc import CTC
from s2s_zoo.losses.label_cross_entropy import LabelCrossEntropy
from s2s_zoo.registry import PRESETS
from tests.gradients import compiled
from tests.tiny import exact_model

NAMES = {type(PRESETS.get(name).task.objective): name for name in PRESETS.names()}
"""An objective each, and a preset that is trained by it."""


@pytest.fixture(scope="module", params=NAMES, ids=lambda cls: cls.__name__)
def scored(request):
    """An objective, a batch of several examples and one of none, and its output."""
    name = NAMES[request.param]
    task = PRESETS.get(name).scaled().task
    inputs, target = task.random_batch(task.evaluation_budget / 5)[0]
    inputs, target = (
        {k: with_empty_row(v) for k, v in x.items()} for x in (inputs, target)
    )
    model = exact_model(name)
    output = compiled(lambda inputs: model(inputs, training=False))(inputs)
    return task.objective, inputs, target, output


def with_empty_row(array):
    return np.concatenate([array, np.zeros_like(array[:1])])


def part(tree, rows):
    return {name: value[rows] for name, value in tree.items()}


def number(value):
    return float(ops.convert_to_numpy(value))


def test_a_batch_is_its_halves_weighted(scored):
    objective, inputs, target, output = scored
    rows = len(inputs["source"])
    assert rows >= 3
    halves = slice(0, rows // 2), slice(rows // 2, rows)
    loss, mean = compiled(objective), compiled(objective.mean)
    sums = [number(loss(part(target, h), part(output, h))) for h in halves]
    weights = [objective.weight(part(inputs, h), part(target, h)) for h in halves]
    assert min(weights) > 0
    whole = number(mean(target, output))
    assert whole == pytest.approx(sum(sums) / sum(weights), rel=1e-5)
    assert number(loss(target, output)) == pytest.approx(sum(sums), rel=1e-5)


def test_the_host_counts_what_the_graph_counts(scored):
    objective, inputs, target, output = scored
    for rows in (slice(None), slice(0, 1), slice(-1, None)):
        counted = number(
            objective.weight_in_graph(part(target, rows), part(output, rows))
        )
        assert objective.weight(part(inputs, rows), part(target, rows)) == counted
    empty = part(target, slice(-1, None)), part(output, slice(-1, None))
    assert number(objective.mean(*empty)) == 0


def test_every_objective_of_the_package_is_among_them():
    found = {
        cls for cls in Objective.__subclasses__() if cls.__module__[:8] == "s2s_zoo."
    }
    assert found <= set(NAMES)


def test_an_utterance_that_does_not_fit_counts_as_nothing_lost():
    """Its share of the mean is 0, whichever batch it meets."""
    rng = np.random.default_rng(0)
    output = {
        "ctc_logits": rng.normal(size=(2, 6, 4)).astype("float32"),
        "mask": np.array([[True] * 6, [True] * 2 + [False] * 4]),
    }
    tokens = np.array([[0, 1, 2], [0, 1, 2]], "int32")
    target = {"target": tokens, "target_lengths": np.array([3, 3], "int32")}
    alone = number(CTC().mean(part(target, slice(1)), part(output, slice(1))))
    assert alone > 0
    assert number(CTC().mean(target, output)) == pytest.approx(alone / 2, rel=1e-6)
    if keras.backend.backend() == "torch":
        import torch

        loss = torch.nn.functional.ctc_loss(
            torch.tensor(output["ctc_logits"]).log_softmax(-1).transpose(0, 1),
            torch.tensor(tokens),
            torch.tensor([6, 2]),
            torch.tensor([3, 3]),
            blank=3,
            reduction="none",
            zero_infinity=True,
        )
        assert number(CTC()(target, output)) == pytest.approx(
            float(loss.sum()), rel=1e-5
        )


def test_a_batch_of_little_weight_is_a_mean_too():
    logits = np.array([[0.5, -1.0, 2.0]], "float32")
    target = {"target": np.array([[2]]), "target_lengths": np.array([1])}
    loss = LabelCrossEntropy(class_weights=(1.0, 1.0, 0.25))
    expected = np.log(np.exp(logits).sum()) - 2.0
    found = number(loss.mean(target, {"logits": logits}))
    assert found == pytest.approx(expected, rel=1e-6)

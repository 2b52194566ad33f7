"""The cross-entropy of labels: PyTorch's, and closed forms."""

import numpy as np
import pytest
from keras import ops

from s2s_zoo.losses.label_cross_entropy import LabelCrossEntropy
from tests.pytorch_reference import import_torch

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, (6, 4)).astype("float32")
LABELS = np.array([0, 3, 2, 2, 1, 0], "int32")
WEIGHTS = (0.5, 1.0, 2.0, 3.0)
SHARES = RNG.dirichlet(np.ones(4), 6).astype("float32")


def target(**more):
    lengths = np.ones(len(LABELS), "int32")
    return {"target": LABELS[:, None], "target_lengths": lengths, **more}


def number(value):
    return float(ops.convert_to_numpy(value))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [(), WEIGHTS])
def test_is_pytorchs(smoothing, weights):
    torch = import_torch()
    loss = LabelCrossEntropy(smoothing, weights)
    options = {"weight": torch.tensor(weights or [1.0] * 4)}
    options["label_smoothing"] = smoothing
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(LOGITS), torch.tensor(LABELS).long(), **options
    )
    assert number(loss.mean(target(), {"logits": LOGITS})) == pytest.approx(
        expected.item(), rel=1e-5
    )
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(LOGITS), torch.tensor(SHARES), **options, reduction="sum"
    )
    mixed = loss(target(shares=SHARES), {"logits": LOGITS})
    assert number(mixed) == pytest.approx(expected.item(), rel=1e-5)


def test_weighs_examples_as_their_classes():
    loss = LabelCrossEntropy(class_weights=WEIGHTS)
    output = {"logits": LOGITS}
    for found in (target(), target(shares=SHARES)):
        graph = number(loss.weight_in_graph(found, output))
        assert loss.weight({}, found) == pytest.approx(graph, rel=1e-6)
    assert loss.weight({}, target()) == sum(WEIGHTS[label] for label in LABELS)
    assert loss.weight({}, target(shares=SHARES)) == pytest.approx(
        (SHARES @ np.array(WEIGHTS)).sum(), rel=1e-6
    )


@pytest.mark.parametrize("weights", [(), WEIGHTS])
def test_rows_that_are_none_count_as_nothing(weights):
    loss = LabelCrossEntropy(0.1, weights)
    real = target()["target_lengths"] * 0
    real[:3] = 1
    padded = target(target_lengths=real)
    padded["target"] = np.where(real[:, None] > 0, LABELS[:, None], -1)
    few = {name: value[:3] for name, value in target().items()}
    assert number(loss(padded, {"logits": LOGITS})) == pytest.approx(
        number(loss(few, {"logits": LOGITS[:3]})), rel=1e-6
    )
    assert loss.weight({}, padded) == loss.weight({}, few)


def test_refuses_weights_of_other_classes():
    with pytest.raises(ValueError, match=r"each of 4 classes\. Received: 3"):
        LabelCrossEntropy(class_weights=(1.0, 2.0, 3.0))(target(), {"logits": LOGITS})
    with pytest.raises(ValueError, match="0 or more"):
        LabelCrossEntropy(class_weights=(1.0, -2.0))
    with pytest.raises(ValueError, match="below 1"):
        LabelCrossEntropy(1.0)

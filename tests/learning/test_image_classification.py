"""A network of the size of the demo learns the demo."""

import pytest

from s2s_zoo.workflows.evaluate import evaluate
from s2s_zoo.workflows.train import train


@pytest.mark.slow
def test_digits_drawn_on_this_machine(tmp_path):
    run = tmp_path / "run"
    train(preset="resnet_small", run_dir=run)
    assert evaluate(run=run).metrics["accuracy"] >= 0.88

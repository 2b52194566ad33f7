"""What tests of trainings share."""

import pytest

from s2s_zoo.workflows.training_log import TrainingLog


@pytest.fixture
def undrawn(monkeypatch):
    """Trainings leave no pictures: these take a third of a tiny one."""
    monkeypatch.setattr(TrainingLog, "draw", lambda *_: None)

"""Fixtures every test may use."""

import os
from pathlib import Path

import pytest

TRAININGS = ("learning", "workflows")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Trainings come first, so that in the end no worker waits for another's."""
    items.sort(key=lambda item: item.path.parent.name not in TRAININGS)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The directory of real datasets; tests that need it skip where it is absent."""
    directory = os.environ.get("S2S_ZOO_DATA_DIR")
    if not directory or not Path(directory).is_dir():
        pytest.skip("real datasets: set S2S_ZOO_DATA_DIR to their directory")
    return Path(directory)

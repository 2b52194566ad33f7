"""Fixtures every test may use."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The directory of real datasets; tests that need it skip where it is absent."""
    directory = os.environ.get("S2S_ZOO_DATA_DIR")
    if not directory or not Path(directory).is_dir():
        pytest.skip("real datasets: set S2S_ZOO_DATA_DIR to their directory")
    return Path(directory)

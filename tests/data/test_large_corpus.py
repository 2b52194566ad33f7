"""Five million pairs: resident memory and the time until training can start."""

import shutil
from pathlib import Path

import pytest

from tests.data.large_corpus import measure

PAIRS = 5_000_000


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_millions_of_pairs(tmp_path: Path):
    if shutil.disk_usage(tmp_path).free < 8 << 30:
        pytest.skip("needs 8 GB of disk")
    found = measure(tmp_path, PAIRS)
    assert found["first"]["pairs"] + 3000 == PAIRS
    assert found["first"]["peak_resident_mib"] < 2000
    assert found["second"]["peak_resident_mib"] < 2000
    assert found["second"]["seconds"] < 60

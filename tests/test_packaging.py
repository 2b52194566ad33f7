"""What is installed is said once for pip, once for each way of installing less."""

import re
import tomllib
from pathlib import Path

import pytest

BOUND = r"([\w-]+)>=([\d.]+)(?:,<\d+)?"
ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
BASE: list[str] = PROJECT["dependencies"]
EXTRAS = PROJECT["optional-dependencies"].values()


def lines(name: str) -> list[str]:
    """The lines of a file that are no comment."""
    text = (ROOT / name).read_text("utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_without_tensorflow_is_all_but_tensorflow():
    expected = [row for row in BASE if not row.startswith("tensorflow>")]
    assert len(expected) == len(BASE) - 1
    assert lines("requirements/without-tensorflow.txt") == expected


def test_the_oldest_are_the_lower_bounds():
    rows = [row for extra in (BASE, *EXTRAS) for row in extra]
    rows = [row.partition(";")[0] for row in rows]  # where there is no wheel
    named = [row for row in rows if "[" not in row]  # extras of what is bounded
    bounds = [re.fullmatch(BOUND, row) for row in named]
    oldest = [f"{bound[1]}=={bound[2]}" for bound in bounds]
    assert lines("requirements/oldest.txt") == sorted(oldest, key=str.lower)


def test_what_enters_a_backend_is_of_the_quick_selection():
    assert {*lines(".ci/quick-backend.txt")} < {*lines(".ci/quick.txt")}


@pytest.mark.parametrize("test", lines(".ci/quick.txt"))
def test_the_quick_selection_exists(test: str):
    path, _, function = test.partition("::")
    assert (ROOT / path).exists()
    if function:
        assert f"def {function}(" in (ROOT / path).read_text("utf-8")

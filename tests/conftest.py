"""Fixtures every test may use."""

import gc
import importlib.util
import json
import os
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import prepared

if "PYTEST_XDIST_WORKER" in os.environ:
    # each worker has a core: threads for all of them would take turns on it
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ.setdefault(name, "1")
    # Numba's cache of librosa's functions crashes where two processes write it at once.
    # Optimizing is a third of what compilation takes.
    os.environ.setdefault("NUMBA_OPT", "0")
    kept = Path(__file__).parents[1] / ".pytest_cache" / "numba"
    worker = os.environ["PYTEST_XDIST_WORKER"]
    os.environ.setdefault("NUMBA_CACHE_DIR", str(kept / worker))

if importlib.util.find_spec("triton"):
    # PyTorch for GPUs loads it late, and its LLVM aborts where TensorFlow's came first.
    import triton  # noqa: F401

COMPILED = ("test_attention_sentinel", "test_docstrings", "test_griffin_lim")
COMPILED += ("test_judge", "test_pitch", "test_spectrogram", "test_vocoding")
COMPILED += ("test_styled_text_to_speech", "test_text_to_speech")
"""What calls functions of librosa that Numba compiles, in each worker for itself."""
LONG = ("test_examples", "learning", "workflows")
"""Modules and folders of the longest tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker begins with all that is compiled and with what prepares processes.

    What is long comes next, so that in the end no worker waits for another's.
    """
    preparing = {item.path for item in items if _prepares(item)}

    def turn(item: pytest.Item) -> tuple[bool, bool, bool]:
        compiled, place = item.path.stem in COMPILED, item.path.parent.name
        long = not {item.path.stem, place}.isdisjoint(LONG)
        return not compiled, item.path not in preparing, not long

    items.sort(key=turn)


def _prepares(item: pytest.Item) -> bool:
    """Whether a test may be the first that needs a server of processes."""
    names = getattr(item, "fixturenames", ())
    return "warm_exports" in names or hasattr(getattr(item, "module", None), "prepared")


@pytest.fixture(scope="session", autouse=True)
def sooner_traced() -> None:
    """Graphs take less time to make; they compute what they would."""
    from tests.tracing import as_written

    as_written()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The directory of real datasets; tests that need it skip where it is absent."""
    directory = os.environ.get("S2S_ZOO_DATA_DIR")
    if not directory or not Path(directory).is_dir():
        pytest.skip("real datasets: set S2S_ZOO_DATA_DIR to their directory")
    return Path(directory)


@pytest.fixture(scope="module")
def warm_exports() -> Iterator[None]:
    """What was exported runs in processes in which TensorFlow has been imported."""
    from s2s_zoo.export import elsewhere

    run = partial(prepared.run, server=prepared.without_keras)
    warm = SimpleNamespace(run=run, PIPE=subprocess.PIPE, DEVNULL=subprocess.DEVNULL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elsewhere, "subprocess", warm)
        yield


@pytest.fixture(scope="module")
def undrawn() -> Iterator[None]:
    """Trainings leave no pictures: these take a third of a tiny one."""
    from s2s_zoo.workflows.training_log import TrainingLog

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLog, "draw", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def untraced() -> Iterator[None]:
    """For tests of short searches and trainings of a step or two."""
    from tests.tracing import untraced

    with untraced():
        yield


@pytest.fixture
def collected() -> Iterator[None]:
    """For tests of `fit`, which leaves iterators of TensorFlow in cycles.

    To collect one is to wait for its thread, the longer the older it is.
    """
    yield
    gc.collect()


@pytest.fixture(scope="module")
def loaded_once() -> Iterator[None]:
    """A directory that has not changed since gives the model it gave, compiled.

    For tests that neither change what they load nor depend on its being new.
    """
    from s2s_zoo.models.seq2seq import Seq2Seq

    load, models = Seq2Seq.from_preset, {}

    def load_once(preset: str | Path, *args: Any, **kwargs: Any) -> Any:
        if not Path(preset).is_dir():
            return load(preset, *args, **kwargs)
        files = sorted(f for f in Path(preset).rglob("*") if f.is_file())
        states = [(str(f), f.stat().st_ino, f.stat().st_mtime_ns) for f in files]
        key = json.dumps([states, args, kwargs], default=str)
        if key not in models:
            models[key] = load(preset, *args, **kwargs)
        return models[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Seq2Seq, "from_preset", load_once)
        yield

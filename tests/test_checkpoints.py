"""Training state on disk: exact, verified, whole or not at all."""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo import checkpoints
from s2s_zoo.checkpoints import (
    TrainingState,
    average_checkpoints,
    load_latest,
    run_lock,
    save_checkpoint,
)
from s2s_zoo.errors import UserError

ROOT = Path(__file__).parents[1]


def make(units=3, seed=0, optimizer="adam"):
    """A compiled model with dropout, so that seed generators are part of its state."""
    keras.utils.set_random_seed(seed)
    layers = [
        keras.layers.Dense(units, name="first"),
        keras.layers.BatchNormalization(name="normalization"),
        keras.layers.Dropout(0.5, seed=seed, name="dropout"),
        keras.layers.Dense(1, name="last"),
    ]
    model = keras.Sequential(layers, name="model")
    model.build((None, 4))
    model.compile(optimizer=keras.optimizers.get(optimizer), loss="mse")
    model.optimizer.build(model.trainable_variables)
    return model


def train(model, steps, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        x = rng.normal(size=(8, 4)).astype("float32")
        model.train_on_batch(x, x.sum(axis=1, keepdims=True))


def arrays(model):
    variables = [*model.variables, *model.optimizer.variables]
    return [ops.convert_to_numpy(v).copy() for v in variables]


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture(scope="module")
def trained():
    model = make()
    train(model, 3)
    return model


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_a_training_goes_on_to_the_same_bit(tmp_path):
    """Seed generators are restored: dropout drops what it would have dropped."""
    model = make()
    train(model, 2)
    state = TrainingState(step=2, epoch=1, position=1, plan="p", best_value=0.25)
    path = save_checkpoint(tmp_path, model, state, keep=3)
    assert path == tmp_path / "step-00000002"
    kept = arrays(model)
    train(model, 2, seed=5)
    expected = arrays(model)

    other = make(seed=9)
    assert not same(arrays(other), kept)
    found, damaged = load_latest(tmp_path, other)
    assert found == state
    assert damaged == []
    assert same(arrays(other), kept)
    train(other, 2, seed=5)
    assert same(arrays(other), expected)


def test_another_state_beside_the_same_variables(tmp_path, trained):
    path = save_checkpoint(tmp_path, trained, TrainingState(step=3), keep=1)
    better = TrainingState(step=3, best_step=3, best_value=0.5)
    checkpoints.update_state(path, better)
    other = make(seed=9)
    assert load_latest(tmp_path, other) == (better, [])
    assert same(arrays(other), arrays(trained))
    assert names(path) == ["state.json", "variables.npz"]


def test_what_a_kill_left_without_its_name_is_kept_if_it_is_whole(tmp_path, trained):
    for step in (2, 3, 4):
        path = save_checkpoint(tmp_path, trained, TrainingState(step=step), keep=3)
        path.rename(tmp_path / f".{path.name}.77")
    save_checkpoint(tmp_path, trained, TrainingState(step=2, epoch=1), keep=3)
    half_removed = save_checkpoint(tmp_path, trained, TrainingState(step=3), keep=3)
    (half_removed / "state.json").unlink()
    (tmp_path / ".step-00000004.77/variables.npz").write_bytes(b"cut off")
    state, damaged = load_latest(tmp_path, make(seed=9))
    assert (state, damaged) == (TrainingState(step=3), [])
    assert names(tmp_path) == ["step-00000002", "step-00000003"]
    assert checkpoints._read(tmp_path / "step-00000002")[0].epoch == 1


def test_every_seed_generator_is_in_the_file(tmp_path, trained):
    path = save_checkpoint(tmp_path, trained, TrainingState(), keep=1)
    with np.load(path / "variables.npz") as archive:
        stored = list(archive)
    assert any("seed_generator" in name for name in stored)
    assert any("iteration" in name for name in stored)
    variables = len(trained.variables) + len(trained.optimizer.variables)
    host = keras.backend.backend() == "torch"
    assert len(stored) == variables + host


def test_the_loss_scale_is_part_of_the_state(tmp_path):
    def scaled():
        inner = keras.optimizers.SGD(0.1)
        return make(optimizer=keras.optimizers.LossScaleOptimizer(inner))

    model = scaled()
    model.optimizer.dynamic_scale.assign(512.0)
    save_checkpoint(tmp_path, model, TrainingState(step=1), keep=1)
    other = scaled()
    load_latest(tmp_path, other)
    assert float(ops.convert_to_numpy(other.optimizer.dynamic_scale)) == 512.0


def test_a_state_without_a_best_value_comes_back(tmp_path, trained):
    state = TrainingState(step=7)
    save_checkpoint(tmp_path, trained, state, keep=1)
    found, _ = load_latest(tmp_path, trained)
    assert found == state
    assert found.best_value == float("inf")


def test_the_newest_are_kept(tmp_path, trained):
    for step in (1, 2, 9, 10, 100):
        save_checkpoint(tmp_path, trained, TrainingState(step=step), keep=3)
    assert names(tmp_path) == ["step-00000009", "step-00000010", "step-00000100"]
    assert load_latest(tmp_path, trained)[0].step == 100


def test_the_same_step_is_written_again(tmp_path, trained):
    save_checkpoint(tmp_path, trained, TrainingState(step=4), keep=2)
    save_checkpoint(tmp_path, trained, TrainingState(step=4, seconds=8.0), keep=2)
    assert names(tmp_path) == ["step-00000004"]
    assert load_latest(tmp_path, trained)[0].seconds == 8.0


def test_no_checkpoint_is_no_error(tmp_path, trained):
    before = arrays(trained)
    assert load_latest(tmp_path, trained) == (None, [])
    assert load_latest(tmp_path / "absent", trained) == (None, [])
    assert same(arrays(trained), before)


@pytest.mark.parametrize("count", [2, 9])
def test_the_mean_of_the_newest(tmp_path, count):
    model = make()
    values = []
    for step in range(1, 4):
        train(model, 1, seed=step)
        save_checkpoint(tmp_path, model, TrainingState(step=step), keep=9)
        values.append([ops.convert_to_numpy(v) for v in model.trainable_variables])
    statistics = [ops.convert_to_numpy(v) for v in model.non_trainable_variables]
    assert average_checkpoints(tmp_path, model, count) == min(count, 3)
    newest = values[-count:]
    for i, variable in enumerate(model.trainable_variables):
        expected = np.mean([v[i] for v in newest], axis=0, dtype="float64")
        np.testing.assert_allclose(ops.convert_to_numpy(variable), expected, rtol=1e-6)
    kept = [ops.convert_to_numpy(v) for v in model.non_trainable_variables]
    assert same(statistics, kept)


def test_a_damaged_one_is_not_averaged(tmp_path):
    model = make()
    for step in (1, 2):
        save_checkpoint(tmp_path, model, TrainingState(step=step), keep=9)
    (tmp_path / "step-00000002" / "state.json").unlink()
    assert average_checkpoints(tmp_path, model, 5) == 1
    assert average_checkpoints(tmp_path / "nothing", model, 5) == 0


def test_those_of_another_model_are_not_averaged(tmp_path):
    save_checkpoint(tmp_path, make(units=3), TrainingState(step=1), keep=9)
    with pytest.raises(UserError, match=r"another model: model/0.* differs"):
        average_checkpoints(tmp_path, make(units=4), 5)


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)


def edit_step(path):
    path.write_text(path.read_text().replace('"step": 2', '"step": 3'))


DAMAGES = {
    "truncated": lambda p: os.truncate(p / "variables.npz", 1000),
    "empty": lambda p: os.truncate(p / "variables.npz", 0),
    "first bit": lambda p: flip(p / "variables.npz", 0),
    "middle bit": lambda p: flip(p / "variables.npz", 0.5),
    "last bit": lambda p: flip(p / "variables.npz", 0.999),
    "no variables": lambda p: (p / "variables.npz").unlink(),
    "no state": lambda p: (p / "state.json").unlink(),
    "state truncated": lambda p: os.truncate(p / "state.json", 40),
    "state bit": lambda p: flip(p / "state.json", 0.6),
    "state nested too deep": lambda p: (p / "state.json").write_text("[" * 100_000),
    "state a list": lambda p: (p / "state.json").write_text("[1]"),
    "another step": lambda p: edit_step(p / "state.json"),
    "nothing in it": lambda p: [f.unlink() for f in p.iterdir()],
}


@pytest.fixture(scope="module")
def two(trained, tmp_path_factory):
    """Checkpoints of steps 1 and 2."""
    directory = tmp_path_factory.mktemp("two") / "checkpoints"
    for step in (1, 2):
        save_checkpoint(directory, trained, TrainingState(step=step), keep=2)
    return directory


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_named_and_the_one_before_used(damage, two, trained, tmp_path):
    directory = Path(shutil.copytree(two, tmp_path / "checkpoints"))
    DAMAGES[damage](directory / "step-00000002")
    state, messages = load_latest(directory, trained)
    assert state.step == 1
    assert len(messages) == 1
    assert "step-00000002 is damaged" in messages[0]


def test_all_damaged_is_said_and_leaves_the_model_alone(two, trained, tmp_path):
    directory = Path(shutil.copytree(two, tmp_path / "checkpoints"))
    for path in directory.iterdir():
        flip(path / "variables.npz", 0.5)
    model = make(seed=4)
    before = arrays(model)
    state, messages = load_latest(directory, model)
    assert state is None
    assert len(messages) == 2
    assert same(arrays(model), before)


def zipped(header):
    """Variables whose only array has this header."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
        archive.writestr("a.npy", start + header)
    return content.getvalue()


def pickled():
    content = io.BytesIO()
    np.savez(content, bomb=np.array([{"a": 1}], dtype=object))
    return content.getvalue()


HUGE = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }"
HOSTILE = {
    "pickled objects": {"variables": pickled()},
    "text": {"variables": b"text"},
    "no end of a header": {"variables": zipped(b"((")},
    "an array of 4 TB": {"variables": zipped(HUGE)},
    "a step of text": {"step": "2"},
    "a step before the first": {"step": -1},
    "a plan of none": {"plan": None},
    "a field more": {"more": 1},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_ones_that_agree_with_their_hash(what, two, trained, tmp_path):
    directory = Path(shutil.copytree(two, tmp_path / "checkpoints"))
    path, changes = directory / "step-00000002", dict(HOSTILE[what])
    if content := changes.pop("variables", None):
        (path / "variables.npz").write_bytes(content)
    described = json.loads((path / "state.json").read_text()) | changes
    del described["sha256"]
    content = (path / "variables.npz").read_bytes()
    described["sha256"] = checkpoints._digest(content, described)
    (path / "state.json").write_text(json.dumps(described))
    state, messages = load_latest(directory, trained)
    assert state.step == 1
    assert "step-00000002 is damaged" in messages[0]
    assert average_checkpoints(directory, trained, 2) == 1


def test_another_architecture_is_refused_naming_the_differences(two):
    model = make(units=5)
    before = arrays(model)
    with pytest.raises(UserError) as caught:
        load_latest(two, model)
    message = str(caught.value)
    assert "step-00000002 is of another model or optimizer" in message
    assert "first/kernel: (4, 3) in the file, (4, 5) in the model" in message
    assert same(arrays(model), before)


def test_another_optimizer_is_refused_naming_the_differences(two):
    with pytest.raises(UserError, match=r"optimizer/.*velocity"):
        load_latest(two, make(optimizer="rmsprop"))


@pytest.mark.parametrize("call", ["_write", "_sync"])
def test_a_full_disk_leaves_earlier_ones_untouched(
    call, two, trained, tmp_path, monkeypatch
):
    directory = Path(shutil.copytree(two, tmp_path / "checkpoints"))
    before = {p: p.read_bytes() for p in directory.rglob("*") if p.is_file()}

    def full(path, *content):
        if content:
            path.write_bytes(content[0][:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, call, full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(directory, trained, TrainingState(step=3), keep=1)
    monkeypatch.undo()
    assert {p: p.read_bytes() for p in directory.rglob("*") if p.is_file()} == before
    assert names(directory) == ["step-00000001", "step-00000002"]
    assert load_latest(directory, trained)[0].step == 2


def test_what_a_killed_process_left_is_cleaned_away(two, trained, tmp_path):
    directory = Path(shutil.copytree(two, tmp_path / "checkpoints"))
    left = directory / ".step-00000003.12345"
    shutil.copytree(directory / "step-00000002", left)
    (left / "variables.npz").write_bytes(b"half")
    assert load_latest(directory, trained)[0].step == 2
    assert names(directory) == ["step-00000001", "step-00000002"]


HOLD = """
import sys, time
from pathlib import Path
from s2s_zoo.checkpoints import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(120)
"""


def hold(directory):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_the_lock_refuses_a_second_process_and_dies_with_the_first(tmp_path):
    process = hold(tmp_path / "run")
    try:
        holder = f"in use by process {process.pid} on "
        with pytest.raises(UserError, match=holder), run_lock(tmp_path / "run"):
            pass
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    with run_lock(tmp_path / "run"):
        pass
    with run_lock(tmp_path / "run"):
        pass


def test_the_lock_is_let_go_after_an_error(tmp_path):
    with pytest.raises(ValueError, match="oops"), run_lock(tmp_path):
        raise ValueError("oops")
    with run_lock(tmp_path):
        assert str(os.getpid()) in (tmp_path / "lock").read_text()

"""Training state on disk: written whole or not at all, verified when read.

A checkpoint is a directory `step-00001200/` with `variables.npz` (every variable of
model and optimizer, seed generators and loss scale included), and `state.json`
(position in the data, host random state, SHA-256 of both).
"""

import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from s2s_zoo import distribution
from s2s_zoo.errors import UserError, writing
from s2s_zoo.json_text import parse_json
from s2s_zoo.npz import parse_archive
from s2s_zoo.parts import accepts

PREFIX = "step-"
LOCK = "lock"
HOST = "host/"
STATE = "state.json"
VARIABLES = "variables.npz"
COUNTERS = re.compile(r"_\d+(?=[_/]|$)")
"""What Keras appends to names used before in the same process."""

_UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


@dataclass
class TrainingState:
    """Where a training stands.

    Attributes:
        step: batches consumed, also those whose update was skipped.
        epoch: passes completed.
        position: batches consumed of the current pass.
        plan: identity of the batch plan.
        validated_step: step of the newest validation, -1 before the first.
        best_step: step of the best validation, -1 before the first.
        best_value: its metric.
        kept_step: step of the best model on the disk, -1 before the first; the best
            validation's unless the disk was full.
        kept_value: its metric.
        stale: validations since the best.
        seconds: time spent training.
    """

    step: int = 0
    epoch: int = 0
    position: int = 0
    plan: str = ""
    validated_step: int = -1
    best_step: int = -1
    best_value: float = float("inf")
    kept_step: int = -1
    kept_value: float = float("inf")
    stale: int = 0
    seconds: float = 0.0


class DamagedCheckpoint(Exception):
    """A checkpoint whose content does not match its hash."""


def save_checkpoint(
    directory: Path, model: keras.Model, state: TrainingState, keep: int
) -> Path:
    """Write the whole training state; remove all but the `keep` newest.

    Raises:
        OSError: the disk is full, say; earlier checkpoints are untouched.
    """
    directory.mkdir(parents=True, exist_ok=True)
    final = directory / f"{PREFIX}{state.step:08d}"
    temporary = directory / f".{final.name}.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {**_variables(model), **host_random_state()}
        np.savez(buffer, **arrays)
        content = buffer.getvalue()
        _write(temporary / VARIABLES, content)
        _write(temporary / STATE, _described(content, state))
        _sync(temporary)
        shutil.rmtree(final, ignore_errors=True)
        temporary.rename(final)
        _sync(directory)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    for old in _checkpoints(directory)[keep:]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def update_state(path: Path, state: TrainingState) -> None:
    """Let the checkpoint at `path` hold another state beside its variables.

    Raises:
        OSError: the disk is full, say; the checkpoint is untouched.
    """
    content = (path / VARIABLES).read_bytes()
    temporary = path / f".{STATE}"
    try:
        _write(temporary, _described(content, state))
        temporary.replace(path / STATE)
        _sync(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _described(content: bytes, state: TrainingState) -> bytes:
    described = {"sha256": _digest(content, vars(state)), **vars(state)}
    return json.dumps(described, indent=2).encode()


def load_latest(
    directory: Path, model: keras.Model
) -> tuple[TrainingState | None, list[str]]:
    """Restore the newest undamaged checkpoint into `model` and its optimizer.

    Returns:
        The state, None where there is no good checkpoint, and a message for each
        damaged one passed over.

    Raises:
        UserError: the checkpoint is of another architecture; names the differences.
    """
    for leftover in directory.glob(f".{PREFIX}*"):
        _keep_if_whole(leftover)
    damaged = []
    for path in _checkpoints(directory):
        try:
            state, arrays = _read(path)
        except DamagedCheckpoint as error:
            damaged.append(f"{path} is damaged ({error}); the one before it is used")
            continue
        _restore(model, arrays, path)
        return state, damaged
    return None, damaged


def _keep_if_whole(leftover: Path) -> None:
    """Keep what was written but not given its name, as when killed in between."""
    final = leftover.with_name(leftover.stem.removeprefix("."))
    if _is_whole(leftover) and not _is_whole(final):
        shutil.rmtree(final, ignore_errors=True)
        leftover.rename(final)
    shutil.rmtree(leftover, ignore_errors=True)


def _is_whole(path: Path) -> bool:
    try:
        _read(path)
    except DamagedCheckpoint:
        return False
    return True


def average_checkpoints(directory: Path, model: keras.Model, count: int) -> int:
    """Give `model` the mean weights of the newest undamaged checkpoints.

    Returns:
        How many there were, at most `count`; with none the model is left alone.

    Raises:
        UserError: a checkpoint is of another model.
    """
    trainable = {id(variable) for variable in model.trainable_variables}
    variables = {
        COUNTERS.sub("", name): variable
        for name, variable in _named(model).items()
        if id(variable) in trainable
    }
    sums = {name: np.zeros(variable.shape) for name, variable in variables.items()}
    used = 0
    for path in _checkpoints(directory)[:count]:
        try:
            _, arrays = _read(path)
        except DamagedCheckpoint:
            continue
        arrays = {COUNTERS.sub("", name): array for name, array in arrays.items()}
        for name, total in sums.items():
            if name not in arrays or arrays[name].shape != total.shape:
                raise UserError(f"{path} is of another model: {name} differs")
        used += 1
        for name in sums:
            sums[name] += arrays[name]
    for name, variable in variables.items() if used else ():
        variable.assign((sums[name] / used).astype("float32"))
    return used


@contextmanager
def run_lock(directory: Path) -> Iterator[None]:
    """Hold a run directory against other processes; a dead process holds nothing.

    Raises:
        UserError: another process holds it; names it. Or it cannot be made.
    """
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / LOCK).open("a+b", buffering=0)
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().decode().strip() or "another process"
            raise UserError(f"{directory} is in use by {holder}") from error
        with suppress(OSError):  # on a full disk the lock holds without a name
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield


def _checkpoints(directory: Path) -> list[Path]:
    """Newest first."""
    return sorted(directory.glob(f"{PREFIX}*"), reverse=True)


def _named(model: keras.Model) -> dict[str, keras.Variable]:
    groups = {"model": model.variables, "optimizer": model.optimizer.variables}
    return {
        f"{group}/{i}/{variable.path}": variable
        for group, variables in groups.items()
        for i, variable in enumerate(variables)
    }


def _variables(model: keras.Model) -> dict[str, NDArray[Any]]:
    return {n: distribution.whole_value(v) for n, v in _named(model).items()}


def _restore(model: keras.Model, arrays: dict[str, NDArray[Any]], path: Path) -> None:
    random_state = {n: array for n, array in arrays.items() if n.startswith(HOST)}
    arrays = {
        COUNTERS.sub("", name): array
        for name, array in arrays.items()
        if name not in random_state
    }
    variables = {COUNTERS.sub("", n): v for n, v in _named(model).items()}
    wrong = sorted(set(variables) ^ set(arrays)) + [
        f"{n}: {arrays[n].shape} in the file, {shape} in the model"
        for n, v in variables.items()
        if n in arrays and arrays[n].shape != (shape := distribution.whole_shape(v))
    ]
    if wrong:
        shown = "\n  ".join(wrong[:20])
        raise UserError(
            f"{path} is of another model or optimizer. Differing:\n  {shown}"
        )
    for name, variable in variables.items():
        distribution.assign_whole(variable, arrays[name])
    set_host_random_state(random_state)


def _read(path: Path) -> tuple[TrainingState, dict[str, NDArray[Any]]]:
    try:
        described = parse_json((path / STATE).read_text(encoding="utf-8"))
        content = (path / VARIABLES).read_bytes()
        expected = described.pop("sha256")
        if _digest(content, described) != expected:
            raise DamagedCheckpoint("its content does not match its SHA-256")
        return _state(described), parse_archive(content)
    except _UNREADABLE as error:
        raise DamagedCheckpoint(str(error)) from error


def _state(described: dict[str, Any]) -> TrainingState:
    """The state that is described so; a ValueError where none is."""
    kinds: dict[str, Any] = {f.name: f.type for f in fields(TrainingState)}
    for name, value in described.items():
        is_float = kinds[name] is float and isinstance(value, float)  # also infinite
        is_right = is_float or accepts(kinds[name], value)
        if not is_right or (kinds[name] is int and value < -name.endswith("_step")):
            raise ValueError(f"{name} is {value!r:.80}")
    return TrainingState(**described)


def _digest(variables: bytes, state: dict[str, Any]) -> str:
    return hashlib.sha256(
        variables + json.dumps(state, sort_keys=True).encode()
    ).hexdigest()


def host_random_state() -> dict[str, NDArray[Any]]:
    """Random states that are no variables of a model, by name: PyTorch's own."""
    if keras.backend.backend() != "torch":
        return {}
    import torch

    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    states = {"torch": torch.get_rng_state()}
    states |= {f"cuda/{i}": state for i, state in enumerate(devices)}
    return {HOST + name: state.numpy() for name, state in states.items()}


def set_host_random_state(states: dict[str, NDArray[Any]]) -> None:
    """Give what `host_random_state` gave back to the devices that are there."""
    if not states:
        return
    import torch

    count = torch.cuda.device_count()
    for name, state in states.items():
        kind, _, index = name.removeprefix(HOST).partition("/")
        if kind == "torch":
            torch.set_rng_state(torch.from_numpy(state))
        elif int(index) < count:
            torch.cuda.set_rng_state(torch.from_numpy(state), int(index))


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

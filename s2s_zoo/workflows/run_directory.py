"""The run directory: everything a training leaves behind.

`preset/` the best model, `assets/` a tokenizer, say, `checkpoints/` the training
state, `run.json` what was asked for, `metrics.jsonl` what happened, `plots/` and
`tensorboard/` pictures of it, `numerics.jsonl` and `numerics.txt` what the flight
recorder saw.
"""

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from s2s_zoo.checkpoints import LOCK, run_lock
from s2s_zoo.data.corpora.lookup import corpus_called
from s2s_zoo.errors import UserError, named_path, writing
from s2s_zoo.json_text import parse_json
from s2s_zoo.models.assets import write_whole
from s2s_zoo.models.saving import BEST, FORMAT, check_format, read_json
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.parts import check_type

RUNS = Path("runs")
REQUESTED: dict[str, Any] = {
    "preset": str,
    "directory": str,
    "data": str | None,
    "settings": dict[str, Any],
    "audio_root": list[str],
    "numerics": bool,
    "init_from": str | None,
    "init_partly": bool,
}
"""What a run was asked for, and of which types."""

NUMBERS = ("step", "loss", "learning_rate", "scale", "seconds_so_far")
"""Of a row of metrics.jsonl or numerics.jsonl, where it has them."""


@dataclass(frozen=True)
class RunDirectory:
    """Paths inside a run directory."""

    path: Path

    @property
    def holds_anything(self) -> bool:
        """Whether there is more in it than the lock of a process."""
        return self.path.is_dir() and any(p.name != LOCK for p in self.path.iterdir())

    @property
    def request(self) -> Path:
        """What was asked for."""
        return self.path / "run.json"

    @property
    def preset(self) -> Path:
        """The best model, as `Seq2Seq.from_preset` reads it."""
        return self.path / BEST

    @property
    def assets(self) -> Path:
        """What the task learned from the data before the model did."""
        return self.path / "assets"

    @property
    def checkpoints(self) -> Path:
        """Training states."""
        return self.path / "checkpoints"

    @property
    def plots(self) -> Path:
        """Pictures."""
        return self.path / "plots"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard events."""
        return self.path / "tensorboard"

    @property
    def metrics(self) -> Path:
        """One JSON object a line, in the order of steps."""
        return self.path / "metrics.jsonl"

    @property
    def numerics(self) -> Path:
        """What the flight recorder saw, one JSON object a line."""
        return self.path / "numerics.jsonl"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out; a training that fails at once leaves no trace.

        Raises:
            UserError: another process holds it, or it cannot be made.
        """
        existed, was_empty = self.path.exists(), not self.holds_anything
        with run_lock(self.path):
            try:
                yield
            except BaseException:
                if was_empty and self.path.exists() and not self._is_of_use:
                    self._empty()
                    if not existed:
                        self.path.rmdir()
                raise

    @property
    def _is_of_use(self) -> bool:
        """Whether there is anything in it to read or to go on from."""
        kept = (self.metrics, self.numerics, self.preset)
        return any(p.exists() for p in (*kept, *self.checkpoints.glob("[!.]*")))

    def _empty(self) -> None:
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def replace_preset(self, model: Seq2Seq) -> None:
        """Make `model` the best one, whole or not at all.

        Raises:
            OSError: the disk is full, say; the best one before is untouched.
        """
        new = self.path / ".preset"
        shutil.rmtree(new, ignore_errors=True)
        try:
            model.save_to_preset(new)
            if not self.preset.exists():
                new.rename(self.preset)
                return
            for file in [path for path in new.rglob("*") if path.is_file()]:
                file.replace(self.preset / file.relative_to(new))
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def write_request(self, request: dict[str, Any]) -> None:
        """Keep what was asked for, so that the training can be resumed."""
        self.path.mkdir(parents=True, exist_ok=True)
        described = {"format": FORMAT, **request}
        write_whole(self.request, (json.dumps(described, indent=2) + "\n").encode())

    def read_request(self) -> dict[str, Any]:
        """What was asked for; paths as the directory had them where it was asked.

        Raises:
            UserError: this is not a run directory, or its run.json is damaged.
        """
        if not self.request.is_file():
            raise UserError(f"{self.path} is not a run directory: no run.json in it")
        found = read_json(self.request)
        check_format(self.path, found)
        del found["format"]
        if set(REQUESTED) != set(found):
            raise UserError(
                f"{self.request} holds an object with {', '.join(REQUESTED)}. "
                f"Received: {', '.join(found) or 'none'}"
            )
        for name, annotation in REQUESTED.items():
            check_type(annotation, found[name], f"{self.request}: {name}")
        for name in ("data", "init_from"):
            found[name] = _as_then(found[name], found["directory"])
        return found

    def read_metrics(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl, as `read_rows` gives them."""
        return read_rows(self.metrics)

    def add_metrics(self, row: dict[str, Any]) -> None:
        """Append a row to metrics.jsonl."""
        append_row(self.metrics, row)

    def forget_after(self, step: int) -> None:
        """Drop the rows a resumed training will write again.

        Raises:
            UserError: the disk is full, say; the rows are untouched.
        """
        for path in (self.metrics, self.numerics):
            if path.is_file():
                with writing(path):
                    _rewrite(path, [r for r in read_rows(path) if r["step"] <= step])


def _as_then(name: str | None, directory: str) -> str | None:
    """A path as it was meant in a directory, if there still is something."""
    if name is None or corpus_called(name):
        return name
    path = named_path(Path(directory) / named_path(name))
    return str(path) if path.exists() else name


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file, one a line.

    A line that a kill or a full disk has cut is left out.

    Raises:
        UserError: the file cannot be read, or a line is no row; names it.
    """
    if not path.is_file():
        return []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        with suppress(ValueError):
            rows.append(_checked(parse_json(line), f"{path}:{number}"))
    return rows


def _checked(row: Any, where: str) -> dict[str, Any]:
    """A row, of which what is drawn or compared is a number."""
    if not (isinstance(row, dict) and isinstance(row.get("validation", {}), dict)):
        raise UserError(f"{where}: want an object with 'step'. Received: {row!r:.80}")
    check_type(int, row.get("step"), f"{where}: step")
    numbers = {n: row[n] for n in NUMBERS if n in row} | row.get("validation", {})
    for name, value in numbers.items():
        if not isinstance(value, float):  # which may be infinite
            check_type(float, value, f"{where}: {name}")
    return row


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Append a JSON object as a line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def _rewrite(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    try:
        text = "".join(json.dumps(row) + "\n" for row in rows)
    except RecursionError as error:
        raise UserError(f"{path}: a row is nested too deeply") from error
    write_whole(path, text.encode())


def new_run(preset: str, runs: Path = RUNS) -> RunDirectory:
    """A run directory that does not exist yet, named after preset and time."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    path, count = runs / f"{preset}-{stamp}", 1
    while path.exists():
        count += 1
        path = runs / f"{preset}-{stamp}-{count}"
    return RunDirectory(path)


def find_run(path: str | Path | None, runs: Path = RUNS) -> RunDirectory:
    """The run at `path`, or the newest under `runs` that has a model.

    Raises:
        UserError: there is none.
    """
    if path is not None:
        run = RunDirectory(named_path(path))
        if not run.preset.is_dir():
            raise UserError(
                f"{path} holds no trained model: expected {run.preset}. A run appears "
                "after its first validation"
            )
        return run
    found = [p.parent for p in runs.glob(f"*/{BEST}") if p.is_dir()]
    if not found:
        raise UserError(
            f"No run under ./{runs}: train one with `s2s-zoo train PRESET`, or name a "
            "run directory"
        )
    return RunDirectory(max(found, key=_last_change))


def _last_change(run: Path) -> float:
    """When training wrote to a run, or when its model was put there."""
    request = run / "run.json"
    return (request if request.is_file() else run / BEST).stat().st_mtime

"""Scalars for TensorBoard."""

import time
from pathlib import Path
from typing import Any

from s2s_zoo.workflows.unwritten import Unwritten

KIND = "events"


class Events:
    """A file of events in a directory; none follow one that cannot be written.

    They are written where they are added: a thread of its own, as `SummaryWriter` has
    one, would die of a full disk and leave the training waiting for it.

    Args:
        directory: made if absent.
        unwritten: hears of a disk that refuses.
    """

    def __init__(self, directory: Path, unwritten: Unwritten) -> None:
        self.unwritten = unwritten
        self._writer: Any = None
        with self._noted():
            self._writer = _open(directory)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Add a point of the curve `name`."""
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        with self._noted():
            writer.write_event(_scalar(name, value, step))
            writer.flush()
            self._writer = writer

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()

    def _noted(self) -> Any:
        return self.unwritten.noted(KIND, "Events for TensorBoard", replaces=False)


def _open(directory: Path) -> Any:
    from tensorboardX.event_file_writer import EventsWriter

    directory.mkdir(parents=True, exist_ok=True)
    writer = EventsWriter(str(directory / "events"))
    writer.flush()
    return writer


def _scalar(name: str, value: float, step: int) -> Any:
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.summary import scalar

    return Event(wall_time=time.time(), step=step, summary=scalar(name, value))

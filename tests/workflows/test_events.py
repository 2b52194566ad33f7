"""Curves for TensorBoard, in the records it reads."""

import errno
import struct

from tensorboardX.proto.event_pb2 import Event

from s2s_zoo.workflows.events import Events
from s2s_zoo.workflows.reporting import Reporter
from s2s_zoo.workflows.unwritten import Unwritten


def read_events(path):
    """Events of TFRecords: length, its checksum, content, its checksum."""
    content, events = path.read_bytes(), []
    while content:
        (size,) = struct.unpack("<Q", content[:8])
        events.append(Event.FromString(content[12 : 12 + size]))
        content = content[16 + size :]
    return events


def test_points_are_on_the_disk_at_once(tmp_path):
    unwritten = Unwritten(Reporter())
    events = Events(tmp_path / "tensorboard", unwritten)
    events.add_scalar("train/loss", 2.5, 10)
    (path,) = (tmp_path / "tensorboard").glob("events.out.tfevents.*")
    assert len(read_events(path)) == 2
    events.add_scalar("validation/loss", 1.25, 20)
    events.close()
    version, *points = read_events(path)
    assert version.file_version == "brain.Event:2"
    values = [(p.step, p.summary.value[0]) for p in points]
    assert [(step, v.tag, v.simple_value) for step, v in values] == [
        (10, "train/loss", 2.5),
        (20, "validation/loss", 1.25),
    ]
    assert list(unwritten) == []


def test_a_disk_that_refuses_ends_them_and_nothing_waits(tmp_path):
    unwritten = Unwritten(Reporter())
    (tmp_path / "tensorboard").write_text("")
    events = Events(tmp_path / "tensorboard", unwritten)
    for step in range(100):
        events.add_scalar("train/loss", 1.0, step)
    events.close()
    (found,) = unwritten
    assert found.startswith("Events for TensorBoard: not written, ")


def test_a_full_disk_is_noted_once(tmp_path, monkeypatch):
    notes = []
    reporter = Reporter()
    monkeypatch.setattr(reporter, "note", notes.append)
    events = Events(tmp_path, Unwritten(reporter))
    monkeypatch.setattr(events._writer, "_py_recordio_writer", Full())
    for step in range(100):
        events.add_scalar("train/loss", 1.0, step)
    events.close()
    assert len(notes) == 1


class Full:
    def write(self, content):
        raise OSError(errno.ENOSPC, "No space left on device")

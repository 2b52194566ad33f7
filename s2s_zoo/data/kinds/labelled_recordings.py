"""Recordings with a label each: spoken commands and which one it is."""

from dataclasses import dataclass
from typing import Any, ClassVar

from s2s_zoo.data.audio_clips import read_clip
from s2s_zoo.data.kinds import KINDS
from s2s_zoo.data.kinds.labelled import LabelledKind

ENDINGS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".sph")


@dataclass(frozen=True)
class LabelledRecordings(LabelledKind):
    """Audio files in a folder for each label, or in a table that names them."""

    name: ClassVar[str] = "labelled_recordings"
    prefix: ClassVar[str] = "kws"
    preset: ClassVar[str] = "speech_commands_small"
    accepted: ClassVar[str] = (
        "folders LABEL/FILE, or CSV, TSV or JSON lines with the columns label (class, "
        f"category) and path (file, filename), of {', '.join(ENDINGS)}"
    )
    endings: ClassVar[tuple[str, ...]] = ENDINGS

    def content(self, source: Any) -> bytes:
        """The samples, whatever format holds them."""
        return read_clip(str(source)).tobytes()


KINDS.register(LabelledRecordings.name, LabelledRecordings(), __file__)

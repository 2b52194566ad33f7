"""Waveforms that a model made, and files of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.audio import write_wav


@dataclass(frozen=True, eq=False)
class Waveform:
    """A waveform and its rate; in words, how long it is.

    Attributes:
        samples: (S,) in [-1, 1].
        sample_rate: samples per second.
    """

    samples: NDArray[np.float32]
    sample_rate: int

    def __str__(self) -> str:
        seconds = len(self.samples) / self.sample_rate
        return f"{seconds:.2f} s of speech at {self.sample_rate} Hz"


def write_waveforms(results: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the output of results as a WAV file.

    Of several results there is one each, numbered behind the stem; a result without an
    output has none.
    """
    for number, result in enumerate(results, start=1):
        speech = result.get("output")
        if speech is not None:
            place = path.with_stem(f"{path.stem}-{number}")
            where = path if len(results) == 1 else place
            write_wav(where, speech.samples, speech.sample_rate)

"""Overlapping windows of streams of samples, whose frames are joined again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Window(NamedTuple):
    """A stretch of a stream.

    Attributes:
        samples: (S,).
        is_first: whether the stream begins with it.
        is_last: whether the stream ends with it.
    """

    samples: NDArray[np.float32]
    is_first: bool
    is_last: bool


@dataclass(frozen=True)
class Windows:
    """How a stream is cut, and which frames of each window count.

    Frame t of a stream is centred on sample t x hop, and windows start at multiples of
    it, so that frames of windows are frames of the stream.

    Attributes:
        hop: samples from one frame to the next.
        frames: hops in a window, more than twice the context.
        context: frames next to a cut that are left to the neighbour.
    """

    hop: int
    frames: int
    context: int

    @property
    def samples(self) -> int:
        """Samples in a window; only the last is shorter."""
        return self.frames * self.hop

    @property
    def step(self) -> int:
        """Samples from the beginning of a window to that of the next."""
        return (self.frames - 2 * self.context) * self.hop

    def cut(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[Window]:
        """The windows of a stream of blocks (S,)."""
        held, is_first = np.zeros(0, np.float32), True
        for block in blocks:
            held = np.concatenate([held, block])
            while len(held) > self.samples:
                yield Window(held[: self.samples], is_first, False)
                held, is_first = held[self.step :], False
        yield Window(held, is_first, True)

    def kept(self, window: Window, frames: int) -> slice:
        """Which of the frames of a window are taken; of all windows each frame once."""
        start = 0 if window.is_first else self.context
        return slice(start, frames if window.is_last else self.frames - self.context)

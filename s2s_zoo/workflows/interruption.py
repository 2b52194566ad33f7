"""Signals that end a training after the step in progress."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Whether a signal asked to stop."""

    requested = False

    def request(self, number: int, frame: FrameType | None) -> None:
        """Take the first signal as a wish, the second as an order."""
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def watch_for_interruption() -> Iterator[Interruption]:
    """Catch SIGINT and SIGTERM meanwhile; the second one stops at once."""
    interruption = Interruption()
    if current_thread() is not main_thread():
        yield interruption
        return
    previous: dict[signal.Signals, Any] = {
        number: signal.signal(number, interruption.request) for number in SIGNALS
    }
    try:
        yield interruption
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

"""How long a training takes, and how much of it waits for data."""

import time
from dataclasses import dataclass, field
from typing import Protocol


class Waiting(Protocol):
    """What a training waits for."""

    @property
    def waited(self) -> float:
        """Seconds waited for it so far."""


@dataclass
class Stopwatch:
    """Seconds of the steps of a training; what lies between them is not counted.

    Attributes:
        trained: seconds of all laps.
        waited: seconds of them in which no batch was there.
    """

    trained: float = 0.0
    waited: float = 0.0
    _data: Waiting | None = field(default=None, repr=False)
    _began: float = 0.0
    _waited_before: float = 0.0

    @property
    def waited_share(self) -> float:
        """Of the seconds trained."""
        return self.waited / self.trained if self.trained else 0.0

    def start(self, data: Waiting) -> None:
        """Begin to wait for other data."""
        self._data, self._waited_before = data, data.waited
        self.go_on()

    def go_on(self) -> None:
        """Begin a lap."""
        self._began = time.perf_counter()

    def lap(self) -> tuple[float, float]:
        """Seconds of the lap that ends here, and how many of them were waited."""
        assert self._data is not None
        now = time.perf_counter()
        seconds, self._began = now - self._began, now
        waited = self._data.waited - self._waited_before
        self._waited_before = self._data.waited
        self.trained += seconds
        self.waited += waited
        return seconds, waited

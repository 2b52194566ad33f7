"""Models that are built to be looked at, without making room for their weights."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import keras

FoundT = TypeVar("FoundT")


def unallocated(look: Callable[[], FoundT]) -> FoundT:
    """What a function finds in a model that it builds: no weight gets values.

    In a thread of its own, whose Keras state ends with it: variables that were never
    initialized would be as soon as another scope closes.
    """

    def build() -> FoundT:
        with keras.StatelessScope(initialize_variables=False):
            return look()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(build).result()

"""Batches read ahead of the step that needs them."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")


class Prefetcher(Generic[Item, Loaded]):
    """Load items in threads, in order, a few ahead of the consumer.

    Args:
        load: reads one item; runs in several threads at once.
        items: what to load.
        workers: threads.
        ahead: items loaded or loading before they are asked for.

    Attributes:
        waited: seconds the consumer has waited for items so far.
    """

    def __init__(
        self,
        load: Callable[[Item], Loaded],
        items: Iterable[Item],
        workers: int = 2,
        ahead: int = 6,
    ) -> None:
        self._load = load
        self._items = items
        self._workers = workers
        self._ahead = ahead
        self.waited = 0.0

    def __iter__(self) -> Generator[Loaded, None, None]:
        pending: deque[Future[Loaded]] = deque()
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="loader")
        try:
            for item in self._items:
                pending.append(pool.submit(self._load, item))
                if len(pending) > self._ahead:
                    yield self._take(pending)
            while pending:
                yield self._take(pending)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _take(self, pending: deque[Future[Loaded]]) -> Loaded:
        start = time.perf_counter()
        result = pending.popleft().result()
        self.waited += time.perf_counter() - start
        return result

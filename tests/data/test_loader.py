"""Prefetching: order, errors, early ends."""

import threading
import time

import pytest

from s2s_zoo.data.loader import Prefetcher


def alive():
    return [t for t in threading.enumerate() if t.name.startswith("loader")]


def test_items_come_in_order_whichever_is_loaded_first():
    def load(i):
        time.sleep(0.02 if i % 3 == 0 else 0.0)
        return i * i

    loaded = list(Prefetcher(load, range(20), workers=4, ahead=5))
    assert loaded == [i * i for i in range(20)]
    assert not alive()


def test_nothing_to_load_is_nothing():
    assert list(Prefetcher(str, [])) == []


def test_fewer_items_than_are_read_ahead():
    assert list(Prefetcher(str, [1, 2], ahead=10)) == ["1", "2"]


def test_only_a_few_items_are_read_ahead():
    loading = []
    loader = iter(Prefetcher(loading.append, iter(range(1000)), workers=2, ahead=4))
    for _ in range(3):
        next(loader)
    time.sleep(0.05)
    loader.close()
    assert len(loading) <= 3 + 4 + 1


def test_an_error_reaches_the_consumer_at_its_item():
    def load(i):
        if i == 3:
            raise ValueError("item 3 is broken")
        return i

    seen = []
    with pytest.raises(ValueError, match="item 3 is broken"):
        seen.extend(Prefetcher(load, range(50)))
    loader = iter(Prefetcher(load, range(50)))
    assert [next(loader) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="item 3 is broken"):
        next(loader)
    assert not alive()


def test_an_error_in_the_list_of_items_reaches_the_consumer():
    def items():
        yield 1
        raise OSError("the list is broken")

    with pytest.raises(OSError, match="the list is broken"):
        list(Prefetcher(str, items(), ahead=0))
    assert not alive()


def test_closing_early_does_not_hang_nor_load_the_rest():
    started = []

    def load(i):
        started.append(i)
        time.sleep(0.05)
        return i

    loader = iter(Prefetcher(load, range(10_000), workers=2, ahead=50))
    assert next(loader) == 0
    start = time.perf_counter()
    loader.close()
    assert time.perf_counter() - start < 2
    assert len(started) < 60
    assert not alive()


def test_waiting_is_measured():
    slow = Prefetcher(lambda i: time.sleep(0.05), range(4), workers=1)
    list(slow)
    assert 0.15 <= slow.waited < 2

    fast = Prefetcher(lambda i: i, range(4), workers=1, ahead=3)
    for _ in fast:
        time.sleep(0.05)
    assert fast.waited < 0.1


def test_the_same_prefetcher_goes_round_again():
    prefetcher = Prefetcher(str, range(3))
    assert list(prefetcher) == list(prefetcher)

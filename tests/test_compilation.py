"""The loop that PyTorch compiles, against Python's."""

import os
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.compilation import COMPILERS, CompiledLoop
from s2s_zoo.errors import UserError
from s2s_zoo.registry import PRESETS
from s2s_zoo.search.loop import while_loop
from s2s_zoo.search.tokens import TokenSearch
from tests.tiny import searched

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="only PyTorch has to be asked"
)


class Collatz:
    """Steps from n to 1 by halving or 3n + 1; counts how often it is entered."""

    def __init__(self):
        self.entered = 0

    def condition(self, fixed, number, steps):
        return ops.any(number > 1)

    def body(self, fixed, number, steps):
        self.entered += 1
        factors, name = fixed
        assert name == "factors"
        odd = factors["odd"][0] * number + 1
        after = ops.where(number % 2 == 0, number // 2, odd)
        going = number > 1
        return ops.where(going, after, number), [steps[0] + ops.cast(going, "int32")]

    def run(self, loop, numbers, odd=3):
        numbers = ops.convert_to_tensor(np.array(numbers, "int32"))
        fixed = ({"odd": ops.full((1,), odd, dtype="int32")}, "factors")
        carried = (numbers, [ops.zeros_like(numbers)])
        _, (steps,) = loop(self.condition, self.body, fixed, carried)
        return ops.convert_to_numpy(steps).tolist()


def collatz(number):
    return (
        0 if number == 1 else 1 + collatz(3 * number + 1 if number % 2 else number // 2)
    )


@pytest.mark.parametrize(
    "backend",
    [
        "eager",
        pytest.param(
            "inductor",
            marks=pytest.mark.skipif(
                not shutil.which(
                    os.environ.get("CXX") or COMPILERS.get(sys.platform, "g++")
                ),
                reason="no C++ compiler",
            ),
        ),
    ],
)
def test_counts_what_python_counts_and_traces_each_shape_once(backend):
    loop, numbers = CompiledLoop(backend), Collatz()
    for batch in ([27, 6, 1], [7, 97, 2]):
        assert numbers.run(loop, batch) == [collatz(n) for n in batch]
    assert numbers.entered == 1
    assert numbers.run(loop, [27, 871]) == [collatz(27), collatz(871)]
    assert numbers.entered == 2


def test_what_is_fixed_is_read_anew():
    loop, numbers = CompiledLoop("eager"), Collatz()
    assert numbers.run(loop, [3]) == [collatz(3)]
    assert numbers.run(loop, [3], odd=1) == [3]  # 3, 4, 2, 1
    assert numbers.entered == 1


def test_a_loop_whose_condition_never_held_takes_no_step():
    assert Collatz().run(CompiledLoop("eager"), [1, 1]) == [0, 0]


def test_the_same_tensor_carried_twice_parts():
    def body(_, number, before):
        return number + before, number

    one = ops.ones((), dtype="int32")
    carried = CompiledLoop("eager")(lambda _, n, __: n < 50, body, (), (one, one))
    assert [int(value) for value in carried] == [55, 34]  # Fibonacci


def test_a_plain_value_is_part_of_what_is_compiled():
    def body(step, number):
        return (number + step,)

    loop, zero = CompiledLoop("eager"), ops.zeros((), dtype="int32")
    for step, last in ((3, 12), (4, 12), (7, 14), (3, 12)):
        (number,) = loop(lambda _, number: number < 10, body, step, (zero,))
        assert int(number) == last
    assert len(loop) == 3


def test_a_row_cut_from_a_table():
    def body(_, row):
        return (row + 1,)

    table = ops.convert_to_tensor(np.arange(16, dtype="int32").reshape(4, 4))
    (row,) = CompiledLoop("eager")(
        lambda _, row: ops.all(row < 9), body, (), (table[:1, :3],)
    )
    assert ops.convert_to_numpy(row).tolist() == [[7, 8, 9]]


def test_threads_take_turns():
    loop = CompiledLoop("eager")

    def steps(size):
        return Collatz().run(loop, [27, *range(1, size)])

    sizes = [2, 3, 4, 5] * 2
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(steps, sizes))
    assert found == [[collatz(n) for n in (27, *range(1, size))] for size in sizes]


def test_searches_with_other_options_share_a_loop():
    model = PRESETS.get("transformer_tiny").scaled().build()
    source = np.array([[5, 6, 7, 1], [8, 9, 1, 0]], "int32")
    batch = {"source": source, "source_lengths": np.array([4, 3], "int32")}
    batch["prefix"] = np.array([[7, 6], [5, -1]], "int32")
    batch = {name: ops.convert_to_tensor(array) for name, array in batch.items()}
    ways = [
        TokenSearch(beam=2, length_penalty=0.0),
        TokenSearch(beam=2, length_penalty=2.0),
        TokenSearch(beam=1),
        TokenSearch(temperature=1.0, n_best=3),
        TokenSearch(temperature=0.7, n_best=3, top_k=4),
    ]
    expected = [written(searched(model, batch, way)) for way in ways]
    model.loop = CompiledLoop("eager")
    for _ in range(2):
        for way, (tokens, scores) in zip(ways, expected, strict=True):
            found, their_scores = written(searched(model, batch, way))
            np.testing.assert_array_equal(found, tokens)
            np.testing.assert_allclose(their_scores, scores, rtol=1e-5)
    assert len(model.loop) == len(ways)


def written(result):
    return [ops.convert_to_numpy(result[name]) for name in ("tokens", "scores")]


def test_without_a_search_there_is_nothing_to_compile(monkeypatch):
    monkeypatch.setenv("CXX", "none")
    model = PRESETS.get("deepspeech2_toy").scaled().build()
    model.compile_search()
    assert model.loop is while_loop


@pytest.mark.parametrize("name", ["g++", "clang++"])
def test_no_compiler(monkeypatch, tmp_path, name):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", name)
    with pytest.raises(UserError, match=rf"C\+\+ compiler.*no {re.escape(name)}"):
        CompiledLoop()

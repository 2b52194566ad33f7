"""The loop that PyTorch compiles, against Python's."""

import os
import shutil

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.compilation import CompiledLoop
from s2s_zoo.errors import UserError
from s2s_zoo.registry import PRESETS
from s2s_zoo.search.options import Search

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
                not (os.environ.get("CXX") or shutil.which("g++")),
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


def test_another_search_is_compiled_anew():
    model = PRESETS.get("reversal_rr").scaled().build()
    model.compile_search()
    before = model.loop
    assert isinstance(before, CompiledLoop)
    model.search_with(model.search)
    assert model.loop is before
    model.search_with(Search(beam=2))
    assert isinstance(model.loop, CompiledLoop)
    assert model.loop is not before


def test_no_compiler(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(UserError, match=r"C\+\+ compiler.*no g\+\+ or clang\+\+ or cl"):
        CompiledLoop()

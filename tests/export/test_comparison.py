"""What the comparison of an export with its model accepts and refuses."""

from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from s2s_zoo.errors import UserError
from s2s_zoo.export.comparison import compare
from s2s_zoo.tasks.serving import Input, Reader, Serving

SAMPLES = [np.full(n, n, np.float32) for n in (1, 2, 4)]


def batch(rows):
    size = max(map(len, rows))
    source = np.stack([np.pad(row, (0, size - len(row))) for row in rows])
    return {"source": source}


def sums(inputs):
    return {
        "sums": keras.ops.sum(keras.ops.convert_to_tensor(inputs["source"]), axis=1)
    }


SERVING = Serving(
    model=SimpleNamespace(generate=lambda rows: [str(len(row)) for row in rows]),
    inputs={"source": Input((None, None), "float32")},
    signatures={"serve": sums},
    pieces=("a",),
    samples=SAMPLES,
    batch=batch,
    description={},
)


def run(batches, error=0.0, **others):
    def outputs(inputs):
        found = inputs["serve/source"].sum(axis=1)
        texts = np.array([str(int(value**0.5)) for value in found])
        found[-1] += error
        return {"serve/sums": found, "serve/text": texts, **others}

    return [outputs(inputs) for inputs in batches]


def test_a_sample_alone_and_all_together():
    seen = []
    compare(SERVING, lambda batches: seen.extend(batches) or run(batches))
    shapes = [inputs["serve/source"].shape for inputs in seen]
    assert shapes == [(1, 1), (3, 4)]


def test_largest_difference_is_reported():
    assert compare(SERVING, run) == 0.0
    found = compare(SERVING, lambda b: run(b, error=2.0**-14))
    assert found == 2.0**-14


@pytest.mark.parametrize("error", [1e-3, np.nan, np.inf])
def test_floats_apart_are_refused(error):
    with pytest.raises(UserError, match=r"serve/sums on inputs of length 1: by "):
        compare(SERVING, lambda b: run(b, error=error))


def test_an_output_may_differ_by_a_share_of_its_level():
    serving = replace(SERVING, shares={"sums": 1e-2})
    assert compare(serving, lambda b: run(b, error=2.0**-9)) == 2.0**-9
    refused = r"length 1: a level of 0\.02, more than 0\.01 of 1"
    with pytest.raises(UserError, match=refused):
        compare(serving, lambda b: run(b, error=0.02))
    with pytest.raises(UserError, match="a level of nan"):
        compare(serving, lambda b: run(b, error=np.nan))
    other = replace(SERVING, shares={"others": 1e-2})
    with pytest.raises(UserError, match=r"more than 0\.0001"):
        compare(other, lambda b: run(b, error=2.0**-9))


def test_the_level_is_that_of_each_row():
    """A quiet row is not excused by a loud one."""
    waves = np.array([[1.0, -1.0], [0.01, 0.01]], "float32")

    def twice(inputs):
        rows = len(inputs["source"])
        return {"waves": keras.ops.convert_to_tensor(waves[np.arange(rows) % 2])}

    def run_with(error):
        def run(batches):
            rows = [len(inputs["serve/source"]) for inputs in batches]
            found = [waves[np.arange(n) % 2].copy() for n in rows]
            for values in found[1:]:
                values[1] += error
            return [{"serve/waves": values} for values in found]

        return run

    settings = {"signatures": {"serve": twice}, "pieces": (), "shares": {"waves": 1e-2}}
    serving = replace(SERVING, **settings)
    assert compare(serving, run_with(5e-5)) == pytest.approx(5e-5, rel=1e-3)
    with pytest.raises(UserError, match=r"0\.0005, more than 0\.01 of 0\.01"):
        compare(serving, run_with(5e-4))


def test_another_text_is_refused():
    def garbled(batches):
        found = run(batches)
        found[1]["serve/text"][1] = "x"
        return found

    message = r"serve/text on inputs of length 1, 2, 4: 'x' instead of '2' at \[1\]"
    with pytest.raises(UserError, match=message):
        compare(SERVING, garbled)


def test_another_output_is_refused():
    with pytest.raises(UserError, match="serve/more on inputs of length 1: unexpected"):
        compare(SERVING, lambda b: run(b, **{"serve/more": np.zeros(1)}))


def test_another_shape_is_refused():
    with pytest.raises(UserError, match=r"shape \(2,\) instead of \(1,\)"):
        compare(SERVING, lambda b: run(b, **{"serve/sums": np.zeros(2)}))


TEXTS = ["a", "b b", "c c c"]


def of_texts(**words):
    """Counts words of texts, or their ids; `words` are counted wrong."""

    def run(batches):
        outputs = []
        for inputs in batches:
            counts = [words.get(t, len(t.split())) for t in inputs["serve/source"]]
            ids = inputs["serve_tokens/source"].sum(axis=1)
            given = {"serve": np.array(counts, np.float32), "serve_tokens": ids}
            texts = {f"{k}/text": np.array([*map(str, ids)]) for k in given}
            outputs.append({**texts, **{f"{k}/sums": v for k, v in given.items()}})
        return outputs

    return run


def test_texts_are_compared_and_their_ids():
    """What reads the texts is on trial, not only what is done with their ids."""
    serving = replace(
        SERVING,
        model=SimpleNamespace(
            generate=lambda rows: [str(float(len(row.split()))) for row in rows]
        ),
        reader=Reader(b""),
        samples=TEXTS,
        batch=lambda rows: batch([np.ones(len(r.split()), np.float32) for r in rows]),
    )
    assert compare(serving, of_texts()) == 0.0
    with pytest.raises(UserError, match=r"sums on inputs of length 1, 3, 5: by 1,"):
        compare(serving, of_texts(**{"b b": 3}))

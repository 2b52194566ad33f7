from itertools import groupby
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import log_softmax

from s2s_zoo.search.ctc_greedy import GreedyResult, ctc_greedy
from s2s_zoo.search.words import Word, words


class Token(NamedTuple):
    token: int
    frame: int
    end_frame: int
    log_probability: float


def brute_force(logits: NDArray[Any], mask: NDArray[Any]) -> list[Token]:
    """Best path of one utterance, from the definition."""
    scores = log_softmax(logits.astype("float64"), axis=-1)
    blank = logits.shape[-1] - 1
    path = [
        int(np.argmax(s)) if m else blank for s, m in zip(scores, mask, strict=True)
    ]
    tokens = []
    for label, group in groupby(range(len(path)), key=lambda t: path[t]):
        frames = list(group)
        if label != blank:
            score = np.mean([scores[t, label] for t in frames])
            tokens.append(Token(label, frames[0], frames[-1] + 1, float(score)))
    return tokens


def as_arrays(result: GreedyResult) -> GreedyResult:
    return GreedyResult(*map(keras.ops.convert_to_numpy, result))


def check(result: GreedyResult, logits: NDArray[Any], mask: NDArray[Any]) -> None:
    result = as_arrays(result)
    for row, length in enumerate(result.lengths):
        expected = brute_force(logits[row], mask[row])
        padding = logits.shape[1] - len(expected)
        columns = list(zip(*expected, strict=True)) or [()] * 4
        assert length == len(expected)
        for name, column, pad in zip(
            ("tokens", "frames", "end_frames"), columns, (-1, -1, -1), strict=False
        ):
            assert getattr(result, name)[row].tolist() == [*column, *[pad] * padding]
        np.testing.assert_allclose(
            result.log_probabilities[row], [*columns[3], *[0.0] * padding], atol=1e-5
        )


def random_case(
    seed: int, batch: int, time: int, classes: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Logits with many repeats, and lengths that may be zero."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(batch, time, classes)).astype("float32")
    held = generator.integers(0, classes, size=(batch, time))
    held = np.where(generator.random((batch, time)) < 0.5, np.roll(held, 1, 1), held)
    np.put_along_axis(logits, held[..., None], 3.0, axis=2)
    lengths = generator.integers(0, time + 1, size=batch)
    return logits, np.arange(time) < lengths[:, None]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.sampled_from([(1, 1, 2), (4, 12, 3), (3, 9, 5)]))
def test_agrees_with_the_definition(seed: int, shape: tuple[int, int, int]) -> None:
    logits, mask = random_case(seed, *shape)
    check(ctc_greedy(logits, keras.ops.convert_to_tensor(mask)), logits, mask)


def test_frames_outside_the_mask_are_blank_wherever_they_are() -> None:
    logits, _ = random_case(0, 3, 20, 3)
    mask = np.random.default_rng(0).random((3, 20)) < 0.7
    check(ctc_greedy(logits, keras.ops.convert_to_tensor(mask)), logits, mask)


def test_known_path() -> None:
    path = [2, 0, 0, 2, 0, 1, 1, 1]
    logits = np.log(np.where(np.eye(3)[path], 0.8, 0.1))[None].astype("float32")
    result = as_arrays(ctc_greedy(logits, keras.ops.ones((1, 8), "bool")))
    assert result.lengths.tolist() == [3]
    assert result.tokens[0, :4].tolist() == [0, 0, 1, -1]
    assert result.frames[0, :4].tolist() == [1, 4, 5, -1]
    assert result.end_frames[0, :4].tolist() == [3, 5, 8, -1]
    np.testing.assert_allclose(result.log_probabilities[0, :3], np.log(0.8), rtol=1e-5)


def test_integer_outputs_are_int32_and_padding_changes_nothing() -> None:
    logits, mask = random_case(5, 4, 15, 4)
    result = as_arrays(ctc_greedy(logits, keras.ops.convert_to_tensor(mask)))
    assert {str(result[i].dtype) for i in range(4)} == {"int32"}
    wide = np.pad(logits, [(0, 2), (0, 9), (0, 0)])
    wide_mask = keras.ops.convert_to_tensor(np.pad(mask, [(0, 2), (0, 9)]))
    padded = as_arrays(ctc_greedy(wide, wide_mask))
    for before, after in zip(result, padded, strict=True):
        np.testing.assert_array_equal(before, after[:4][..., : before.shape[-1]])


def test_half_precision_logits_give_float32_scores() -> None:
    logits, mask = random_case(6, 2, 10, 4)
    half = keras.ops.cast(logits, "bfloat16")
    mask_tensor = keras.ops.convert_to_tensor(mask)
    result = ctc_greedy(half, mask_tensor)
    rounded = keras.ops.convert_to_numpy(keras.ops.cast(half, "float32"))
    check(result, rounded, mask)


def test_scores_stay_exact_in_long_utterances() -> None:
    logits, mask = random_case(7, 1, 20000, 30)
    mask[:] = True
    check(ctc_greedy(logits, keras.ops.convert_to_tensor(mask)), logits, mask)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.function")
def test_unknown_shapes_in_a_tensorflow_graph() -> None:
    import tensorflow as tf

    traced = tf.function(
        ctc_greedy,
        input_signature=[
            tf.TensorSpec((None, None, 4), tf.float32),
            tf.TensorSpec((None, None), tf.bool),
        ],
    )
    for seed, (batch, time) in enumerate([(1, 6), (3, 11)]):
        logits, mask = random_case(seed, batch, time, 4)
        check(GreedyResult(*traced(logits, mask)), logits, mask)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="jax.jit")
def test_compiles_in_jax() -> None:
    import jax

    logits, mask = random_case(1, 3, 11, 4)
    check(jax.jit(ctc_greedy)(logits, mask), logits, mask)


def test_runs_on_symbolic_tensors() -> None:
    logits = keras.KerasTensor((2, 7, 4))
    mask = keras.KerasTensor((2, 7), dtype="bool")
    result = ctc_greedy(logits, mask)
    assert result.tokens.shape == (2, 7)
    assert result.log_probabilities.shape == (2, 7)


def test_words_are_split_at_spaces() -> None:
    found = words(
        tokens=[3, 0, 1, 3, 3, 2, 3, -1],
        frames=[0, 2, 5, 6, 7, 9, 10, -1],
        end_frames=[1, 4, 6, 7, 8, 10, 12, -1],
        log_probabilities=np.log([0.1, 0.9, 0.4, 0.1, 0.1, 0.7, 0.1, 1.0]),
        alphabet="abc ",
        frame_seconds=0.02,
    )
    assert [word.text for word in found] == ["ab", "c"]
    assert [word.start for word in found] == pytest.approx([0.04, 0.18])
    assert [word.end for word in found] == pytest.approx([0.12, 0.20])
    assert [word.confidence for word in found] == pytest.approx([0.6, 0.7])


def test_no_tokens_are_no_words() -> None:
    assert words([-1], [-1], [-1], [0.0], "a ", 0.02) == []
    assert words([], [], [], [], "a ", 0.02) == []


@settings(deadline=None, max_examples=30)
@given(st.text("ab ", max_size=12), st.integers(0, 2**31))
def test_words_are_those_of_the_text(text: str, seed: int) -> None:
    starts = np.cumsum(np.random.default_rng(seed).integers(1, 4, size=len(text)))
    found = words(
        [" ab".index(character) for character in text],
        starts,
        starts + 1,
        -np.abs(np.random.default_rng(seed).normal(size=len(text))),
        " ab",
        0.01,
    )
    assert [word.text for word in found] == text.split()
    assert all(isinstance(word, Word) and word.start < word.end for word in found)
    assert all(0 < word.confidence <= 1 for word in found)

"""Whether an exported model says what the model itself says."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from s2s_zoo.errors import UserError
from s2s_zoo.tasks.serving import DEFAULT, OF_TOKENS, Serving, besides_ids
from s2s_zoo.typing import Arrays

SHOWN = 3

Runner = Callable[[list[Arrays]], list[Arrays]]


def compare(serving: Serving, run: Runner) -> float:
    """Run the exported model and the model itself on the same raw inputs.

    The first sample goes through alone, and all of them as one padded batch. Texts must
    be what the model says, integers equal, floats within the tolerance. A format
    that reads texts is given texts, and their ids too.

    Args:
        serving: the model, its samples and its tolerances.
        run: runs the exported model on batches of inputs by `signature/input`; the
            keys of its outputs are `signature/output`.

    Returns:
        The largest absolute difference found.

    Raises:
        UserError: it is larger, or another output differs; names both values.
    """
    groups = [serving.samples[:1], serving.samples]
    found_in_all = run([signature_inputs(serving, group) for group in groups])
    say = serving.says or serving.model.generate
    texts = say(serving.samples) if serving.pieces else []
    problems, largest = [], 0.0
    for group, found in zip(groups, found_in_all, strict=True):
        expected = _outputs(serving, group, texts[: len(group)])
        lengths = ", ".join(str(len(sample)) for sample in group)
        for key in sorted({*expected, *found}):
            share = serving.shares.get(key.partition("/")[2])
            difference, problem = _difference(
                expected.get(key), found.get(key), serving.tolerance, share
            )
            if problem:
                problems.append(f"{key} on inputs of length {lengths}: {problem}")
            largest = max(largest, difference)
    if problems:
        raise UserError(
            "The exported model differs from the model itself, so it was removed: "
            + "; ".join(problems[:SHOWN])
        )
    return largest


def signature_inputs(serving: Serving, group: Sequence[Any]) -> Arrays:
    """Raw inputs as the inputs of all signatures, by `signature/input`."""
    batch = serving.batch(group)
    inputs = dict.fromkeys(serving.signatures, batch)
    if serving.reader:
        texts = {"source": np.array(group), **besides_ids(batch)}
        inputs |= {DEFAULT: texts, OF_TOKENS: batch}
    return _flat(inputs)


def _outputs(serving: Serving, group: Sequence[Any], texts: list[str]) -> Arrays:
    """What the model itself says, on the CPU, where float32 is exact."""
    batch = serving.batch(group)
    with keras.device("cpu:0"):
        outputs = {
            signature: {
                name: keras.ops.convert_to_numpy(value)
                for name, value in function(batch).items()
            }
            for signature, function in serving.signatures.items()
        }
    if texts:
        outputs[DEFAULT]["text"] = np.array(texts)
    if serving.reader:
        outputs[OF_TOKENS] = outputs[DEFAULT]
    return _flat(outputs)


def _flat(arrays: dict[str, Arrays]) -> Arrays:
    return {
        f"{signature}/{name}": value
        for signature, values in arrays.items()
        for name, value in values.items()
    }


def _difference(
    expected: NDArray[Any] | None,
    found: NDArray[Any] | None,
    tolerance: float,
    share: float | None,
) -> tuple[float, str]:
    """How far floats are apart, and in words what differs too much."""
    if expected is None or found is None:
        return 0.0, "missing" if found is None else "unexpected"
    if expected.shape != found.shape:
        return 0.0, f"shape {found.shape} instead of {expected.shape}"
    if np.issubdtype(expected.dtype, np.floating):
        apart = float(np.max(np.abs(found - expected), initial=0.0))
        if share is not None:
            return apart, _beyond_share(expected, found, share)
        beyond = f"by {apart:.3g}, more than {tolerance:g}"
        return apart, "" if apart <= tolerance else beyond
    unequal = np.argwhere(expected != found)
    if not len(unequal):
        return 0.0, ""
    first = tuple(unequal[0])
    values = f"{found[first].item()!r} instead of {expected[first].item()!r}"
    return 0.0, f"{values} at {[int(i) for i in first]}"


def _beyond_share(expected: NDArray[Any], found: NDArray[Any], share: float) -> str:
    """In words that differences are more than a share of the level of their row."""
    apart, level = _level(found - expected), _level(expected)
    loud = np.flatnonzero(~(apart <= share * level))
    if not len(loud):
        return ""
    row = loud[0]
    return f"a level of {apart[row]:.3g}, more than {share:g} of {level[row]:.3g}"


def _level(rows: NDArray[Any]) -> NDArray[Any]:
    """Root mean square of each row, (B,)."""
    return np.sqrt(np.mean(rows.reshape(len(rows), -1) ** 2, axis=1))

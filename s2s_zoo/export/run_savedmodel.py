"""Run a SavedModel where neither Keras nor s2s-zoo can be imported.

A program of its own: `python -P run_savedmodel.py DIRECTORY BATCHES RESULTS`. The
arrays of the NPZ file BATCHES are named `batch/signature/input`, those of RESULTS
`batch/signature/output`.
"""

import sys


def main(directory: str, batches: str, results: str) -> None:
    """Run on each batch the signatures that it has inputs of."""
    for package in ("keras", "s2s_zoo"):
        sys.modules[package] = None  # type: ignore[assignment]  # import it and fail
    import numpy as np
    import tensorflow as tf

    loaded = tf.saved_model.load(directory)
    inputs: dict[str, dict[str, tf.Tensor]] = {}
    with np.load(batches) as arrays:
        for key in arrays.files:
            call, _, name = key.rpartition("/")
            inputs.setdefault(call, {})[name] = tf.constant(arrays[key])
    outputs = {}
    for call, tensors in inputs.items():
        signature = call.partition("/")[2]
        for name, tensor in loaded.signatures[signature](**tensors).items():
            value = tensor.numpy()
            if tensor.dtype == tf.string:
                value = np.array([text.decode("utf-8") for text in value])
            outputs[f"{call}/{name}"] = value
    np.savez(results, **outputs)


if __name__ == "__main__":
    main(*sys.argv[1:])

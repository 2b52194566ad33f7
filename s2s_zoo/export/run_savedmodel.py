"""Run a SavedModel where neither Keras nor s2s-zoo can be imported.

A program of its own: `python -P run_savedmodel.py DIRECTORY BATCHES RESULTS`. The
arrays of the NPZ file BATCHES are named `batch/input`, those of RESULTS
`batch/signature/output`.
"""

import sys


def main(directory: str, batches: str, results: str) -> None:
    """Run all signatures on all batches."""
    for package in ("keras", "s2s_zoo"):
        sys.modules[package] = None  # type: ignore[assignment]  # import it and fail
    import numpy as np
    import tensorflow as tf

    loaded = tf.saved_model.load(directory)
    inputs: dict[str, dict[str, tf.Tensor]] = {}
    with np.load(batches) as arrays:
        for key in arrays.files:
            batch, name = key.split("/")
            inputs.setdefault(batch, {})[name] = tf.constant(arrays[key])
    outputs = {}
    for signature, function in loaded.signatures.items():
        for batch, tensors in inputs.items():
            for name, tensor in function(**tensors).items():
                value = tensor.numpy()
                if tensor.dtype == tf.string:
                    value = np.array([text.decode("utf-8") for text in value])
                outputs[f"{batch}/{signature}/{name}"] = value
    np.savez(results, **outputs)


if __name__ == "__main__":
    main(*sys.argv[1:])

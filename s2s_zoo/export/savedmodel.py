"""TensorFlow SavedModel: raw input to raw output, with nothing but TensorFlow.

The signatures are those of the task; `serving_default` is `serve` under the name
clients of TensorFlow Serving look for. `serving.json` beside the graph says in plain
text what goes in and what comes out.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from s2s_zoo.errors import UserError
from s2s_zoo.export import run_savedmodel
from s2s_zoo.export.comparison import Arrays
from s2s_zoo.tasks.serving import Serving, Signature

if TYPE_CHECKING:
    import tensorflow as tf

DEFAULT = "serve"
DESCRIPTION = "serving.json"


def write_saved_model(serving: Serving, directory: Path) -> None:
    """Write the graphs of all signatures, the weights and their description."""
    import tensorflow as tf

    module = tf.Module()
    module.weights = [variable.value for variable in serving.model.variables]
    specs = [
        tf.TensorSpec(spec.shape, spec.dtype, name=name)
        for name, spec in serving.inputs.items()
    ]
    graphs = {}
    for name, signature in serving.signatures.items():
        pieces = serving.pieces if name == DEFAULT else ()
        endpoint = tf.function(
            _endpoint(signature, list(serving.inputs), pieces), specs
        )
        setattr(module, name, endpoint)
        graphs[name] = endpoint.get_concrete_function()
    # Custom gradients are saved too: a graph that lacks them warns when it is loaded.
    saving = tf.saved_model.SaveOptions(experimental_custom_gradients=True)
    signatures = {"serving_default": graphs[DEFAULT], **graphs}
    tf.saved_model.save(module, str(directory), signatures, saving)
    description = {**serving.description, "signatures": _describe(serving, graphs)}
    text = json.dumps(description, indent=2, ensure_ascii=False)
    (directory / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def run_saved_model(directory: Path, batches: list[Arrays]) -> list[Arrays]:
    """Outputs of a SavedModel in a process without Keras and without s2s-zoo.

    It runs on the CPU, where float32 is exact and no memory of a GPU is taken.

    Args:
        directory: of the SavedModel.
        batches: inputs by name.

    Returns:
        For each batch the outputs by `signature/output`.

    Raises:
        UserError: it does not load or run.
    """
    with TemporaryDirectory() as folder:
        given, results = Path(folder, "batches.npz"), Path(folder, "results.npz")
        named = {f"{i}/{n}": v for i, b in enumerate(batches) for n, v in b.items()}
        np.savez(given, allow_pickle=False, **named)
        paths = (run_savedmodel.__file__, directory, given, results)
        process = subprocess.run(
            [sys.executable, "-P", *map(str, paths)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        )
        if process.returncode:
            reason = process.stderr.strip().rpartition("\n")[2]
            raise UserError(
                "The exported model does not run where s2s-zoo is absent (exit code "
                f"{process.returncode}), so it was removed: {reason}"
            )
        return _read_results(results, len(batches))


def _read_results(path: Path, count: int) -> list[Arrays]:
    outputs: list[Arrays] = [{} for _ in range(count)]
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays.files:
            batch, _, name = key.partition("/")
            if not name.startswith("serving_default/"):
                outputs[int(batch)][name] = arrays[key]
    return outputs


def _endpoint(signature: Signature, names: list[str], pieces: tuple[str, ...]) -> Any:
    """A signature as a function of positional tensors, with the text of its tokens."""

    def endpoint(*tensors: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        outputs = signature(dict(zip(names, tensors, strict=True)))
        if pieces:
            outputs = {"text": _join(outputs["tokens"], pieces), **outputs}
        return outputs

    return endpoint


def _join(tokens: "tf.Tensor", pieces: tuple[str, ...]) -> "tf.Tensor":
    """(B, T) ids to (B,) texts; ids below 0 are padding."""
    import tensorflow as tf

    found = tf.gather(tf.constant(pieces), tf.maximum(tokens, 0))
    return tf.strings.reduce_join(tf.where(tokens >= 0, found, ""), axis=-1)


def _describe(serving: Serving, graphs: dict[str, Any]) -> dict[str, Any]:
    inputs = {
        name: {"shape": list(spec.shape), "dtype": spec.dtype}
        for name, spec in serving.inputs.items()
    }
    outputs = {
        name: {
            key: {"shape": value.shape.as_list(), "dtype": value.dtype.name}
            for key, value in graph.structured_outputs.items()
        }
        for name, graph in graphs.items()
    }
    return {name: {"inputs": inputs, "outputs": outputs[name]} for name in graphs}

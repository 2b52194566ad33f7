"""TensorFlow SavedModel: raw input to raw output, with nothing but TensorFlow.

The signatures are those of the task; `serving_default` is `serve` under the name
clients of TensorFlow Serving look for. `serving.json` beside the graph says in plain
text what goes in and what comes out; `assets.extra` holds the tokenizer, say.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2s_zoo.export import run_savedmodel
from s2s_zoo.export.comparison import Arrays
from s2s_zoo.export.elsewhere import run_elsewhere
from s2s_zoo.models.assets import write_assets
from s2s_zoo.tasks.serving import Serving, Signature

if TYPE_CHECKING:
    import tensorflow as tf

DEFAULT = "serve"
DESCRIPTION = "serving.json"
EXTRA = "assets.extra"


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
        with_text = serving if name == DEFAULT and serving.pieces else None
        endpoint = tf.function(
            _endpoint(signature, list(serving.inputs), with_text), specs
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
    write_assets(directory / EXTRA, serving.assets)


def run_saved_model(directory: Path, batches: list[Arrays]) -> list[Arrays]:
    """Outputs of a SavedModel in a process without Keras and without s2s-zoo.

    Args:
        directory: of the SavedModel.
        batches: inputs by name.

    Returns:
        For each batch the outputs by `signature/output`.

    Raises:
        UserError: it does not load or run.
    """
    found = run_elsewhere(run_savedmodel.__file__, directory, batches)
    again = "serving_default/"
    return [
        {name: value for name, value in outputs.items() if not name.startswith(again)}
        for outputs in found
    ]


def _endpoint(signature: Signature, names: list[str], serving: Serving | None) -> Any:
    """A signature as a function of positional tensors, with the text of its tokens."""

    def endpoint(*tensors: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        outputs = signature(dict(zip(names, tensors, strict=True)))
        if serving is not None:
            outputs = {"text": _join(outputs["tokens"], serving), **outputs}
        return outputs

    return endpoint


def _join(tokens: "tf.Tensor", serving: Serving) -> "tf.Tensor":
    """(B, T) ids to (B,) texts; ids below 0 are padding."""
    import tensorflow as tf

    found = tf.gather(tf.constant(serving.pieces), tf.maximum(tokens, 0))
    text = tf.strings.reduce_join(tf.where(tokens >= 0, found, ""), axis=-1)
    return tf.strings.strip(text) if serving.strip else text


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

"""TensorFlow SavedModel: raw input to raw output, with nothing but TensorFlow.

The signatures are those of the task; `serving_default` is `serve` under the name
clients of TensorFlow Serving look for. A model that reads text takes it as it is, and
by `serve_tokens` in token ids; in ids alone where its tokenizer cannot be a graph.
`serving.json` beside the graph says in plain text what goes in and what comes out;
`assets.extra` holds the tokenizer, say.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from s2s_zoo.data.sentencepiece_model import read_sentencepiece_model
from s2s_zoo.errors import UserError
from s2s_zoo.export import run_savedmodel
from s2s_zoo.export.elsewhere import run_elsewhere
from s2s_zoo.models.assets import write_assets
from s2s_zoo.tasks.serving import (
    DEFAULT,
    OF_TOKENS,
    Input,
    Reader,
    Serving,
    Signature,
    besides_ids,
)
from s2s_zoo.typing import Arrays

if TYPE_CHECKING:
    import tensorflow as tf

    from s2s_zoo.export.text_graph.characters import CharacterReader
    from s2s_zoo.export.text_graph.reader import TextReader

DESCRIPTION = "serving.json"
EXTRA = "assets.extra"


class _Endpoint(NamedTuple):
    """A function that is saved.

    Attributes:
        inputs: by name, in the order of its arguments.
        graph: outputs by name from tensors. A concrete function, which is saved as it
            is: others are traced anew for that.
    """

    inputs: dict[str, Input]
    graph: Any

    @classmethod
    def of(cls, inputs: dict[str, Input], signature: Signature) -> "_Endpoint":
        """The endpoint of a function of tensors by name."""
        import tensorflow as tf

        def function(*tensors: "tf.Tensor") -> dict[str, "tf.Tensor"]:
            return signature(dict(zip(inputs, tensors, strict=True)))

        specs = [tf.TensorSpec(i.shape, i.dtype, name=n) for n, i in inputs.items()]
        graph = tf.function(function, specs, autograph=False).get_concrete_function()
        return cls(inputs, graph)


def as_saved_model(serving: Serving) -> Serving:
    """What a SavedModel can offer: token ids where a graph cannot cut the texts."""
    if not isinstance(serving.reader, Reader):
        return serving
    try:
        read_sentencepiece_model(serving.reader.model).check_for_graph()
    except UserError as error:
        description = {**serving.description, "takes": f"token ids: {error}"}
        return replace(serving, reader=None, description=description)
    return serving


def write_saved_model(serving: Serving, directory: Path) -> None:
    """Write the graphs of all signatures, the weights and their description."""
    import tensorflow as tf

    serving = as_saved_model(serving)
    module = tf.Module()
    module.weights = [variable.value for variable in serving.model.variables]
    module.reader = _reader(serving)
    endpoints = _endpoints(serving, module.reader)
    graphs = {name: endpoint.graph for name, endpoint in endpoints.items()}
    for name, graph in graphs.items():
        setattr(module, name, graph)
    # Custom gradients are saved too: a graph that lacks them warns when it is loaded.
    saving = tf.saved_model.SaveOptions(experimental_custom_gradients=True)
    signatures = {"serving_default": graphs[DEFAULT], **graphs}
    tf.saved_model.save(module, str(directory), signatures, saving)
    described = {n: _describe(*endpoint) for n, endpoint in endpoints.items()}
    description = {**serving.description, "signatures": described}
    text = json.dumps(description, indent=2, ensure_ascii=False)
    (directory / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
    write_assets(directory / EXTRA, serving.assets)


def run_saved_model(directory: Path, batches: list[Arrays]) -> list[Arrays]:
    """Outputs of a SavedModel in a process without Keras and without s2s-zoo.

    Args:
        directory: of the SavedModel.
        batches: inputs by `signature/input`.

    Returns:
        For each batch the outputs by `signature/output` of the signatures that it has
        inputs of.

    Raises:
        UserError: it does not load or run.
    """
    return run_elsewhere(run_savedmodel.__file__, directory, batches)


def _reader(serving: Serving) -> "TextReader | CharacterReader | None":
    from s2s_zoo.export.text_graph.characters import CharacterReader
    from s2s_zoo.export.text_graph.reader import TextReader

    if serving.reader is None:
        return None
    if isinstance(serving.reader, Reader):
        return TextReader(serving.reader)
    return CharacterReader(serving.reader)


def _endpoints(
    serving: Serving, reader: "TextReader | CharacterReader | None"
) -> dict[str, _Endpoint]:
    """Those of the signatures, and the default one of texts where these are read."""
    endpoints = {
        name: _Endpoint.of(serving.inputs, signature)
        for name, signature in _with_text(serving).items()
    }
    if reader:
        endpoints[OF_TOKENS] = endpoints[DEFAULT]
        read = reader.before(endpoints[OF_TOKENS].graph)
        texts = {"source": Input((None,), "string")} | besides_ids(serving.inputs)
        endpoints[DEFAULT] = _Endpoint.of(texts, read)
    return endpoints


def _with_text(serving: Serving) -> dict[str, Signature]:
    """The signatures, of which the default one gives the text of its tokens."""

    def with_text(inputs: dict[str, Any]) -> dict[str, Any]:
        outputs = serving.signatures[DEFAULT](inputs)
        return {"text": _join(outputs["tokens"], serving), **outputs}

    return serving.signatures | ({DEFAULT: with_text} if serving.pieces else {})


def _join(tokens: "tf.Tensor", serving: Serving) -> "tf.Tensor":
    """(B, T) ids to (B,) texts; ids below 0 are padding."""
    import tensorflow as tf

    found = tf.gather(tf.constant(serving.pieces), tf.maximum(tokens, 0))
    text = tf.strings.reduce_join(tf.where(tokens >= 0, found, ""), axis=-1)
    # Bytes that are tokens may make no character.
    text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8")
    return tf.strings.strip(text) if serving.strip else text


def _describe(inputs: dict[str, Input], graph: Any) -> dict[str, Any]:
    return {
        "inputs": {
            name: {"shape": list(spec.shape), "dtype": spec.dtype}
            for name, spec in inputs.items()
        },
        "outputs": {
            name: {"shape": value.shape.as_list(), "dtype": value.dtype.name}
            for name, value in graph.structured_outputs.items()
        },
    }

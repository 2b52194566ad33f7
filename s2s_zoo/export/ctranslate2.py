"""CTranslate2: Transformers run by a fast C++ library, without Keras.

https://github.com/OpenNMT/CTranslate2. Beside the weights lie the pieces of both
vocabularies, the SentencePiece models, and `serving.json`, which says how to translate.

CTranslate2 divides log-probabilities by length^α, this package by
((5 + length) / 6)^α. So CTranslate2 is asked for all texts of the beam with their
log-probabilities, and the client ranks them.
"""

import dataclasses
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.data.tokenizer_pair import TokenizerPair
from s2s_zoo.decoders.transformer import DecoderBlock, TransformerDecoder
from s2s_zoo.encoders.transformer import EncoderBlock, TransformerEncoder
from s2s_zoo.errors import UserError
from s2s_zoo.export import run_ctranslate2
from s2s_zoo.export.elsewhere import run_elsewhere
from s2s_zoo.features.tokens import TokenFeatures
from s2s_zoo.layers.attention import SelfAttention
from s2s_zoo.layers.normalization import LayerNormalization
from s2s_zoo.layers.transformer import FeedForward, sinusoids
from s2s_zoo.models.assets import write_assets
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.tasks.serving import Serving, Signature
from s2s_zoo.tasks.text_to_text import TextToText
from s2s_zoo.typing import Arrays, Tensor
from s2s_zoo.vocabulary import END, PAD, SPECIAL_PIECES, START, UNKNOWN

DESCRIPTION = "serving.json"
POSITIONS = 1024
NO_PENALTY = 1e-6
"""Ranks as 0 does; with 0 itself CTranslate2 does not wait for the whole beam."""
MOST_PATIENCE = 4.0
"""Stands for a search that goes on while anything can be gained."""
RANKING = (
    "The best text is that of the largest score / (6 + length)^α with α = {alpha:g}, "
    "its length counted in pieces without the end."
)
USAGE = """\
import ctranslate2, json, sentencepiece
source, target = map(sentencepiece.SentencePieceProcessor, [{source!r}, {target!r}])
pieces = [source.id_to_piece(source.encode(line)) for line in [{sample!r}]]
options = json.load(open({description!r}))["translate_batch"]
found = ctranslate2.Translator(".").translate_batch(pieces, **options)
rank = lambda text: text[0] / (6 + len(text[1])) ** {alpha!r}
best = [max(zip(f.scores, f.hypotheses), key=rank)[1] for f in found]
print([target.decode(target.piece_to_id(text)) for text in best])
"""


def write_ctranslate2(serving: Serving, directory: Path) -> None:
    """Write weights, vocabularies, tokenizers and how to use them.

    Raises:
        UserError: CTranslate2 is not installed, or it cannot run the model.
    """
    specs = _library()
    _check(serving.model)
    spec = _specification(specs, serving.model)
    spec.validate()
    spec.optimize()
    directory.mkdir()
    spec.save(str(directory))
    write_assets(directory, serving.assets)
    text = json.dumps(_describe(serving), indent=2, ensure_ascii=False)
    (directory / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def run_ctranslate2_model(directory: Path, batches: list[Arrays]) -> list[Arrays]:
    """Outputs of the signatures of `as_ctranslate2`, by CTranslate2 alone."""
    return run_elsewhere(run_ctranslate2.__file__, directory, batches)


def as_ctranslate2(serving: Serving) -> Serving:
    """What CTranslate2 and the model can be compared in: greedy translations.

    The signature `greedy` gives `tokens` (B, U) int32, -1 after the last, and the
    `log_probabilities` (B, U+1) float32 of each of them and of the end after them.
    """
    signatures = {"greedy": _greedy(serving.model)}
    return dataclasses.replace(serving, signatures=signatures, pieces=(), reader=None)


def _greedy(model: Seq2Seq) -> Signature:
    size = run_ctranslate2.LONGEST
    options = TokenSearch(
        beam=1,
        length_factor=0.0,
        length_extra=size,
        unknown=_task(model).search.unknown,
    )

    def greedy(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        memory = model.encode(inputs, training=False)
        found = options.write(model.decoder, memory, inputs, model.loop)
        tokens, lengths = found["tokens"][:, 0], found["lengths"]
        place = ops.arange(size + 1, dtype="int32")[None]
        target = ops.pad(tokens, ((0, 0), (0, 1)), constant_values=-1)
        target = ops.where(place == lengths, END, ops.maximum(target, PAD))
        logits = model({**inputs, "target": target}, training=False)["logits"]
        scores = ops.log_softmax(logits, axis=-1)
        scores = ops.take_along_axis(scores, target[..., None], axis=-1)[..., 0]
        scores = ops.where(place <= lengths, scores, 0.0)
        return {"tokens": tokens, "log_probabilities": scores}

    return greedy


def _library() -> Any:
    try:
        return importlib.import_module("ctranslate2.specs")
    except ModuleNotFoundError as error:
        raise UserError(
            "CTranslate2 is not installed: pip install 's2s-zoo[ctranslate2]'"
        ) from error


def _check(model: Seq2Seq) -> None:
    """Refuse what CTranslate2 has no layers for."""
    encoder, decoder = model.encoder, model.decoder
    accepted = {
        "task": (type(model.task), TextToText),
        "features": (type(model.features), TokenFeatures),
        "encoder": (type(encoder), TransformerEncoder),
        "decoder": (type(decoder), TransformerDecoder),
    }
    problems = [
        f"{part} {found.__name__}"
        for part, (found, wanted) in accepted.items()
        if not issubclass(found, wanted)
    ]
    if not problems:
        search = _task(model).search
        problems = [
            *(f"{p}.norm {layer.norm}" for p, layer in _sides(model) if _other(layer)),
            *_unequal("features.width", model.features.width, encoder.width),
            *_unequal("decoder.epsilon", decoder.epsilon, encoder.epsilon),
            *_stated("task.search.prefix", search.prefix),
            *_stated("task.search.temperature", search.temperature),
        ]
    if problems:
        raise UserError(
            "CTranslate2 runs models for text_to_text with TransformerEncoder, "
            "TransformerDecoder and norm layer, by beams without a prefix, such as "
            "transformer_base, transformer_big and transformer_tiny. Received: "
            + ", ".join(problems)
        )


def _sides(model: Seq2Seq) -> tuple[tuple[str, Any], ...]:
    return ("encoder", model.encoder), ("decoder", model.decoder)


def _other(layer: Any) -> bool:
    return layer.norm != "layer"


def _stated(setting: str, value: str | float) -> list[str]:
    return [f"{setting} {value!r}"] if value else []


def _unequal(setting: str, found: float, encoder: float) -> list[str]:
    return (
        [] if found == encoder else [f"{setting} {found:g}, the encoder's {encoder:g}"]
    )


def _specification(specs: Any, model: Seq2Seq) -> Any:
    """All weights of a model under the names CTranslate2 has for them."""
    encoder, decoder = model.encoder, model.decoder
    spec = specs.TransformerSpec(
        specs.TransformerEncoderSpec(encoder.layers, encoder.heads),
        specs.TransformerDecoderSpec(
            decoder.layers,
            decoder.heads,
            alignment_layer=max(0, decoder.layers - 2),
            alignment_heads=0,
        ),
    )
    _set_text(spec, _task(model).fitted)
    spec.config.layer_norm_epsilon = encoder.epsilon
    positions = _positions(_task(model))
    _set_side(spec.encoder, encoder, positions)
    _set_side(spec.decoder, decoder, positions)
    _set_embedding(spec.encoder, spec.encoder.embeddings[0], model.features.embedding)
    _set_embedding(spec.decoder, spec.decoder.embeddings, decoder.embedding)
    for layer, block in zip(spec.encoder.layer, encoder.blocks, strict=True):
        _set_encoder_block(layer, block)
    for layer, block in zip(spec.decoder.layer, decoder.blocks, strict=True):
        _set_decoder_block(layer, block)
    if decoder.tie_output:
        spec.decoder.projection.weight = _array(decoder.embedding.table)
    else:
        _set_product(spec.decoder.projection, decoder.output_kernel)
    return spec


def _set_text(spec: Any, tokenizers: TokenizerPair) -> None:
    config = spec.config
    config.unk_token, config.eos_token = SPECIAL_PIECES[UNKNOWN], SPECIAL_PIECES[END]
    config.bos_token = config.decoder_start_token = SPECIAL_PIECES[START]
    config.add_source_eos = True
    spec.register_source_vocabulary(list(tokenizers.source.pieces))
    spec.register_target_vocabulary(list(tokenizers.target.pieces))


def _set_side(spec: Any, side: Any, positions: int) -> None:
    _set_norm(spec.layer_norm, side.normalization)
    codes = sinusoids(ops.arange(positions), side.width)
    spec.position_encodings.encodings = ops.convert_to_numpy(codes)


def _set_embedding(spec: Any, table: Any, embedding: Any) -> None:
    table.weight = _array(embedding.table)
    spec.scale_embeddings = embedding.scaled


def _set_encoder_block(spec: Any, block: EncoderBlock) -> None:
    _set_norm(spec.self_attention.layer_norm, block.around_attention.normalization)
    _set_self_attention(spec.self_attention, block.attention)
    _set_norm(spec.ffn.layer_norm, block.around_feed_forward.normalization)
    _set_feed_forward(spec.ffn, block.feed_forward)


def _set_decoder_block(spec: Any, block: DecoderBlock) -> None:
    around = block.around_self_attention
    _set_norm(spec.self_attention.layer_norm, around.normalization)
    _set_self_attention(spec.self_attention, block.self_attention)
    _set_norm(spec.attention.layer_norm, block.around_attention.normalization)
    query, keys_values, output = spec.attention.linear
    _set_product(query, block.attention.query)
    _set_product(keys_values, block.attention.keys, block.attention.values)
    _set_product(output, block.attention.output_kernel)
    _set_norm(spec.ffn.layer_norm, block.around_feed_forward.normalization)
    _set_feed_forward(spec.ffn, block.feed_forward)


def _set_self_attention(spec: Any, attention: SelfAttention) -> None:
    projection, output = spec.linear
    _set_product(projection, attention.projection)
    _set_product(output, attention.output_kernel)


def _set_feed_forward(spec: Any, layer: FeedForward) -> None:
    for linear, dense in ((spec.linear_0, layer.rise), (spec.linear_1, layer.fall)):
        _set_product(linear, dense.kernel)
        linear.bias = _array(dense.bias)


def _set_norm(spec: Any, norm: LayerNormalization) -> None:
    spec.gamma = _array(norm.gamma)
    spec.beta = _array(norm.beta)


def _set_product(spec: Any, *kernels: Any) -> None:
    """Kernels (D, W) side by side, which CTranslate2 keeps transposed."""
    spec.weight = np.concatenate([_array(kernel) for kernel in kernels], axis=1).T


def _array(variable: Any) -> NDArray[np.float32]:
    return np.asarray(ops.convert_to_numpy(variable), np.float32)


def _task(model: Seq2Seq) -> TextToText:
    assert isinstance(model.task, TextToText)
    return model.task


def _positions(task: TextToText) -> int:
    """Tokens of a text at most, the end included."""
    read = max(task.cut, task.max_tokens + 1)
    return max(POSITIONS, read, int(task.search.size(read)) + 1)


def _ending(search: TokenSearch) -> dict[str, Any]:
    """Which texts are given, and after how many a source is done."""
    if not search.length_penalty:
        return {"num_hypotheses": search.n_best, "length_penalty": 0.0}
    patience = MOST_PATIENCE if search.patience is None else search.patience
    given = max(search.n_best, round(search.beam * patience))
    return {
        "num_hypotheses": given,
        "length_penalty": NO_PENALTY,
        "patience": given / search.beam,
    }


def _describe(serving: Serving) -> dict[str, Any]:
    """What a client has to know."""
    task = _task(serving.model)
    search = task.search
    alpha = search.length_penalty
    names = sorted(serving.assets)
    files = {"source": names[0], "target": names[-1]}
    usage = USAGE.format(
        **files, sample=serving.samples[0], description=DESCRIPTION, alpha=alpha
    )
    return {
        **serving.description,
        "tokenizers": files,
        "positions": _positions(task),
        "translate_batch": {
            "beam_size": search.beam,
            **_ending(search),
            "return_scores": True,
            "max_input_length": task.cut or _positions(task),
            "max_decoding_length": int(search.size(task.max_tokens + 1)),
            "min_decoding_length": search.min_length,
            "suppress_sequences": [[SPECIAL_PIECES[PAD]], [SPECIAL_PIECES[START]]],
            "disable_unk": not search.unknown,
        },
        "length_penalty": alpha,
        "ranking": RANKING.format(alpha=alpha),
        "usage": usage.splitlines(),
    }

"""Toys that write a sequence backwards: any encoder meets any decoder.

The two letters of a name are encoder and decoder: r recurrent, c convolutional,
t Transformer.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.decoders.attention_rnn import AttentionRNNDecoder
from s2s_zoo.decoders.convs2s import ConvS2SDecoder
from s2s_zoo.decoders.transformer import TransformerDecoder
from s2s_zoo.encoders.convs2s import ConvS2SEncoder
from s2s_zoo.encoders.recurrent import RecurrentEncoder
from s2s_zoo.encoders.transformer import TransformerEncoder
from s2s_zoo.features.tokens import TokenFeatures
from s2s_zoo.losses.cross_entropy import CrossEntropy
from s2s_zoo.optimizers.adam import Adam
from s2s_zoo.optimizers.schedules import PolynomialDecay
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.tasks.text_to_text import TextToText

EXPECT = "99 % of unseen sequences written backwards, in minutes"

RECURRENT_ENCODER = partial(
    RecurrentEncoder, units=128, layers=1, bidirectional_layers=1, dropout=0.2
)
RECURRENT_DECODER = partial(
    AttentionRNNDecoder, width=128, units=128, layers=1, attention="luong", dropout=0.2
)
CONVOLUTIONAL_ENCODER = partial(
    ConvS2SEncoder,
    channels=(128,) * 3,
    kernels=(3,) * 3,
    attention_layers=3,
    max_length=64,
    dropout=0.1,
)
CONVOLUTIONAL_DECODER = partial(
    ConvS2SDecoder,
    width=128,
    channels=(128,) * 3,
    kernels=(3,) * 3,
    out_width=128,
    max_length=64,
    dropout=0.1,
    tie_source=True,
    tie_output=True,
)

reversal_rr = register_preset(
    Preset(
        name="reversal_rr",
        summary="recurrent encoder and decoder; writes Greek letters backwards",
        paper="https://arxiv.org/abs/1409.0473",
        expect=EXPECT,
        parameters=633_345,
        task=TextToText(
            demo_corpus="demo_reversal",
            source="letters",
            target="reversed",
            tokenizer="word",
            vocabulary=14,
            max_tokens=64,
            objective=CrossEntropy(label_smoothing=0.0),
            measure="exact",
            search=TokenSearch(beam=5, length_penalty=0.0, length_extra=10),
            buckets=4,
        ),
        features=partial(TokenFeatures, width=128),
        encoder=RECURRENT_ENCODER,
        decoder=RECURRENT_DECODER,
        recipe=Recipe(
            optimizer=partial(Adam, global_clipnorm=3.0),
            schedule=partial(
                PolynomialDecay, initial_learning_rate=2e-3, decay_steps=0, power=1.0
            ),
            batch=2048,
            epochs=12,
        ),
    )
)

reversal_cc = register_preset(
    replace(
        reversal_rr,
        name="reversal_cc",
        parameters=777_472,
        summary="convolutional encoder and decoder; writes Greek letters backwards",
        paper="https://arxiv.org/abs/1705.03122",
        encoder=CONVOLUTIONAL_ENCODER,
        decoder=CONVOLUTIONAL_DECODER,
    )
)

reversal_cr = register_preset(
    replace(
        reversal_rr,
        name="reversal_cr",
        parameters=591_617,
        summary="convolutional encoder, recurrent decoder; Greek letters backwards",
        encoder=CONVOLUTIONAL_ENCODER,
        decoder=RECURRENT_DECODER,
        recipe=replace(reversal_rr.recipe, epochs=20),
    )
)

reversal_rc = register_preset(
    replace(
        reversal_rr,
        name="reversal_rc",
        parameters=735_744,
        summary="recurrent encoder, convolutional decoder; Greek letters backwards",
        paper="https://arxiv.org/abs/1705.03122",
        encoder=RECURRENT_ENCODER,
        decoder=CONVOLUTIONAL_DECODER,
    )
)

TINY: dict[str, Any] = {
    "width": 128,
    "layers": 2,
    "heads": 8,
    "hidden": 512,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "relu_dropout": 0.0,
}

reversal_tt = register_preset(
    replace(
        reversal_rr,
        name="reversal_tt",
        parameters=924_928,
        summary="Transformer encoder and decoder; writes Greek letters backwards",
        paper="https://arxiv.org/abs/1706.03762",
        task=replace(
            reversal_rr.task,
            search=TokenSearch(beam=5, length_penalty=0.0, length_extra=2),
        ),
        features=partial(TokenFeatures, width=128, scaled=True),
        encoder=partial(TransformerEncoder, **TINY),
        decoder=partial(TransformerDecoder, **TINY),
        recipe=replace(
            reversal_rr.recipe,
            optimizer=partial(Adam, beta_2=0.997, epsilon=1e-9),
            schedule=partial(
                PolynomialDecay,
                initial_learning_rate=3e-3,
                decay_steps=0,
                power=1.0,
                warmup=200,
            ),
            epochs=24,
        ),
    )
)

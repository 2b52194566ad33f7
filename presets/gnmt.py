"""GNMT (Wu et al., 2016, https://arxiv.org/abs/1609.08144).

Recipes of OpenSeq2Seq, whose decoder has residuals from its second layer on. As in the
paper the encoder has eight layers, its final states start the decoder, and output and
context both reach the softmax. The input of each layer is dropped, the lowest included,
and each bidirectional layer reads both directions of the one below.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.decoders.attention_rnn import AttentionRNNDecoder
from s2s_zoo.encoders.recurrent import RecurrentEncoder
from s2s_zoo.features.tokens import TokenFeatures
from s2s_zoo.losses.cross_entropy import CrossEntropy
from s2s_zoo.optimizers.adam import Adam
from s2s_zoo.optimizers.schedules import ExponentialDecay
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.tasks.text_to_text import TextToText

DEVIATION = 0.1 / 3**0.5
"""Of a uniform start in ± 0.1."""
START: dict[str, Any] = {"initial_range": 0.1, "dropout": 0.2}
ENCODER: dict[str, Any] = {
    "layers": 8,
    "bidirectional_layers": 1,
    "residual_from": 2,
    **START,
}
DECODER: dict[str, Any] = {
    "layers": 8,
    "attention": "gnmt_v2",
    "attention_units": 1024,
    "residual": True,
    **START,
}

gnmt = register_preset(
    Preset(
        name="gnmt",
        summary="8+8 LSTMs of 1024 with residuals, additive attention; translation",
        paper="https://arxiv.org/abs/1609.08144",
        expect="WMT14 English-German: BLEU 23.0 (OpenSeq2Seq, 7+8 layers)",
        parameters=320_937_985,
        task=TextToText(
            max_tokens=50,
            search=TokenSearch(beam=10, length_penalty=1.0),
            objective=CrossEntropy(label_smoothing=0.0),
        ),
        features=partial(TokenFeatures, width=1024, deviation=DEVIATION),
        encoder=partial(RecurrentEncoder, units=1024, **ENCODER),
        decoder=partial(AttentionRNNDecoder, width=1024, units=1024, **DECODER),
        recipe=Recipe(
            optimizer=partial(Adam, global_clipnorm=32768.0),
            schedule=partial(
                ExponentialDecay,
                initial_learning_rate=8e-4,
                decay_steps=17_000,
                decay_rate=0.5,
                begin=170_000,
                staircase=True,
                minimum=5e-7,
            ),
            batch=4096,
            epochs=1000,
            max_steps=340_000,
            checkpoint_every=2000,
            validate_every=10_000,
        ),
        demo={"task.vocabulary": 200, "recipe.batch": 512, "recipe.epochs": 1},
    )
)

gnmt_tied = register_preset(
    replace(
        gnmt,
        name="gnmt_tied",
        summary="8+8 LSTMs of 200, softmax tied to the target's table",
        expect="WMT14 English-German: no figure was published",
        parameters=12_452_529,
        features=partial(TokenFeatures, width=80, deviation=DEVIATION),
        encoder=partial(RecurrentEncoder, units=200, **ENCODER),
        decoder=partial(
            AttentionRNNDecoder, width=80, units=200, tie_output=True, **DECODER
        ),
        recipe=replace(gnmt.recipe, batch=2048),
    )
)

"""A small recurrent translator (Bahdanau et al., 2015; Wu et al., 2016).

The recipe of OpenSeq2Seq, whose encoder had a stack for each direction; here each
bidirectional layer reads both directions of the one below.
"""

from functools import partial

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.decoders.attention_rnn import AttentionRNNDecoder
from s2s_zoo.encoders.recurrent import RecurrentEncoder
from s2s_zoo.features.tokens import TokenFeatures
from s2s_zoo.losses.cross_entropy import CrossEntropy
from s2s_zoo.optimizers.larc import adam_larc
from s2s_zoo.optimizers.schedules import Constant
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.tasks.text_to_text import TextToText

nmt_rnn_small = register_preset(
    Preset(
        name="nmt_rnn_small",
        summary="2 bidirectional LSTMs of 512, 2 LSTMs with attention; translation",
        paper="https://arxiv.org/abs/1409.0473",
        expect="WMT14 English-German: BLEU above 20 (OpenSeq2Seq, one GPU)",
        parameters=105_659_393,
        task=TextToText(
            max_tokens=50,
            search=TokenSearch(beam=10, length_penalty=1.0),
            objective=CrossEntropy(label_smoothing=0.0),
        ),
        features=partial(TokenFeatures, width=512),
        encoder=partial(
            RecurrentEncoder, units=512, layers=2, bidirectional_layers=2, dropout=0.2
        ),
        decoder=partial(
            AttentionRNNDecoder,
            width=512,
            units=512,
            layers=2,
            attention="gnmt_v2",
            attention_units=512,
            dropout=0.2,
        ),
        recipe=Recipe(
            optimizer=partial(adam_larc, eta=1e-3),
            schedule=partial(Constant, initial_learning_rate=1e-3),
            batch=4096,
            epochs=1000,
            max_steps=160_082,
            checkpoint_every=1000,
            validate_every=5000,
        ),
        demo={"task.vocabulary": 200, "recipe.batch": 512, "recipe.epochs": 1},
    )
)

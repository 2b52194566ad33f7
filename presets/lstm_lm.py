"""LSTM language models: OpenSeq2Seq's, and those of Zaremba et al., 2014.

Losses are means over tokens. The papers' are sums over the window, so that a rate of 1
and a norm of 5 are here a rate of T and a norm of 5 / T.

OpenSeq2Seq's cells were layer-normalized and dropped 0.3 of the candidates, which are
here `encoder.normalized` and `encoder.candidate_dropout`; the presets drop recurrent
weights of plain LSTMs instead (Merity et al., 2017), carry their state from window to
window, and have no L2. A batch is that of one of its 2 GPUs, and in lstm_lm_wikitext103
64 rows where each of 8 had 224.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.decoders.next_token import NextTokenDecoder
from s2s_zoo.encoders.language_model import LanguageModelEncoder
from s2s_zoo.features.dropped_tokens import DroppedTokenFeatures
from s2s_zoo.features.tokens import TokenFeatures
from s2s_zoo.optimizers.adam import Adam
from s2s_zoo.optimizers.schedules import Constant, ExponentialDecay, PolynomialDecay
from s2s_zoo.optimizers.sgd import SGD
from s2s_zoo.tasks.language_modeling import LanguageModeling

PTB_WORDS = 10_002
"""The Penn Treebank's, with padding, start and unknown beside the end of lines."""
PTB_STREAM = 46_480
"""Its tokens, in 20 streams."""


def windows(size: int) -> int:
    """Updates of an epoch of the Penn Treebank in 20 streams."""
    return -(-PTB_STREAM // size)


def zaremba(
    width: int, dropout: float, initial_range: float, bias: bool = True
) -> dict[str, Any]:
    """Parts of a model of two layers, as wide as its table."""
    return {
        "features": partial(
            TokenFeatures, width=width, deviation=initial_range / 3**0.5
        ),
        "encoder": partial(
            LanguageModelEncoder,
            units=(width, width),
            input_dropout=dropout,
            hidden_dropout=dropout,
            output_dropout=dropout,
            locked=False,
            initial_range=initial_range,
        ),
        "decoder": partial(NextTokenDecoder, bias=bias, initial_range=initial_range),
    }


lstm_lm_ptb = register_preset(
    Preset(
        name="lstm_lm_ptb",
        summary="2 LSTMs of 650 with dropout; Zaremba's medium language model",
        paper="https://arxiv.org/abs/1409.2329",
        expect="Penn Treebank: perplexity 82.7 (paper)",
        parameters=19_777_802,
        task=LanguageModeling(vocabulary=PTB_WORDS, window=35),
        **zaremba(650, dropout=0.5, initial_range=0.05),
        recipe=Recipe(
            optimizer=partial(SGD, global_clipnorm=5 / 35),
            schedule=partial(
                ExponentialDecay,
                initial_learning_rate=35.0,
                decay_steps=windows(35),
                decay_rate=1 / 1.2,
                staircase=True,
                begin=5 * windows(35),
            ),
            batch=20 * 35,
            epochs=39,
        ),
        demo={"recipe.epochs": 3},
    )
)

lstm_lm_ptb_small = register_preset(
    replace(
        lstm_lm_ptb,
        name="lstm_lm_ptb_small",
        summary="2 LSTMs of 200, nothing dropped; Zaremba's small language model",
        expect="Penn Treebank: perplexity 115 (paper)",
        parameters=4_652_402,
        task=replace(lstm_lm_ptb.task, window=20),
        **zaremba(200, dropout=0.0, initial_range=0.1),
        recipe=replace(
            lstm_lm_ptb.recipe,
            optimizer=partial(SGD, global_clipnorm=5 / 20),
            schedule=partial(
                ExponentialDecay,
                initial_learning_rate=20.0,
                decay_steps=windows(20),
                decay_rate=0.5,
                staircase=True,
                begin=3 * windows(20),
            ),
            batch=20 * 20,
            epochs=13,
        ),
    )
)

lstm_lm_small = register_preset(
    replace(
        lstm_lm_ptb,
        name="lstm_lm_small",
        summary="2 LSTMs of 256, tied weights; a language model of two cores",
        expect="Penn Treebank, narrowed to 200: perplexity 111, benchmarks/RESULTS.md",
        parameters=3_106_624,
        task=LanguageModeling(vocabulary=8000, window=32, restart=0.01),
        features=partial(DroppedTokenFeatures, width=256, row_dropout=0.1),
        encoder=partial(
            LanguageModelEncoder,
            units=(256, 256),
            input_dropout=0.3,
            hidden_dropout=0.3,
            output_dropout=0.3,
            weight_dropout=0.2,
        ),
        decoder=partial(NextTokenDecoder, tie_source=True),
        recipe=Recipe(
            optimizer=partial(Adam, global_clipnorm=1.0),
            schedule=partial(
                PolynomialDecay, initial_learning_rate=3e-3, decay_steps=0, power=1.0
            ),
            batch=16 * 32,
            epochs=6,
        ),
        demo={},
    )
)

lstm_lm_wikitext2 = register_preset(
    Preset(
        name="lstm_lm_wikitext2",
        summary="2 LSTMs of 896 and one of 256, tied weights; OpenSeq2Seq's",
        paper="https://arxiv.org/abs/1708.02182",
        expect="WikiText-2, other tokens: perplexity 89.9 (OpenSeq2Seq)",
        parameters=20_292_096,
        task=LanguageModeling(vocabulary=33_280, window=96),
        features=partial(DroppedTokenFeatures, width=256, entry_dropout=0.63),
        encoder=partial(
            LanguageModelEncoder,
            units=(896, 896, 256),
            hidden_dropout=0.4,
            output_dropout=0.4,
            weight_dropout=0.3,
            initial_range=0.1,
        ),
        decoder=partial(NextTokenDecoder, tie_source=True),
        recipe=Recipe(
            optimizer=partial(Adam),
            schedule=partial(Constant, initial_learning_rate=4e-4),
            batch=160 * 96,
            devices=1,
            epochs=1500,
            patience=20,
        ),
        demo={"task.window": 32, "recipe.batch": 512, "recipe.epochs": 1},
    )
)

lstm_lm_wikitext103 = register_preset(
    replace(
        lstm_lm_wikitext2,
        name="lstm_lm_wikitext103",
        summary="2 LSTMs of 1024 and one of 400, tied weights, adaptive softmax",
        expect="WikiText-103, other tokens: perplexity 48.6 (OpenSeq2Seq, 8 GPUs)",
        parameters=123_605_104,
        task=replace(lstm_lm_wikitext2.task, vocabulary=267_737),
        features=partial(DroppedTokenFeatures, width=400, row_dropout=0.2),
        encoder=partial(
            LanguageModelEncoder,
            units=(1024, 1024, 400),
            hidden_dropout=0.15,
            output_dropout=0.15,
            weight_dropout=0.3,
            initial_range=0.1,
        ),
        decoder=partial(NextTokenDecoder, tie_source=True, cutoffs=(20_000, 60_000)),
        recipe=replace(
            lstm_lm_wikitext2.recipe,
            schedule=partial(Constant, initial_learning_rate=1e-3),
            batch=64 * 96,
            precision="mixed_float16",
        ),
    )
)

"""AWD-LSTM (Merity et al., 2017): what an LSTM reaches that forgets on purpose."""

from functools import partial

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.decoders.next_token import NextTokenDecoder
from s2s_zoo.encoders.language_model import LanguageModelEncoder
from s2s_zoo.features.dropped_tokens import DroppedTokenFeatures
from s2s_zoo.optimizers.averaged_sgd import NonMonotonicASGD
from s2s_zoo.optimizers.schedules import Constant
from s2s_zoo.tasks.language_modeling import LanguageModeling

awd_lstm_ptb = register_preset(
    Preset(
        name="awd_lstm_ptb",
        summary="AWD-LSTM: 2 LSTMs of 1150 and one of 400, tied, averaged SGD",
        paper="https://arxiv.org/abs/1708.02182",
        expect="Penn Treebank: perplexity 57.3 (paper, 500 epochs of one GPU)",
        parameters=24_211_602,
        task=LanguageModeling(vocabulary=10_002, window=70, varies=True),
        features=partial(
            DroppedTokenFeatures, width=400, deviation=0.1 / 3**0.5, row_dropout=0.1
        ),
        encoder=partial(
            LanguageModelEncoder,
            units=(1150, 1150, 400),
            input_dropout=0.4,
            hidden_dropout=0.25,
            output_dropout=0.4,
            weight_dropout=0.5,
            activation_l2=2.0,
            temporal_l2=1.0,
        ),
        decoder=partial(NextTokenDecoder, tie_source=True),
        recipe=Recipe(
            optimizer=partial(
                NonMonotonicASGD,
                interval=5,
                global_clipnorm=0.25,
                weight_decay=1.2e-6,
            ),
            schedule=partial(Constant, initial_learning_rate=30.0),
            batch=40 * 70,
            epochs=500,
        ),
        demo={"recipe.epochs": 3},
    )
)

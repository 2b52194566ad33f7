"""Sentiment: LSTMs whose encoder is that of a language model, and Kim's convolutions.

sentiment_imdb and sentiment_sst are those of OpenSeq2Seq (imdb-from-scratch, sst-wkt2),
and start from a language model of WikiText-2 with --init-from RUN. Their cells are
those of `lstm_lm`, and what was an L2 of 2e-6 decays the weights. sentiment_cnn is the
CNN-rand of Kim, 2014, https://arxiv.org/abs/1408.5882, with AdamW's decay; in
sentiment_cnn_bayes naive Bayes has a part in what it says.
"""

from dataclasses import replace
from functools import partial

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.decoders.bayesian_classifier import BayesianClassifierDecoder
from s2s_zoo.decoders.classifier import ClassifierDecoder
from s2s_zoo.encoders.language_model import LanguageModelEncoder
from s2s_zoo.encoders.text_cnn import TextCNNEncoder
from s2s_zoo.features.dropped_tokens import DroppedTokenFeatures
from s2s_zoo.features.tokens import TokenFeatures
from s2s_zoo.optimizers.adam import Adam
from s2s_zoo.optimizers.schedules import Constant, PolynomialDecay
from s2s_zoo.tasks.text_classification import TextClassification

DEMO = {
    "task.tokenizer": "word",
    "task.max_tokens": 32,
    "recipe.batch": 1024.0,
    "recipe.epochs": 3,
    "recipe.schedule.initial_learning_rate": 3e-3,
}
"""What the demo corpus of short reviews asks for."""

sentiment_imdb = register_preset(
    Preset(
        name="sentiment_imdb",
        summary="3 LSTMs of 896, 896 and 256 over reviews of up to 256 pieces of words",
        paper="https://arxiv.org/abs/1801.06146",
        expect="IMDB: OpenSeq2Seq published no figure",
        parameters=15_933_954,
        task=TextClassification(vocabulary=16_384, max_tokens=256),
        features=partial(DroppedTokenFeatures, width=256, entry_dropout=0.63),
        encoder=partial(
            LanguageModelEncoder,
            units=(896, 896, 256),
            hidden_dropout=0.4,
            output_dropout=0.4,
            weight_dropout=0.3,
            initial_range=0.1,
        ),
        decoder=partial(ClassifierDecoder, pooling="last"),
        recipe=Recipe(
            optimizer=partial(Adam, weight_decay=2e-6),
            schedule=partial(Constant, initial_learning_rate=9e-4),
            batch=81_920.0,
            epochs=1500,
        ),
        demo=DEMO,
    )
)

sentiment_sst = register_preset(
    replace(
        sentiment_imdb,
        name="sentiment_sst",
        summary="3 LSTMs of 896, 896 and 256 over sentences of up to 96 words",
        expect="SST-2: OpenSeq2Seq published no figure",
        parameters=14_812_162,
        task=TextClassification(tokenizer="word", vocabulary=12_000, max_tokens=96),
        features=partial(sentiment_imdb.features, entry_dropout=0.3),
        encoder=partial(
            sentiment_imdb.encoder,
            hidden_dropout=0.2,
            output_dropout=0.2,
            weight_dropout=0.0,
        ),
        decoder=partial(ClassifierDecoder, pooling="state"),
        recipe=replace(
            sentiment_imdb.recipe,
            schedule=partial(Constant, initial_learning_rate=1e-4),
            batch=1920.0,
            epochs=120,
        ),
    )
)

sentiment_cnn = register_preset(
    replace(
        sentiment_sst,
        name="sentiment_cnn",
        summary="convolutions over 3, 4 and 5 words side by side, their maxima",
        paper="https://arxiv.org/abs/1408.5882",
        expect="MR 76.1 %, SST-2 82.7 % (Kim, 2014, CNN-rand, with phrases)",
        parameters=1_690_502,
        features=partial(TokenFeatures, width=128, deviation=0.1),
        encoder=partial(TextCNNEncoder, kernels=(3, 4, 5), filters=100, dropout=0.3),
        decoder=partial(ClassifierDecoder, pooling="max", dropout=0.5),
        recipe=replace(
            sentiment_imdb.recipe,
            optimizer=partial(Adam, weight_decay=0.01),
            schedule=partial(
                PolynomialDecay, initial_learning_rate=1e-3, decay_steps=0, power=1.0
            ),
            batch=1600.0,
            epochs=10,
        ),
    )
)

sentiment_cnn_bayes = register_preset(
    replace(
        sentiment_cnn,
        name="sentiment_cnn_bayes",
        summary="sentiment_cnn over pieces of words, joined by naive Bayes of pairs",
        paper="https://arxiv.org/abs/1412.5335",
        expect="SST-2: 83.4 % (sentiment_cnn: 81.3 %) in 3 minutes of a core",
        parameters=1_203_078,
        task=replace(
            sentiment_cnn.task,
            tokenizer="unigram",
            vocabulary=8192,
            subword_dropout=0.5,
        ),
        encoder=partial(sentiment_cnn.encoder, dropout=0.5),
        decoder=partial(BayesianClassifierDecoder, pooling="max", dropout=0.5),
        recipe=replace(
            sentiment_cnn.recipe,
            optimizer=partial(Adam, weight_decay=0.1),
            epochs=14,
        ),
    )
)

sentiment_small = register_preset(
    replace(
        sentiment_sst,
        name="sentiment_small",
        summary="2 LSTMs of 256, the encoder of lstm_lm_small, over sentences",
        expect="the demo's generated reviews: 99 % in a minute of two cores",
        parameters=4_123_138,
        features=partial(DroppedTokenFeatures, width=256, row_dropout=0.1),
        encoder=partial(LanguageModelEncoder, units=(256, 256), output_dropout=0.3),
        decoder=partial(ClassifierDecoder, pooling="last"),
        recipe=replace(
            sentiment_cnn.recipe,
            schedule=partial(
                PolynomialDecay, initial_learning_rate=2e-3, decay_steps=0, power=1.0
            ),
        ),
    )
)

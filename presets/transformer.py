"""The Transformer (Vaswani et al., 2017, https://arxiv.org/abs/1706.03762).

Pre-norm blocks and one table of embeddings for source, target and softmax, as in
OpenSeq2Seq; `transformer_tiny` is the size of Wu et al., 2021
(https://arxiv.org/abs/2105.14462) for 30,000 sentences.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.decoders.transformer import TransformerDecoder
from s2s_zoo.encoders.transformer import TransformerEncoder
from s2s_zoo.features.tokens import TokenFeatures
from s2s_zoo.optimizers.adam import Adam
from s2s_zoo.optimizers.larc import adam_larc
from s2s_zoo.optimizers.novograd import NovoGrad
from s2s_zoo.optimizers.schedules import InverseSquareRoot, PolynomialDecay
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.tasks.text_to_text import TextToText

PAPER = "https://arxiv.org/abs/1706.03762"
ADAM = partial(Adam, beta_2=0.997, epsilon=1e-9, ema_momentum=0.999)
"""The published LazyAdam does the same: the gradient of a tied table is dense."""
BIG_DROPOUT = {"dropout": 0.3, "attention_dropout": 0.1, "relu_dropout": 0.3}
DEMO = {"task.vocabulary": 200, "recipe.batch": 512, "recipe.epochs": 1}

BASE: dict[str, Any] = {"width": 512, "layers": 6, "heads": 8, "hidden": 2048}
BIG: dict[str, Any] = {
    "width": 1024,
    "layers": 6,
    "heads": 16,
    "hidden": 4096,
    **BIG_DROPOUT,
}
BATCH_NORM: dict[str, Any] = {
    **BIG,
    "attention_dropout": 0.02,
    "norm": "batch",
    "epsilon": 1e-5,
}
NVGRAD: dict[str, Any] = {**BIG, "epsilon": 1e-5}
TINY: dict[str, Any] = {
    "width": 128,
    "layers": 4,
    "heads": 4,
    "hidden": 256,
    "dropout": 0.3,
    "attention_dropout": 0.0,
    "relu_dropout": 0.0,
}

transformer_base = register_preset(
    Preset(
        name="transformer_base",
        summary="6+6 layers of 512, 8 heads; translation",
        paper=PAPER,
        expect="WMT14 English-German: BLEU 26.4 (OpenSeq2Seq, cased sacreBLEU)",
        parameters=60_880_896,
        task=TextToText(max_tokens=256, search=TokenSearch(beam=4, length_penalty=0.6)),
        features=partial(TokenFeatures, width=512, scaled=True),
        encoder=partial(TransformerEncoder, **BASE),
        decoder=partial(TransformerDecoder, **BASE),
        recipe=Recipe(
            optimizer=ADAM,
            schedule=partial(
                InverseSquareRoot, initial_learning_rate=2.0, d_model=512, warmup=8000
            ),
            batch=8192,
            epochs=1000,
            max_steps=300_000,
            checkpoint_every=2000,
            validate_every=10_000,
            keep_checkpoints=5,
            average=5,
        ),
        demo=DEMO,
    )
)

transformer_big = register_preset(
    replace(
        transformer_base,
        name="transformer_big",
        summary="6+6 layers of 1024, 16 heads; translation",
        expect="WMT14 English-German: BLEU 27.5 (OpenSeq2Seq, cased sacreBLEU)",
        parameters=209_842_176,
        features=partial(TokenFeatures, width=1024, scaled=True),
        encoder=partial(TransformerEncoder, **BIG),
        decoder=partial(TransformerDecoder, **BIG),
        recipe=replace(
            transformer_base.recipe,
            schedule=partial(
                InverseSquareRoot, initial_learning_rate=2.0, d_model=1024, warmup=8000
            ),
            precision="mixed_float16",
        ),
    )
)

transformer_big_bn = register_preset(
    replace(
        transformer_big,
        name="transformer_big_bn",
        summary="transformer_big with batch normalization",
        expect="WMT14 English-German: no figure was published",
        parameters=209_776_640,
        encoder=partial(TransformerEncoder, **BATCH_NORM),
        decoder=partial(TransformerDecoder, **BATCH_NORM),
        recipe=replace(
            transformer_big.recipe,
            optimizer=partial(adam_larc, beta_2=0.997, epsilon=1e-9, eta=1e-3),
            max_steps=1_000_000,
        ),
    )
)

transformer_nvgrad = register_preset(
    replace(
        transformer_big,
        name="transformer_nvgrad",
        summary="transformer_big trained by NovoGrad",
        paper="https://arxiv.org/abs/1905.11286",
        expect="WMT14 English-German: BLEU 28.0 (OpenSeq2Seq, cased sacreBLEU)",
        encoder=partial(TransformerEncoder, **NVGRAD),
        decoder=partial(TransformerDecoder, **NVGRAD),
        recipe=replace(
            transformer_big.recipe,
            optimizer=partial(NovoGrad, beta_1=0.95, beta_2=0.99, weight_decay=1e-5),
            schedule=partial(
                PolynomialDecay, initial_learning_rate=0.04, decay_steps=0, power=2.0
            ),
            max_steps=600_000,
        ),
    )
)

transformer_tiny = register_preset(
    replace(
        transformer_base,
        name="transformer_tiny",
        summary="4+4 layers of 128, 4 heads; 30,000 sentences are enough",
        paper="https://arxiv.org/abs/2105.14462",
        expect="Multi30k English-German: BLEU 39.2 cased and detokenized, in 70 min "
        "of one core (the paper's 41.0 is tokenized, in lower case)",
        parameters=2_599_424,
        task=replace(
            transformer_base.task,
            vocabulary=10_000,
            search=TokenSearch(
                beam=5, length_penalty=1.0, length_factor=1.5, length_extra=10
            ),
        ),
        features=partial(TokenFeatures, width=128, scaled=True),
        encoder=partial(TransformerEncoder, **TINY),
        decoder=partial(TransformerDecoder, **TINY),
        recipe=replace(
            transformer_base.recipe,
            optimizer=partial(ADAM, beta_2=0.98),
            schedule=partial(
                InverseSquareRoot, initial_learning_rate=2.5, d_model=128, warmup=2000
            ),
            batch=4096,
            epochs=32,
            max_steps=0,
            checkpoint_every=100,
            validate_every=0,
            keep_checkpoints=10,
            average=10,
        ),
        demo={"task.vocabulary": 200, "recipe.epochs": 10},
    )
)

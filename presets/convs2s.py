"""ConvS2S (Gehring et al., 2017, https://arxiv.org/abs/1705.03122)."""

from functools import partial

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.decoders.convs2s import ConvS2SDecoder
from s2s_zoo.encoders.convs2s import ConvS2SEncoder
from s2s_zoo.features.tokens import TokenFeatures
from s2s_zoo.losses.cross_entropy import CrossEntropy
from s2s_zoo.optimizers.adam import Adam
from s2s_zoo.optimizers.schedules import InverseSquareRoot
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.tasks.text_to_text import TextToText

CHANNELS = (*(512,) * 9, *(1024,) * 4, *(2048,) * 2)
KERNELS = (*(3,) * 13, *(1,) * 2)

convs2s = register_preset(
    Preset(
        name="convs2s",
        summary="15+15 gated convolutions, an attention for each; translation",
        paper="https://arxiv.org/abs/1705.03122",
        expect="WMT14 English-German: BLEU 25.0 (OpenSeq2Seq)",
        parameters=135_950_336,
        task=TextToText(
            max_tokens=64,
            search=TokenSearch(beam=5, length_penalty=0.6, length_extra=56),
            objective=CrossEntropy(label_smoothing=0.0),
        ),
        features=partial(TokenFeatures, width=512, deviation=0.1),
        encoder=partial(
            ConvS2SEncoder,
            channels=CHANNELS,
            kernels=KERNELS,
            attention_layers=len(CHANNELS),
            dropout=0.2,
        ),
        decoder=partial(
            ConvS2SDecoder,
            width=512,
            channels=CHANNELS,
            kernels=KERNELS,
            out_width=512,
            dropout=0.2,
            tie_source=True,
            tie_output=True,
        ),
        recipe=Recipe(
            optimizer=partial(Adam, global_clipnorm=0.1),
            schedule=partial(
                InverseSquareRoot,
                initial_learning_rate=9.0,
                d_model=512,
                warmup=4000,
                maximum=1e-3,
            ),
            batch=4096,
            epochs=35,
            max_steps=310_000,
            checkpoint_every=2000,
            validate_every=10_000,
        ),
        demo={"task.vocabulary": 200, "recipe.batch": 512, "recipe.epochs": 1},
    )
)

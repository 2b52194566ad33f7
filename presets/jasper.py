"""Jasper (Li et al., 2019, https://arxiv.org/abs/1904.03288), dense and small.

Tables and recipes of OpenSeq2Seq. Its LARC is left out: it scaled a gradient that
NovoGrad then divided by its norm, which changed nothing.
"""

from dataclasses import replace
from functools import partial

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.data.augmentation import AudioAugmentation
from s2s_zoo.decoders.ctc import CTCDecoder
from s2s_zoo.encoders.tdnn import TDNNEncoder
from s2s_zoo.features.mel import LogMel
from s2s_zoo.features.spec_augment import SpecAugment
from s2s_zoo.optimizers.novograd import NovoGrad
from s2s_zoo.optimizers.schedules import PolynomialDecay
from s2s_zoo.tasks.speech_to_text import SpeechToText

DENSE = ("none", *("dense",) * 5, "none", "none")
PLAIN = ("none", *("plain",) * 5, "none", "none")

jasper_10x5 = register_preset(
    Preset(
        name="jasper_10x5",
        summary="10 blocks of 5 convolutions with dense residuals, CTC",
        paper="https://arxiv.org/abs/1904.03288",
        expect="LibriSpeech dev-clean: greedy WER 3.61 % (OpenSeq2Seq, 8 GPUs)",
        parameters=332_632_349,
        task=SpeechToText(augmentation=AudioAugmentation(speed=(0.9, 1.0, 1.1))),
        features=partial(LogMel, num_features=64, dither=1e-5),
        encoder=partial(
            TDNNEncoder,
            kinds=("conv1d",) * 8,
            blocks=(1, 2, 2, 2, 2, 2, 1, 1),
            repeats=(1, 5, 5, 5, 5, 5, 1, 1),
            kernels=(11, 11, 13, 17, 21, 25, 29, 1),
            channels=(256, 256, 384, 512, 640, 768, 896, 1024),
            strides=(2, 1, 1, 1, 1, 1, 1, 1),
            dilations=(1, 1, 1, 1, 1, 1, 2, 1),
            dropouts=(0.2, 0.2, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4),
            residuals=DENSE,
        ),
        decoder=partial(CTCDecoder),
        recipe=Recipe(
            optimizer=partial(NovoGrad, beta_1=0.95, beta_2=0.98, weight_decay=1e-3),
            schedule=partial(
                PolynomialDecay,
                initial_learning_rate=0.02,
                decay_steps=0,
                power=2.0,
                minimum=1e-5,
            ),
            precision="mixed_float16",
            batch=3200.0,
            epochs=400,
        ),
        demo={"recipe.batch": 32.0, "recipe.epochs": 4},
    )
)

jasper_mini = register_preset(
    replace(
        jasper_10x5,
        name="jasper_mini",
        summary="10 blocks of 3 separable convolutions with plain residuals, CTC",
        expect="what fits a small board; OpenSeq2Seq published no error rate",
        parameters=8_192_733,
        task=SpeechToText(),
        augmentation=partial(SpecAugment, frequency_width=6, time_width=6),
        encoder=partial(
            jasper_10x5.encoder,
            kinds=("separable",) * 8,
            repeats=(1, 3, 3, 3, 3, 3, 1, 1),
            channels=(256, 256, 256, 512, 512, 512, 512, 1024),
            dropouts=(0.0,) * 8,
            residuals=PLAIN,
        ),
        recipe=replace(jasper_10x5.recipe, precision="float32", batch=400.0, epochs=50),
    )
)

"""Spoken commands: OpenSeq2Seq's ResNet-50 and Jasper-10x3, and a small network.

The recipes are those of resnet_commands and jasper_commands, on one device.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import keras

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.data.augmentation import AudioAugmentation
from s2s_zoo.decoders.classifier import ClassifierDecoder
from s2s_zoo.encoders.resnet import ResNetEncoder
from s2s_zoo.encoders.tdnn import TDNNEncoder
from s2s_zoo.features.clip import ClipFeatures
from s2s_zoo.features.mel import LogMel
from s2s_zoo.optimizers.adam import Adam
from s2s_zoo.optimizers.larc import momentum_larc
from s2s_zoo.optimizers.schedules import PolynomialDecay
from s2s_zoo.tasks.audio_classification import AudioClassification

L2, JASPER_L2 = 1e-4, 1e-3

MEL: Any = partial(LogMel, window_seconds=0.025)
MEL_128: Any = partial(MEL, num_features=128, stride_seconds=0.008)
MEL_40: Any = partial(MEL, num_features=40)

speech_commands_resnet50 = register_preset(
    Preset(
        name="speech_commands_resnet50",
        summary="ResNet-50 v2 over mel spectrograms of 126 x 128",
        paper="https://arxiv.org/abs/1603.05027",
        expect="Speech Commands, 12 of v1: 96.6 % (OpenSeq2Seq, 8 GPUs, 100 epochs)",
        parameters=23_537_676,
        task=AudioClassification(
            augmentation=AudioAugmentation(speed=0.2, noise_db=(-90.0, -46.0))
        ),
        features=partial(ClipFeatures, frontend=MEL_128, image=True),
        encoder=partial(
            ResNetEncoder,
            blocks=(3, 4, 6, 3),
            bottleneck=True,
            bias=True,
            strides_last=True,
            momentum=0.99,
            epsilon=1.001e-5,
            l2=L2,
        ),
        decoder=partial(ClassifierDecoder, l2=L2),
        recipe=Recipe(
            optimizer=partial(keras.optimizers.SGD, momentum=0.95),
            schedule=partial(
                PolynomialDecay, initial_learning_rate=0.2, decay_steps=0, power=2.0
            ),
            precision="mixed_float16",
            batch=32.0,
            epochs=20,
        ),
        demo={
            "recipe.precision": "float32",
            "recipe.epochs": 3,
            "recipe.schedule.initial_learning_rate": 0.02,
        },
    )
)

speech_commands_jasper = register_preset(
    replace(
        speech_commands_resnet50,
        name="speech_commands_jasper",
        summary="10 blocks of 3 convolutions with plain residuals, over 128 mel bands",
        paper="https://arxiv.org/abs/1904.03288",
        expect="Speech Commands, 12 of v1: 96.2 % (OpenSeq2Seq, 8 GPUs, 200 epochs)",
        parameters=207_337_484,
        features=partial(ClipFeatures, frontend=MEL_128),
        encoder=partial(
            TDNNEncoder,
            kinds=("conv1d",) * 10,
            blocks=(1, 2, 1, 2, 1, 2, 2, 2, 1, 1),
            repeats=(1, 3, 1, 3, 1, 3, 3, 3, 1, 1),
            kernels=(11, 11, 13, 13, 17, 17, 21, 25, 29, 1),
            channels=(256, 256, 384, 384, 512, 512, 640, 768, 896, 1024),
            strides=(2, 1, 2, 1, 2, 1, 1, 1, 1, 1),
            dilations=(1, 1, 1, 1, 1, 1, 1, 1, 2, 1),
            dropouts=(0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4),
            residuals=(
                *("none", "plain", "none", "plain", "none"),
                *("plain", "plain", "plain", "none", "none"),
            ),
            l2=JASPER_L2,
        ),
        decoder=partial(ClassifierDecoder, pooling="flatten", l2=JASPER_L2),
        recipe=replace(
            speech_commands_resnet50.recipe,
            optimizer=partial(momentum_larc, momentum=0.95, eta=1e-3),
            schedule=partial(
                PolynomialDecay,
                initial_learning_rate=0.05,
                decay_steps=0,
                power=2.0,
                minimum=1e-5,
            ),
            batch=64.0,
        ),
    )
)

speech_commands_small = register_preset(
    replace(
        speech_commands_jasper,
        name="speech_commands_small",
        summary="4 blocks of separable convolutions over 40 mel bands",
        paper="https://arxiv.org/abs/2004.08531",
        expect="the demo's synthesized commands in two minutes of two cores",
        parameters=96_908,
        features=partial(ClipFeatures, frontend=MEL_40),
        encoder=partial(
            TDNNEncoder,
            kinds=("conv1d", "separable", "separable", "conv1d"),
            blocks=(1, 2, 2, 1),
            repeats=(1, 2, 2, 1),
            kernels=(11, 13, 17, 1),
            channels=(64, 64, 64, 128),
            strides=(2, 1, 1, 1),
            dilations=(1, 1, 1, 1),
            dropouts=(0.0, 0.1, 0.1, 0.1),
            residuals=("none", "plain", "plain", "none"),
        ),
        decoder=partial(ClassifierDecoder, dropout=0.1),
        recipe=Recipe(
            optimizer=partial(Adam, weight_decay=0.01),
            schedule=partial(
                PolynomialDecay, initial_learning_rate=5e-3, decay_steps=0, power=1.0
            ),
            batch=32.0,
            epochs=30,
        ),
        demo={"recipe.epochs": 12},
    )
)

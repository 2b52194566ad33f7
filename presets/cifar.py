"""The network that OpenSeq2Seq trains on CIFAR-10, with its recipe."""

from functools import partial

import keras

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.data.image_augmentation import ImageAugmentation
from s2s_zoo.decoders.classifier import ClassifierDecoder
from s2s_zoo.encoders.cnn import CNNEncoder
from s2s_zoo.features.images import ImageFeatures
from s2s_zoo.optimizers.schedules import PolynomialDecay
from s2s_zoo.tasks.image_classification import ImageClassification

L2 = 2e-4
BLOCK = ("conv", "conv", "norm_conv", "max_pool")

cifar_nv = register_preset(
    Preset(
        name="cifar_nv",
        summary="8 convolutions, batch normalization before pooling; 32 x 32 colours",
        paper="https://arxiv.org/abs/1805.10387",
        expect="CIFAR-10: no figure of OpenSeq2Seq",
        parameters=2_617_994,
        task=ImageClassification(
            size=(32, 32),
            channels=3,
            augmentation=ImageAugmentation(padding=4, flip=0.5),
        ),
        features=partial(
            ImageFeatures,
            mean=(0.4914, 0.4822, 0.4465),
            deviation=(0.2470, 0.2435, 0.2616),
        ),
        encoder=partial(
            CNNEncoder,
            kinds=(*BLOCK, *BLOCK, "conv", "conv"),
            kernels=(3, 3, 3, 3, 3, 3, 3, 3, 3, 1),
            channels=(128, 128, 128, 0, 256, 256, 256, 0, 320, 320),
            strides=(1, 1, 1, 2, 1, 1, 1, 2, 1, 1),
            paddings=("same",) * 10,
            momentum=0.9,
            epsilon=1e-4,
            l2=L2,
        ),
        decoder=partial(ClassifierDecoder, l2=L2),
        recipe=Recipe(
            optimizer=partial(keras.optimizers.SGD, momentum=0.9),
            schedule=partial(
                PolynomialDecay, initial_learning_rate=1e-3, decay_steps=0, power=1.0
            ),
            batch=32.0,
            epochs=200,
        ),
        demo={
            "task.channels": 1,
            "task.augmentation.flip": 0.0,
            "features.mean": (0.5,),
            "features.deviation": (0.25,),
            "recipe.epochs": 3,
            "recipe.schedule.initial_learning_rate": 0.01,
        },
    )
)

"""AlexNet on "one weird trick" (Krizhevsky, 2014, arXiv 1404.5997), without its groups.

Table and recipe are OpenSeq2Seq's.
"""

from functools import partial

import keras

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.data.image_augmentation import ImageAugmentation
from s2s_zoo.decoders.classifier import ClassifierDecoder
from s2s_zoo.encoders.cnn import CNNEncoder
from s2s_zoo.features.images import ImageFeatures
from s2s_zoo.optimizers.schedules import PolynomialDecay
from s2s_zoo.tasks.image_classification import ImageClassification

L2 = 5e-4
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

alexnet_owt = register_preset(
    Preset(
        name="alexnet_owt",
        summary="5 convolutions and 3 dense layers; images of 227 x 227",
        paper="https://arxiv.org/abs/1404.5997",
        expect="ImageNet: no figure of OpenSeq2Seq",
        parameters=61_100_840,
        task=ImageClassification(
            size=(227, 227),
            channels=3,
            shorter_side=256,
            classes=1000,
            augmentation=ImageAugmentation(area=(0.08, 1.0), flip=0.5),
        ),
        features=partial(ImageFeatures, mean=MEAN, deviation=DEVIATION),
        encoder=partial(
            CNNEncoder,
            kinds=(
                *("conv", "max_pool", "conv", "max_pool"),
                *("conv", "conv", "conv", "max_pool"),
            ),
            kernels=(11, 3, 5, 3, 3, 3, 3, 3),
            channels=(64, 0, 192, 0, 384, 256, 256, 0),
            strides=(4, 2, 1, 2, 1, 1, 1, 2),
            paddings=(
                *("valid", "valid", "same", "valid"),
                *("same", "same", "same", "valid"),
            ),
            l2=L2,
        ),
        decoder=partial(
            ClassifierDecoder,
            pooling="flatten",
            hidden=(4096, 4096),
            dropout=0.5,
            l2=L2,
        ),
        recipe=Recipe(
            optimizer=partial(keras.optimizers.SGD, momentum=0.9),
            schedule=partial(
                PolynomialDecay, initial_learning_rate=0.04, decay_steps=0, power=1.0
            ),
            batch=1024.0,
            epochs=120,
        ),
        demo={
            "task.size": (67, 67),
            "task.channels": 1,
            "task.shorter_side": 0,
            "task.classes": 10,
            "task.augmentation.area": None,
            "task.augmentation.flip": 0.0,
            "features.mean": (0.5,),
            "features.deviation": (0.25,),
            "decoder.hidden": (256, 256),
            "recipe.batch": 32.0,
            "recipe.epochs": 4,
            "recipe.schedule.initial_learning_rate": 0.02,
        },
    )
)

"""Residual networks (He et al., 2015 and 2016, arXiv 1512.03385 and 1603.05027).

resnet50_v2, 101 and 152 are those of `keras.applications`: a stage strides in its last
block, and convolutions that nothing normalizes have biases. 18 and 34 are those of
TensorFlow's official models, which stride in the first, but for the stem: its maxima
are taken with a row of zeros on each side, as in the larger ones. The recipe is
OpenSeq2Seq's of resnet-50-v2-mp, 8 GPUs with 128 images each.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import keras

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.data.image_augmentation import ImageAugmentation
from s2s_zoo.decoders.classifier import ClassifierDecoder
from s2s_zoo.encoders.resnet import ResNetEncoder
from s2s_zoo.features.images import ImageFeatures
from s2s_zoo.losses.label_cross_entropy import LabelCrossEntropy
from s2s_zoo.optimizers.schedules import PolynomialDecay
from s2s_zoo.tasks.image_classification import ImageClassification

L2 = 1e-4

KERAS: dict[str, Any] = {
    "bias": True,
    "strides_last": True,
    "momentum": 0.99,
    "epsilon": 1.001e-5,
}
OFFICIAL: dict[str, Any] = {"momentum": 0.997, "epsilon": 1e-5}
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

SMALL_IMAGES = {
    "task.size": (28, 28),
    "task.channels": 1,
    "task.shorter_side": 0,
    "task.classes": 10,
    "task.augmentation.area": None,
    "task.augmentation.flip": 0.0,
    "features.mean": (0.5,),
    "features.deviation": (0.25,),
    "recipe.batch": 32.0,
    "recipe.epochs": 2,
    "recipe.schedule.initial_learning_rate": 0.02,
}
"""What the demo corpus asks of a network for photographs."""

imagenet = ImageClassification(
    size=(224, 224),
    channels=3,
    shorter_side=256,
    classes=1000,
    augmentation=ImageAugmentation(area=(0.08, 1.0), flip=0.5),
)

resnet18_v2 = register_preset(
    Preset(
        name="resnet18_v2",
        summary="18 layers in residual blocks of two convolutions; images of 224 x 224",
        paper="https://arxiv.org/abs/1603.05027",
        expect="ImageNet: no figure of OpenSeq2Seq",
        parameters=11_691_816,
        task=imagenet,
        features=partial(
            ImageFeatures, mean=IMAGENET_MEAN, deviation=IMAGENET_DEVIATION
        ),
        encoder=partial(ResNetEncoder, blocks=(2, 2, 2, 2), l2=L2, **OFFICIAL),
        decoder=partial(ClassifierDecoder, l2=L2),
        recipe=Recipe(
            optimizer=partial(keras.optimizers.SGD, momentum=0.9),
            schedule=partial(
                PolynomialDecay, initial_learning_rate=0.4, decay_steps=0, power=2.0
            ),
            batch=1024.0,
            epochs=100,
        ),
        demo=SMALL_IMAGES,
    )
)

resnet34_v2 = register_preset(
    replace(
        resnet18_v2,
        name="resnet34_v2",
        summary="34 layers in residual blocks of two convolutions; images of 224 x 224",
        parameters=21_799_976,
        encoder=partial(resnet18_v2.encoder, blocks=(3, 4, 6, 3)),
    )
)

resnet50_v2 = register_preset(
    replace(
        resnet18_v2,
        name="resnet50_v2",
        summary="50 layers in residual bottlenecks; images of 224 x 224",
        expect="ImageNet: top-1 76.38 %, top-5 93.08 % (OpenSeq2Seq, 8 GPUs)",
        parameters=25_568_360,
        encoder=partial(
            ResNetEncoder, blocks=(3, 4, 6, 3), bottleneck=True, l2=L2, **KERAS
        ),
    )
)

resnet101_v2 = register_preset(
    replace(
        resnet50_v2,
        name="resnet101_v2",
        summary="101 layers in residual bottlenecks; images of 224 x 224",
        expect="ImageNet: no figure of OpenSeq2Seq",
        parameters=44_577_896,
        encoder=partial(resnet50_v2.encoder, blocks=(3, 4, 23, 3)),
    )
)

resnet152_v2 = register_preset(
    replace(
        resnet101_v2,
        name="resnet152_v2",
        summary="152 layers in residual bottlenecks; images of 224 x 224",
        parameters=60_236_904,
        encoder=partial(resnet50_v2.encoder, blocks=(3, 8, 36, 3)),
    )
)

resnet_small = register_preset(
    replace(
        resnet18_v2,
        name="resnet_small",
        summary="8 layers in residual blocks; grey images of 28 x 28",
        expect="demo_digits: accuracy 92 % in 2 min of two cores",
        parameters=77_818,
        task=ImageClassification(
            objective=LabelCrossEntropy(label_smoothing=0.1),
            augmentation=ImageAugmentation(padding=2),
        ),
        features=partial(ImageFeatures),
        encoder=partial(
            ResNetEncoder,
            blocks=(1, 1, 1),
            width=16,
            stem_kernel=3,
            stem_stride=1,
            stem_pool=False,
            momentum=0.9,
            epsilon=1e-5,
            l2=5e-4,
        ),
        decoder=partial(ClassifierDecoder),
        recipe=Recipe(
            optimizer=partial(keras.optimizers.SGD, momentum=0.9, nesterov=True),
            schedule=partial(
                PolynomialDecay,
                initial_learning_rate=0.1,
                decay_steps=0,
                power=1.0,
                warmup=60,
            ),
            batch=64.0,
            epochs=12,
        ),
        demo={"recipe.epochs": 14},
    )
)

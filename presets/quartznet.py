"""QuartzNet (Kriman et al., 2019, https://arxiv.org/abs/1910.10261).

Tables and recipes of OpenSeq2Seq, but for the residual around the block of kernel 87,
which it had and the paper has not.
"""

from dataclasses import replace
from functools import partial

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.decoders.ctc import CTCDecoder
from s2s_zoo.encoders.tdnn import TDNNEncoder
from s2s_zoo.features.mel import LogMel
from s2s_zoo.features.spec_augment import SpecAugment
from s2s_zoo.optimizers.novograd import NovoGrad
from s2s_zoo.optimizers.schedules import CosineDecay
from s2s_zoo.tasks.speech_to_text import SpeechToText

quartznet_15x5 = register_preset(
    Preset(
        name="quartznet_15x5",
        summary="15 blocks of 5 separable convolutions with residuals, CTC",
        paper="https://arxiv.org/abs/1910.10261",
        expect="LibriSpeech test-clean: greedy WER 3.9 % (paper, 8 GPUs, 400 epochs)",
        parameters=18_930_269,
        task=SpeechToText(),
        features=partial(LogMel, num_features=64, dither=1e-5),
        augmentation=partial(SpecAugment, frequency_width=6, time_width=6),
        encoder=partial(
            TDNNEncoder,
            kinds=(*("separable",) * 7, "conv1d"),
            blocks=(1, 3, 3, 3, 3, 3, 1, 1),
            repeats=(1, 5, 5, 5, 5, 5, 1, 1),
            kernels=(33, 33, 39, 51, 63, 75, 87, 1),
            channels=(256, 256, 256, 512, 512, 512, 512, 1024),
            strides=(2, 1, 1, 1, 1, 1, 1, 1),
            dilations=(1, 1, 1, 1, 1, 1, 2, 1),
            dropouts=(0.0,) * 8,
            residuals=("none", *("plain",) * 5, "none", "none"),
        ),
        decoder=partial(CTCDecoder),
        recipe=Recipe(
            optimizer=partial(NovoGrad, beta_1=0.95, beta_2=0.5, weight_decay=1e-3),
            schedule=partial(
                CosineDecay, initial_learning_rate=0.01, decay_steps=0, warmup=1000
            ),
            batch=3200.0,
            epochs=400,
        ),
        demo={"recipe.batch": 32.0, "recipe.epochs": 4, "recipe.schedule.warmup": 100},
    )
)

quartznet_5x3 = register_preset(
    replace(
        quartznet_15x5,
        name="quartznet_5x3",
        summary="5 blocks of 3 separable convolutions, CTC; one small machine",
        expect="spoken digits, narrowed: WER 3 %, or 2 % where the words are known",
        parameters=4_641_373,
        encoder=partial(
            quartznet_15x5.encoder,
            blocks=(1,) * 8,
            repeats=(1, 3, 3, 3, 3, 3, 1, 1),
        ),
        recipe=replace(quartznet_15x5.recipe, batch=200.0, epochs=100),
    )
)

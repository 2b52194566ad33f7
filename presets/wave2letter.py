"""Wave2Letter and Wave2Letter+ (Collobert et al., 2016, arXiv 1609.03193).

Tables and recipes of OpenSeq2Seq; a batch of 8 x 32 LibriSpeech utterances is about
3200 s of audio. Convolutions read zeros on the padding, which the original left as it
fell. Features are normalized one by one where it had a mean and deviation for all, and
their filters are librosa's.
"""

from dataclasses import replace
from functools import partial

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.decoders.ctc import CTCDecoder
from s2s_zoo.encoders.tdnn import TDNNEncoder
from s2s_zoo.features.mel import LogMel
from s2s_zoo.optimizers.larc import momentum_larc
from s2s_zoo.optimizers.schedules import PolynomialDecay
from s2s_zoo.tasks.speech_to_text import SpeechToText

L2 = 1e-3

wave2letter = register_preset(
    Preset(
        name="wave2letter",
        summary="17 convolutions over 64 mel bands, CTC; every frame of 10 ms",
        paper="https://arxiv.org/abs/1609.03193",
        expect="the network before strides and dilation; wave2letter_plus is better",
        parameters=105_774_877,
        task=SpeechToText(),
        features=partial(LogMel, num_features=64),
        encoder=partial(
            TDNNEncoder,
            kinds=("conv1d",) * 7,
            blocks=(1,) * 7,
            repeats=(3, 3, 3, 3, 3, 1, 1),
            kernels=(11, 13, 17, 21, 25, 29, 1),
            channels=(256, 384, 512, 640, 768, 896, 1024),
            strides=(1,) * 7,
            dilations=(1,) * 7,
            dropouts=(0.2, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4),
            residuals=("none",) * 7,
            ceiling=20.0,
            l2=L2,
        ),
        decoder=partial(CTCDecoder, l2=L2),
        recipe=Recipe(
            optimizer=partial(momentum_larc, momentum=0.9, eta=1e-3),
            schedule=partial(
                PolynomialDecay, initial_learning_rate=0.05, decay_steps=0, power=2.0
            ),
            batch=3200.0,
            epochs=200,
        ),
        demo={"recipe.batch": 32.0, "recipe.epochs": 4},
    )
)

wave2letter_plus = register_preset(
    replace(
        wave2letter,
        name="wave2letter_plus",
        summary="wave2letter behind a convolution of stride 2, the last one dilated",
        expect="LibriSpeech dev-clean: greedy WER 6.67 % (OpenSeq2Seq, 8 GPUs)",
        parameters=106_496_285,
        encoder=partial(
            wave2letter.encoder,
            kinds=("conv1d",) * 8,
            blocks=(1,) * 8,
            repeats=(1, 3, 3, 3, 3, 3, 1, 1),
            kernels=(11, 11, 13, 17, 21, 25, 29, 1),
            channels=(256, 256, 384, 512, 640, 768, 896, 1024),
            strides=(2, 1, 1, 1, 1, 1, 1, 1),
            dilations=(1, 1, 1, 1, 1, 1, 2, 1),
            dropouts=(0.2, 0.2, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4),
            residuals=("none",) * 8,
        ),
    )
)

"""Deep Speech 2 (Amodei et al., 2016, https://arxiv.org/abs/1512.02595).

Architectures and recipes of OpenSeq2Seq, with the layer-wise bidirectional stack.
A batch of 32 LibriSpeech utterances is about 400 s of audio. Features are 50 Hz apart,
from a transform as long as the window, and normalized per frequency; the front end
those recipes named had one mean and deviation for all.
"""

from dataclasses import replace
from functools import partial

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.data.augmentation import AudioAugmentation
from s2s_zoo.decoders.ctc import CTCDecoder
from s2s_zoo.encoders.deepspeech2 import DeepSpeech2Encoder
from s2s_zoo.features.spectrogram import LogSpectrogram
from s2s_zoo.optimizers.adam import Adam
from s2s_zoo.optimizers.larc import momentum_larc
from s2s_zoo.optimizers.schedules import ExponentialDecay, PolynomialDecay
from s2s_zoo.tasks.speech_to_text import SpeechToText

PAPER = "https://arxiv.org/abs/1512.02595"
L2 = 5e-4

DEMO = {"recipe.batch": 16.0, "recipe.epochs": 3}
DEMO_OF_SMALL = {
    **DEMO,
    "recipe.precision": "auto",
    "task.augmentation.speed": 0.1,
    "encoder.dropout": 0.0,
    "recipe.schedule.initial_learning_rate": 7e-4,
    "recipe.schedule.begin": 450,
    "recipe.schedule.decay_steps": 12,
}

deepspeech2_small = register_preset(
    Preset(
        name="deepspeech2_small",
        summary="2 convolutions, 2 bidirectional GRUs of 512, CTC; one small machine",
        paper=PAPER,
        expect="demo speech: WER under 10 % in 8 minutes on 2 CPU cores",
        parameters=9_993_469,
        task=SpeechToText(
            augmentation=AudioAugmentation(speed=0.05, noise_db=(-90.0, -60.0))
        ),
        features=partial(LogSpectrogram, num_features=96, fft_length=0),
        encoder=partial(
            DeepSpeech2Encoder,
            kernels=((11, 41), (11, 21)),
            strides=((2, 2), (1, 2)),
            filters=(32, 32),
            rnn_layers=2,
            rnn_units=512,
            projection=1024,
            dropout=0.5,
            l2=L2,
        ),
        decoder=partial(CTCDecoder, l2=L2),
        recipe=Recipe(
            optimizer=partial(Adam),
            schedule=partial(
                ExponentialDecay,
                initial_learning_rate=1e-4,
                decay_steps=5000,
                decay_rate=0.9,
                staircase=True,
            ),
            batch=400.0,
            epochs=12,
        ),
        demo=DEMO_OF_SMALL,
    )
)

deepspeech2_medium = register_preset(
    replace(
        deepspeech2_small,
        name="deepspeech2_medium",
        demo=DEMO,
        summary="3 convolutions, 3 forward GRUs of 1024, row convolution of 8",
        expect="LibriSpeech 960 h; an output reads 33 frames of 10 ms ahead",
        parameters=25_721_341,
        features=partial(LogSpectrogram, num_features=160, fft_length=0),
        encoder=partial(
            deepspeech2_small.encoder,
            kernels=((11, 41), (11, 21), (11, 21)),
            strides=((2, 2), (1, 2), (1, 2)),
            filters=(32, 64, 96),
            rnn_layers=3,
            rnn_units=1024,
            bidirectional=False,
            row_convolution=8,
            projection=2048,
        ),
        recipe=replace(
            deepspeech2_small.recipe,
            schedule=partial(
                PolynomialDecay, initial_learning_rate=2e-4, decay_steps=0, power=0.5
            ),
            batch=1600.0,
            epochs=50,
        ),
    )
)

deepspeech2_large = register_preset(
    replace(
        deepspeech2_small,
        name="deepspeech2_large",
        demo=DEMO,
        summary="2 convolutions, 5 bidirectional GRUs of 800; LibriSpeech 960 h",
        expect="LibriSpeech dev-clean: greedy WER 6.71 % (OpenSeq2Seq, 8 GPUs)",
        parameters=58_971_133,
        features=partial(LogSpectrogram, num_features=160, fft_length=0),
        encoder=partial(
            deepspeech2_small.encoder, rnn_layers=5, rnn_units=800, projection=1600
        ),
        recipe=replace(
            deepspeech2_small.recipe,
            optimizer=partial(momentum_larc, momentum=0.9, eta=1e-3),
            schedule=partial(
                PolynomialDecay, initial_learning_rate=1e-3, decay_steps=0, power=0.5
            ),
            batch=1600.0,
            epochs=50,
        ),
    )
)

deepspeech2_toy = register_preset(
    replace(
        deepspeech2_small,
        name="deepspeech2_toy",
        demo=DEMO,
        summary="3 convolutions, 1 bidirectional GRU of 256; to try things out",
        expect="ten utterances by heart in 1000 steps",
        parameters=5_391_357,
        task=SpeechToText(),
        features=partial(LogSpectrogram, num_features=160, fft_length=0),
        encoder=partial(
            DeepSpeech2Encoder,
            kernels=((11, 41), (11, 21), (11, 21)),
            strides=((2, 2), (1, 2), (1, 2)),
            filters=(32, 64, 96),
            rnn_layers=1,
            rnn_units=256,
            projection=256,
            ceiling=20.0,
        ),
        decoder=partial(CTCDecoder),
        recipe=replace(
            deepspeech2_small.recipe,
            optimizer=partial(momentum_larc, momentum=0.9, eta=1e-3),
            schedule=partial(
                PolynomialDecay, initial_learning_rate=1e-3, decay_steps=0, power=2.0
            ),
            batch=200.0,
            epochs=1000,
            max_steps=1000,
        ),
    )
)

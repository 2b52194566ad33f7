"""WaveNet (van den Oord et al., 2016, https://arxiv.org/abs/1609.03499).

Layers and recipe of OpenSeq2Seq: three blocks of ten layers of 64 channels that see
6139 samples. Its batch normalization ran in training mode in use too, and its zeros
stood behind the convolutions; here statistics are the running ones, and silence comes
before the first sample. There is no L2 of 1e-6.
"""

from dataclasses import replace
from functools import partial

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.data.spectrogram import SpeechSpectrogram
from s2s_zoo.decoders.wavenet import WaveNetDecoder
from s2s_zoo.encoders.frames import FrameEncoder
from s2s_zoo.features.frames import FrameFeatures
from s2s_zoo.optimizers.adam import Adam
from s2s_zoo.optimizers.schedules import ExponentialDecay
from s2s_zoo.tasks.vocoding import Vocoding

wavenet = register_preset(
    Preset(
        name="wavenet",
        summary="30 dilated layers of 64 channels over samples, given mel frames",
        paper="https://arxiv.org/abs/1609.03499",
        expect="LJSpeech: no figure was published",
        parameters=696_960,
        task=Vocoding(),
        features=partial(FrameFeatures),
        encoder=partial(FrameEncoder),
        decoder=partial(WaveNetDecoder, channels=64, blocks=3, layers=10, kernel=3),
        recipe=Recipe(
            optimizer=partial(Adam),
            schedule=partial(
                ExponentialDecay,
                initial_learning_rate=1e-3,
                decay_steps=20_000,
                decay_rate=0.1,
                begin=45_000,
                minimum=1e-5,
            ),
            batch=16.0,
            epochs=10_000,
            max_steps=1_000_000,
            checkpoint_every=5000,
            validate_every=5000,
        ),
    )
)

wavenet_small = register_preset(
    replace(
        wavenet,
        name="wavenet_small",
        summary="16 dilated layers of 32 channels over samples; one small machine",
        expect="demo voice: not measured yet",
        parameters=120_384,
        task=Vocoding(
            spectrogram=SpeechSpectrogram(sample_rate=16000, f_max=8000.0, scale=0.4),
            crop_seconds=0.256,
            context=1020,
        ),
        decoder=partial(WaveNetDecoder, channels=32, blocks=2, layers=8, kernel=3),
        recipe=replace(
            wavenet.recipe,
            schedule=partial(
                ExponentialDecay,
                initial_learning_rate=1e-3,
                decay_steps=5000,
                decay_rate=0.5,
                begin=5000,
                minimum=1e-5,
            ),
            batch=2.048,
            epochs=100,
            max_steps=0,
            checkpoint_every=500,
            validate_every=1000,
        ),
    )
)

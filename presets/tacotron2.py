"""Tacotron 2 (Shen et al., 2017, https://arxiv.org/abs/1712.05884).

Layers and recipe of OpenSeq2Seq, in its "both" mode of mel and magnitude targets. Its
stop was read from the frame that had been predicted, here from the state and the
context as in the paper; filters of the place span 31 characters as in the paper, not
32; padding changes neither the recurrence nor the normalization. Magnitudes are told as
logarithms, so that loud frequencies do not decide the loss. There is no L2 of 1e-6.
"""

from dataclasses import replace
from functools import partial

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.data.spectrogram import SpeechSpectrogram
from s2s_zoo.decoders.tacotron2 import Tacotron2Decoder
from s2s_zoo.encoders.tacotron2 import Tacotron2Encoder
from s2s_zoo.features.griffin_lim import GriffinLim
from s2s_zoo.features.tokens import TokenFeatures
from s2s_zoo.losses.spectrogram import SpectrogramLoss
from s2s_zoo.optimizers.adam import Adam
from s2s_zoo.optimizers.schedules import ExponentialDecay
from s2s_zoo.tasks.text_to_speech import TextToSpeech

tacotron2 = register_preset(
    Preset(
        name="tacotron2",
        summary="3 convolutions and a BLSTM, 2 LSTMs of 1024 that attend by place",
        paper="https://arxiv.org/abs/1712.05884",
        expect="LJSpeech: speech like the recordings in 100k steps (OpenSeq2Seq)",
        parameters=26_895_345,
        task=TextToSpeech(spectrogram=SpeechSpectrogram(magnitudes=True)),
        features=partial(TokenFeatures, width=512),
        encoder=partial(
            Tacotron2Encoder, units=256, filters=512, layers=3, kernel=5, dropout=0.5
        ),
        decoder=partial(
            Tacotron2Decoder,
            units=1024,
            prenet_units=256,
            attention_units=128,
            attention_filters=32,
            attention_kernel=31,
            postnet_layers=5,
            postnet_filters=512,
            postnet_kernel=5,
        ),
        recipe=Recipe(
            optimizer=partial(Adam, global_clipnorm=1.0),
            schedule=partial(
                ExponentialDecay,
                initial_learning_rate=1e-3,
                decay_steps=20_000,
                decay_rate=0.1,
                begin=45_000,
                minimum=1e-5,
            ),
            batch=320.0,
            epochs=1000,
            max_steps=100_000,
            checkpoint_every=2000,
            validate_every=2000,
        ),
    )
)

tacotron2_small = register_preset(
    replace(
        tacotron2,
        name="tacotron2_small",
        summary="Tacotron 2 with LSTMs of 256, two frames a step; one small machine",
        expect="demo voice: distortion of 2.2 to 2.5 dB in an hour of two cores",
        parameters=1_783_362,
        task=TextToSpeech(
            objective=SpectrogramLoss(error="absolute", guide_weight=2.0),
            spectrogram=SpeechSpectrogram(
                sample_rate=16000, num_mels=80, f_max=8000.0, scale=0.4
            ),
            vocoder=GriffinLim(sharpness=1.2),
            max_seconds=8.0,
            trim_db=60.0,
        ),
        features=partial(TokenFeatures, width=128),
        encoder=partial(
            Tacotron2Encoder, units=64, filters=128, layers=3, kernel=5, dropout=0.2
        ),
        decoder=partial(
            Tacotron2Decoder,
            units=256,
            prenet_units=128,
            attention_units=64,
            attention_filters=16,
            attention_kernel=31,
            reduction=2,
            postnet_layers=4,
            postnet_filters=128,
            postnet_kernel=5,
            postnet_dropout=0.2,
        ),
        recipe=Recipe(
            optimizer=partial(Adam, global_clipnorm=1.0),
            schedule=partial(
                ExponentialDecay,
                initial_learning_rate=0.01,
                decay_steps=600,
                decay_rate=0.5,
                begin=1500,
                minimum=1e-5,
            ),
            batch=48.0,
            epochs=45,
            validate_every=500,
        ),
    )
)

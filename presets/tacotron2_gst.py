"""Tacotron 2 with global style tokens (Wang et al., 2018).

https://arxiv.org/abs/1803.09017. Layers and recipe of OpenSeq2Seq's `tacotron_gst`,
with its spectrograms for M-AILABS in "both" mode. Its tokens were drawn and never
trained; here they learn. It put one zero more behind than before what convolutions of
stride 2 read, or as many, by the length of the padded batch; here one stands on each
side. What `tacotron2` mends is mended here too.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.data.spectrogram import SpeechSpectrogram
from s2s_zoo.decoders.tacotron2 import Tacotron2Decoder
from s2s_zoo.encoders.styled import StyledEncoder
from s2s_zoo.encoders.tacotron2 import Tacotron2Encoder
from s2s_zoo.features.griffin_lim import GriffinLim
from s2s_zoo.features.tokens import TokenFeatures
from s2s_zoo.losses.spectrogram import SpectrogramLoss
from s2s_zoo.optimizers.adam import Adam
from s2s_zoo.optimizers.schedules import ExponentialDecay
from s2s_zoo.tasks.styled_text_to_speech import StyledTextToSpeech

TEXT: Any = partial(
    Tacotron2Encoder, units=256, filters=512, layers=3, kernel=5, dropout=0.5
)
SMALL_TEXT: Any = partial(
    Tacotron2Encoder, units=64, filters=128, layers=3, kernel=5, dropout=0.2
)

tacotron2_gst = register_preset(
    Preset(
        name="tacotron2_gst",
        summary="Tacotron 2 in styles: 32 tokens that a recording is a mixture of",
        paper="https://arxiv.org/abs/1803.09017",
        expect="M-AILABS: no figure was published",
        parameters=30_362_193,
        task=StyledTextToSpeech(
            spectrogram=SpeechSpectrogram(
                sample_rate=16000,
                fft_length=800,
                window=800,
                stride=200,
                magnitudes=True,
            ),
            trim_db=60.0,
        ),
        features=partial(TokenFeatures, width=512),
        encoder=partial(
            StyledEncoder,
            text=TEXT,
            filters=(32, 32, 64, 64, 128, 128),
            units=128,
            tokens=32,
            heads=8,
            width=512,
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
                decay_steps=10_000,
                decay_rate=0.1,
                begin=20_000,
                minimum=1e-5,
            ),
            batch=240.0,
            epochs=25,
            checkpoint_every=2500,
            validate_every=2500,
        ),
    )
)

tacotron2_gst_small = register_preset(
    replace(
        tacotron2_gst,
        name="tacotron2_gst_small",
        summary="8 style tokens, LSTMs of 256, two frames a step; one small machine",
        expect="demo voice: not measured yet",
        parameters=1_906_842,
        task=StyledTextToSpeech(
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
            StyledEncoder,
            text=SMALL_TEXT,
            filters=(8, 8, 16, 16, 32, 32),
            units=32,
            tokens=8,
            heads=4,
            width=64,
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
                initial_learning_rate=1e-3,
                decay_steps=2000,
                decay_rate=0.5,
                begin=1000,
                minimum=1e-5,
            ),
            batch=96.0,
            epochs=60,
            validate_every=250,
        ),
    )
)

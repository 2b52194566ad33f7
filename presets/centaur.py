"""Centaur, the convolutional synthesizer of OpenSeq2Seq.

Layers and recipe of its `centaur_float`, in the "both" mode of mel and magnitude
targets; no paper describes it. Of what it had, this is mended:

- the epsilon of batch normalization was -1e8 for 1e-8, and worked because TensorFlow
  raised it to 1e-5, which it is here;
- biases in front of batch normalization, which takes them away again, are left out:
  NovoGrad would make whole steps of the rounding in their gradients;
- padding entered the statistics of batch normalization and the convolutions;
- free-running generation read all frames again at every step, here each convolution
  keeps what it will see again; it ends at the first frame that stops, not with the
  step, and no longer than the text allows;
- forced attention (blocks 1 and 3, which may go 4 characters on and never back) was a
  number of the network, here it is `ahead=4` of the search.

What its code called the feed-forward network of a block is one linear layer, with no
other layer behind it; the table is kept. The vocabulary is not padded to a multiple of
8, and magnitudes are told as logarithms, so that loud frequencies do not decide the
loss.
"""

from dataclasses import replace
from functools import partial

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.data.spectrogram import SpeechSpectrogram
from s2s_zoo.decoders.centaur import CentaurDecoder
from s2s_zoo.encoders.centaur import CentaurEncoder
from s2s_zoo.features.griffin_lim import GriffinLim
from s2s_zoo.features.tokens import TokenFeatures
from s2s_zoo.losses.spectrogram import SpectrogramLoss
from s2s_zoo.optimizers.adam import Adam
from s2s_zoo.optimizers.novograd import NovoGrad
from s2s_zoo.optimizers.schedules import ExponentialDecay, PolynomialDecay
from s2s_zoo.tasks.text_to_speech import TextToSpeech

centaur = register_preset(
    Preset(
        name="centaur",
        summary="4 residual convolutions, 4 causal blocks that attend, 8 more behind",
        paper="https://github.com/NVIDIA/OpenSeq2Seq",
        expect="LJSpeech: not measured yet; OpenSeq2Seq gives samples, no figures",
        parameters=22_551_972,
        task=TextToSpeech(
            objective=SpectrogramLoss(error="absolute"),
            spectrogram=SpeechSpectrogram(magnitudes=True),
        ),
        features=partial(TokenFeatures, width=256, scaled=True),
        encoder=partial(CentaurEncoder, units=256, layers=4, kernel=3, dropout=0.1),
        decoder=partial(
            CentaurDecoder,
            units=512,
            blocks=4,
            kernel=5,
            mel_layers=4,
            magnitude_layers=4,
            forced=(1, 3),
            prenet_units=512,
            prenet_dropout=0.5,
            reduction=2,
            convolution_dropout=0.5,
            attention_dropout=0.1,
            dropout=0.1,
        ),
        recipe=Recipe(
            optimizer=partial(
                NovoGrad,
                beta_1=0.95,
                beta_2=0.98,
                weight_decay=1e-3,
                global_clipnorm=1.0,
            ),
            schedule=partial(
                PolynomialDecay, initial_learning_rate=0.02, decay_steps=0, power=2.0
            ),
            batch=1700.0,
            epochs=20_000,
            max_steps=1_000_000,
            checkpoint_every=5000,
            validate_every=5000,
        ),
    )
)

centaur_small = register_preset(
    replace(
        centaur,
        name="centaur_small",
        summary="Centaur with layers of 128, mel targets only; one small machine",
        expect="demo voice: attention is straight (0.95) after 50 steps, no more yet",
        parameters=1_281_058,
        task=TextToSpeech(
            objective=SpectrogramLoss(error="absolute", guide_weight=2.0),
            spectrogram=SpeechSpectrogram(
                sample_rate=16000, num_mels=80, f_max=8000.0, scale=0.4
            ),
            vocoder=GriffinLim(sharpness=1.2),
            max_seconds=8.0,
            trim_db=60.0,
        ),
        features=partial(TokenFeatures, width=128, scaled=True),
        encoder=partial(CentaurEncoder, units=128, layers=4, kernel=3, dropout=0.1),
        decoder=partial(
            CentaurDecoder,
            units=128,
            blocks=4,
            kernel=5,
            mel_layers=4,
            magnitude_layers=4,
            forced=(1, 3),
            prenet_units=128,
            prenet_dropout=0.5,
            reduction=2,
            convolution_dropout=0.1,
            attention_dropout=0.1,
            dropout=0.1,
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

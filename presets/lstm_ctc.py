"""Two LSTMs over MFCCs with CTC, OpenSeq2Seq's smallest recognizer.

Features are normalized one by one where it had a mean and deviation for all, and their
filters are librosa's.
"""

from functools import partial

from s2s_zoo.catalog import Preset, Recipe, register_preset
from s2s_zoo.data.augmentation import AudioAugmentation
from s2s_zoo.decoders.ctc import CTCDecoder
from s2s_zoo.encoders.deepspeech2 import DeepSpeech2Encoder
from s2s_zoo.features.mel import MFCC
from s2s_zoo.optimizers.adam import Adam
from s2s_zoo.optimizers.schedules import ExponentialDecay
from s2s_zoo.tasks.speech_to_text import SpeechToText

L2 = 5e-4

lstm_ctc_small = register_preset(
    Preset(
        name="lstm_ctc_small",
        summary="2 forward LSTMs of 512 over 13 MFCCs, CTC; audio or features in",
        paper="https://www.cs.toronto.edu/~graves/icml_2006.pdf",
        expect="short words; long ones need more than its two forward layers",
        parameters=3_453_981,
        task=SpeechToText(
            augmentation=AudioAugmentation(speed=0.05, noise_db=(-90.0, -60.0))
        ),
        features=partial(MFCC, num_features=13),
        encoder=partial(
            DeepSpeech2Encoder,
            kernels=(),
            strides=(),
            filters=(),
            cell="lstm",
            rnn_layers=2,
            rnn_units=512,
            bidirectional=False,
            projection=512,
            dropout=0.5,
            l2=L2,
        ),
        decoder=partial(CTCDecoder, l2=L2),
        recipe=Recipe(
            optimizer=partial(Adam, global_clipnorm=0.25),
            schedule=partial(
                ExponentialDecay,
                initial_learning_rate=1e-3,
                decay_steps=500,
                decay_rate=0.9,
                staircase=True,
                minimum=1e-8,
            ),
            precision="mixed_float16",
            batch=800.0,
            epochs=50,
        ),
        demo={"recipe.batch": 32.0, "recipe.epochs": 10},
    )
)

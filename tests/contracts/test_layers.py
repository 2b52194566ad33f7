"""Every layer of the zoo: its configuration is its constructor's arguments."""

import importlib
import json
import pkgutil
from pathlib import Path

import keras
import pytest

import s2s_zoo
from s2s_zoo.decoders.base import Decoder, TokenDecoder
from s2s_zoo.encoders.base import Encoder
from s2s_zoo.features.audio import AudioFeatures
from s2s_zoo.features.base import Features
from s2s_zoo.layers.attention import MultiHeadAttention
from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.layers.transformer import TransformerBlock
from s2s_zoo.parts import parameters

CONTRACTS = {
    *(Encoder, Decoder, TokenDecoder),
    *(Features, AudioFeatures, MultiHeadAttention, TransformerBlock),
}
AUDIO = {
    "num_features": 5,
    "sample_rate": 8000,
    "window_seconds": 0.03,
    "stride_seconds": 0.015,
    "window": "hamming",
    "fft_length": 512,
    "pre_emphasis": 0.5,
    "dither": 0.1,
    "normalization": "global",
    "seed": 3,
}
MEL = AUDIO | {
    "mel_scale": "htk",
    "mel_norm": "none",
    "f_min": 10.0,
    "f_max": 3000.0,
    "floor": 1e-6,
}
HEADS = {"width": 6, "heads": 3, "dropout": 0.25}
TRANSFORMER = {
    "width": 6,
    "heads": 3,
    "hidden": 5,
    "dropout": 0.2,
    "attention_dropout": 0.3,
    "relu_dropout": 0.4,
    "norm": "layer_l1",
    "epsilon": 0.1,
}
CONVOLUTIONS = {"channels": (3, 4), "kernels": (3, 1), "dropout": 0.25}
TIED = {"tie_source": True, "tie_output": True}
EXAMPLES = {
    "MaskedBatchNormalization": {
        "momentum": 0.5,
        "epsilon": 0.1,
        "l2": 0.3,
        "affine": False,
    },
    "LayerNormalization": {"epsilon": 0.1, "norm": "l1"},
    "TokenEmbedding": {
        "vocabulary_size": 7,
        "width": 3,
        "deviation": 0.2,
        "scaled": True,
    },
    "TokenFeatures": {
        "vocabulary_size": 7,
        "width": 3,
        "deviation": 0.2,
        "scaled": True,
    },
    "SelfAttention": HEADS | {"causal": True},
    "CrossAttention": HEADS,
    "FeedForward": {"width": 3, "hidden": 5, "dropout": 0.25},
    "Sublayer": {"norm": "batch", "epsilon": 0.1, "dropout": 0.25},
    "EncoderBlock": TRANSFORMER,
    "DecoderBlock": TRANSFORMER,
    "TransformerEncoder": TRANSFORMER | {"layers": 2},
    "TransformerDecoder": TRANSFORMER
    | {"vocabulary_size": 7, "layers": 2, "tie_source": False, "tie_output": False},
    "WeightNormalizedDense": {"units": 3, "gain": 0.5},
    "WeightNormalizedConvolution": {"units": 3, "kernel": 2, "gain": 0.5},
    "GatedConvolution": {"filters": 3, "kernel": 2, "causal": True, "dropout": 0.25},
    "LearnedPositions": {"max_length": 5, "width": 3},
    "ConvS2SAttention": {"width": 3},
    "ConvS2SEncoder": CONVOLUTIONS | {"attention_layers": 2, "max_length": 5},
    "ConvS2SDecoder": CONVOLUTIONS
    | TIED
    | {"vocabulary_size": 7, "width": 3, "out_width": 3, "max_length": 5},
    "ContentAttention": {"score": "additive", "units": 3, "initial_range": 0.1},
    "AttentionRecurrence": {
        "units": 3,
        "cell": "gru",
        "score": "additive",
        "attention_units": 4,
        "initial_range": 0.1,
    },
    "StartBridge": {"units": 3, "layers": 2, "cell": "gru", "initial_range": 0.1},
    "RecurrentEncoder": {
        "units": 3,
        "layers": 3,
        "bidirectional_layers": 1,
        "cell": "gru",
        "residual_from": 2,
        "dropout": 0.25,
        "initial_range": 0.1,
    },
    "AttentionRNNDecoder": {
        "vocabulary_size": 7,
        "width": 3,
        "units": 3,
        "layers": 2,
        "cell": "gru",
        "attention": "bahdanau",
        "attention_units": 4,
        "residual": True,
        "dropout": 0.25,
        "bridge": "mean",
        "initial_range": 0.1,
        **TIED,
    },
    "Recurrence": {
        "units": 3,
        "cell": "lstm",
        "bidirectional": True,
        "initial_range": 0.1,
    },
    "SpectrogramConvolution": {
        "filters": 2,
        "kernel": (3, 5),
        "stride": (2, 3),
        "ceiling": 20.0,
        "l2": 0.3,
    },
    "RowConvolution": {"width": 3, "ceiling": 20.0, "l2": 0.3},
    "LogSpectrogram": AUDIO | {"floor": 1e-6},
    "LogMel": MEL,
    "MFCC": MEL | {"num_mels": 9, "lifter": 22.0},
    "SpecAugment": {
        "num_frequency_masks": 1,
        "frequency_width": 3,
        "num_time_masks": 4,
        "time_width": 5,
        "time_share": 0.2,
        "seed": 3,
    },
    "DeepSpeech2Encoder": {
        "kernels": ((3, 5), (5, 3)),
        "strides": ((2, 2), (1, 2)),
        "filters": (2, 3),
        "rnn_layers": 2,
        "rnn_units": 3,
        "projection": 4,
        "cell": "lstm",
        "bidirectional": False,
        "row_convolution": 3,
        "ceiling": 20.0,
        "dropout": 0.25,
        "l2": 0.3,
    },
    "CTCDecoder": {"vocabulary_size": 4, "l2": 0.3},
}
"""Arguments that differ from every default."""


def subclasses(cls):
    for subclass in cls.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


def layers():
    """Layers of every module of the package."""
    home = str(Path(s2s_zoo.__file__).parent)
    for module in pkgutil.walk_packages([home], "s2s_zoo."):
        importlib.import_module(module.name)
    found = {c for c in subclasses(ZooLayer) if c.__module__.startswith("s2s_zoo.")}
    return sorted(found - CONTRACTS, key=lambda cls: cls.__name__)


@pytest.fixture(params=layers(), ids=lambda cls: cls.__name__)
def example(request):
    """A layer class and arguments that differ from every default."""
    cls = request.param
    assert cls.__name__ in EXAMPLES, f"add arguments of {cls.__name__} to EXAMPLES"
    arguments = EXAMPLES[cls.__name__]
    known = parameters(cls)
    assert set(arguments) == set(known)
    for name, value in arguments.items():
        assert value != known[name].default, f"{name} is at its default"
    return cls, arguments


def test_every_argument_is_kept_under_its_own_name(example):
    cls, arguments = example
    layer = cls(**arguments)
    assert {name: getattr(layer, name) for name in arguments} == arguments
    assert layer.settings() == arguments


def test_a_layer_comes_back_from_its_configuration(example):
    cls, arguments = example
    layer = cls(**arguments, name="mine")
    again = cls.from_config(layer.get_config())
    assert again.settings() == arguments
    assert again.name == "mine"
    assert again.dtype_policy.name == layer.dtype_policy.name
    assert again.get_config() == layer.get_config()


def test_a_layer_comes_back_from_json_by_its_registered_name(example):
    cls, arguments = example
    text = json.dumps(keras.saving.serialize_keras_object(cls(**arguments)))
    described = json.loads(text)
    assert described["registered_name"] == f"s2s_zoo>{cls.__name__}"
    again = keras.saving.deserialize_keras_object(described)
    assert type(again) is cls
    assert plain(again.settings()) == plain(arguments)


def plain(arguments):
    """Without the difference between tuples and lists, which JSON does not know."""
    return json.loads(json.dumps(arguments))


def test_defaults_need_no_mention(example):
    cls, arguments = example
    known = parameters(cls)
    required = {
        name: value
        for name, value in arguments.items()
        if known[name].default is known[name].empty
    }
    layer = cls(**required)
    assert cls.from_config(layer.get_config()).settings() == layer.settings()

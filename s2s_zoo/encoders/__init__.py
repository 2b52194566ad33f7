"""From features to the memory that a decoder reads: one architecture a module."""

from typing import TYPE_CHECKING

from s2s_zoo.lazy import lazily

if TYPE_CHECKING:
    from s2s_zoo.encoders.base import Encoder
    from s2s_zoo.encoders.centaur import CentaurEncoder
    from s2s_zoo.encoders.cnn import CNNEncoder
    from s2s_zoo.encoders.convs2s import ConvS2SEncoder
    from s2s_zoo.encoders.deepspeech2 import DeepSpeech2Encoder
    from s2s_zoo.encoders.frames import FrameEncoder
    from s2s_zoo.encoders.keras_hub import KerasHubEncoder
    from s2s_zoo.encoders.language_model import LanguageModelEncoder
    from s2s_zoo.encoders.recurrent import RecurrentEncoder
    from s2s_zoo.encoders.resnet import ResNetEncoder
    from s2s_zoo.encoders.styled import StyledEncoder
    from s2s_zoo.encoders.tacotron2 import Tacotron2Encoder
    from s2s_zoo.encoders.tdnn import TDNNEncoder
    from s2s_zoo.encoders.text_cnn import TextCNNEncoder
    from s2s_zoo.encoders.transformer import TransformerEncoder
    from s2s_zoo.typing import EncoderOutput

__all__ = [
    "CNNEncoder",
    "CentaurEncoder",
    "ConvS2SEncoder",
    "DeepSpeech2Encoder",
    "Encoder",
    "EncoderOutput",
    "FrameEncoder",
    "KerasHubEncoder",
    "LanguageModelEncoder",
    "RecurrentEncoder",
    "ResNetEncoder",
    "StyledEncoder",
    "TDNNEncoder",
    "Tacotron2Encoder",
    "TextCNNEncoder",
    "TransformerEncoder",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "..typing": ("EncoderOutput",),
        ".base": ("Encoder",),
        ".centaur": ("CentaurEncoder",),
        ".cnn": ("CNNEncoder",),
        ".convs2s": ("ConvS2SEncoder",),
        ".deepspeech2": ("DeepSpeech2Encoder",),
        ".keras_hub": ("KerasHubEncoder",),
        ".language_model": ("LanguageModelEncoder",),
        ".recurrent": ("RecurrentEncoder",),
        ".resnet": ("ResNetEncoder",),
        ".frames": ("FrameEncoder",),
        ".styled": ("StyledEncoder",),
        ".tacotron2": ("Tacotron2Encoder",),
        ".tdnn": ("TDNNEncoder",),
        ".text_cnn": ("TextCNNEncoder",),
        ".transformer": ("TransformerEncoder",),
    },
)

"""From the memory of an encoder to the target: one architecture a module."""

from typing import TYPE_CHECKING

from s2s_zoo.lazy import lazily

if TYPE_CHECKING:
    from s2s_zoo.decoders.adaptive_softmax import AdaptiveSoftmax
    from s2s_zoo.decoders.attention_rnn import AttentionRNNDecoder
    from s2s_zoo.decoders.base import Decoder, TokenDecoder, shifted_right
    from s2s_zoo.decoders.bayesian_classifier import BayesianClassifierDecoder
    from s2s_zoo.decoders.centaur import CentaurDecoder
    from s2s_zoo.decoders.classifier import ClassifierDecoder
    from s2s_zoo.decoders.convs2s import ConvS2SDecoder
    from s2s_zoo.decoders.ctc import CTCDecoder
    from s2s_zoo.decoders.frames import FrameDecoder
    from s2s_zoo.decoders.next_token import NextTokenDecoder
    from s2s_zoo.decoders.tacotron2 import Tacotron2Decoder
    from s2s_zoo.decoders.transformer import TransformerDecoder
    from s2s_zoo.decoders.wavenet import WaveNetDecoder
    from s2s_zoo.typing import DecoderState

__all__ = [
    "AdaptiveSoftmax",
    "AttentionRNNDecoder",
    "BayesianClassifierDecoder",
    "CTCDecoder",
    "CentaurDecoder",
    "ClassifierDecoder",
    "ConvS2SDecoder",
    "Decoder",
    "DecoderState",
    "FrameDecoder",
    "NextTokenDecoder",
    "Tacotron2Decoder",
    "TokenDecoder",
    "TransformerDecoder",
    "WaveNetDecoder",
    "shifted_right",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        ".adaptive_softmax": ("AdaptiveSoftmax",),
        ".attention_rnn": ("AttentionRNNDecoder",),
        ".base": ("Decoder", "TokenDecoder", "shifted_right"),
        ".bayesian_classifier": ("BayesianClassifierDecoder",),
        ".centaur": ("CentaurDecoder",),
        ".classifier": ("ClassifierDecoder",),
        ".convs2s": ("ConvS2SDecoder",),
        ".ctc": ("CTCDecoder",),
        ".frames": ("FrameDecoder",),
        ".next_token": ("NextTokenDecoder",),
        ".tacotron2": ("Tacotron2Decoder",),
        ".transformer": ("TransformerDecoder",),
        "..typing": ("DecoderState",),
        ".wavenet": ("WaveNetDecoder",),
    },
)

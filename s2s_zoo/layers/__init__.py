"""What encoders and decoders are built of: Keras layers that mind the padding."""

from typing import TYPE_CHECKING

from s2s_zoo.lazy import lazily

if TYPE_CHECKING:
    from s2s_zoo.layers.activation import clipped_relu
    from s2s_zoo.layers.attention import CrossAttention, SelfAttention
    from s2s_zoo.layers.attention_recurrence import AttentionRecurrence
    from s2s_zoo.layers.base import ZooLayer
    from s2s_zoo.layers.carry import Carry, packed_state, unpacked_state
    from s2s_zoo.layers.content_attention import ContentAttention
    from s2s_zoo.layers.convolution import (
        RowConvolution,
        SpectrogramConvolution,
        strided_lengths,
    )
    from s2s_zoo.layers.depthwise import depthwise_convolution
    from s2s_zoo.layers.embedding import TokenEmbedding
    from s2s_zoo.layers.frame_convolution import FrameConvolution
    from s2s_zoo.layers.gated_convolution import GatedConvolution, balanced_sum
    from s2s_zoo.layers.image_convolution import ImageConvolution
    from s2s_zoo.layers.instance_normalization import MaskedInstanceNormalization
    from s2s_zoo.layers.location_attention import LocationSensitiveAttention
    from s2s_zoo.layers.location_recurrence import LocationRecurrence
    from s2s_zoo.layers.masking import apply_mask, mask_lengths, sequence_mask
    from s2s_zoo.layers.naive_bayes import NaiveBayes
    from s2s_zoo.layers.normalization import (
        LayerNormalization,
        MaskedBatchNormalization,
    )
    from s2s_zoo.layers.normalized_convolution import NormalizedConvolution
    from s2s_zoo.layers.normalized_recurrence import NormalizedRecurrence
    from s2s_zoo.layers.positions import LearnedPositions
    from s2s_zoo.layers.postnet import Postnet
    from s2s_zoo.layers.prenet import Prenet
    from s2s_zoo.layers.recurrent import Recurrence
    from s2s_zoo.layers.transformer import FeedForward, Sublayer, sinusoids
    from s2s_zoo.layers.weight_normalization import (
        WeightNormalizedConvolution,
        WeightNormalizedDense,
    )

__all__ = [
    "AttentionRecurrence",
    "Carry",
    "ContentAttention",
    "CrossAttention",
    "FeedForward",
    "FrameConvolution",
    "GatedConvolution",
    "ImageConvolution",
    "LayerNormalization",
    "LearnedPositions",
    "LocationRecurrence",
    "LocationSensitiveAttention",
    "MaskedBatchNormalization",
    "MaskedInstanceNormalization",
    "NaiveBayes",
    "NormalizedConvolution",
    "NormalizedRecurrence",
    "Postnet",
    "Prenet",
    "Recurrence",
    "RowConvolution",
    "SelfAttention",
    "SpectrogramConvolution",
    "Sublayer",
    "TokenEmbedding",
    "WeightNormalizedConvolution",
    "WeightNormalizedDense",
    "ZooLayer",
    "apply_mask",
    "balanced_sum",
    "clipped_relu",
    "depthwise_convolution",
    "mask_lengths",
    "packed_state",
    "sequence_mask",
    "sinusoids",
    "strided_lengths",
    "unpacked_state",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        ".activation": ("clipped_relu",),
        ".attention": ("CrossAttention", "SelfAttention"),
        ".attention_recurrence": ("AttentionRecurrence",),
        ".base": ("ZooLayer",),
        ".carry": ("Carry", "packed_state", "unpacked_state"),
        ".content_attention": ("ContentAttention",),
        ".convolution": ("RowConvolution", "SpectrogramConvolution", "strided_lengths"),
        ".depthwise": ("depthwise_convolution",),
        ".embedding": ("TokenEmbedding",),
        ".frame_convolution": ("FrameConvolution",),
        ".gated_convolution": ("GatedConvolution", "balanced_sum"),
        ".image_convolution": ("ImageConvolution",),
        ".instance_normalization": ("MaskedInstanceNormalization",),
        ".location_attention": ("LocationSensitiveAttention",),
        ".location_recurrence": ("LocationRecurrence",),
        ".masking": ("apply_mask", "mask_lengths", "sequence_mask"),
        ".naive_bayes": ("NaiveBayes",),
        ".normalization": ("LayerNormalization", "MaskedBatchNormalization"),
        ".normalized_convolution": ("NormalizedConvolution",),
        ".normalized_recurrence": ("NormalizedRecurrence",),
        ".positions": ("LearnedPositions",),
        ".postnet": ("Postnet",),
        ".prenet": ("Prenet",),
        ".recurrent": ("Recurrence",),
        ".transformer": ("FeedForward", "Sublayer", "sinusoids"),
        ".weight_normalization": (
            "WeightNormalizedConvolution",
            "WeightNormalizedDense",
        ),
    },
)

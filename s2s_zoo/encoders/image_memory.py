"""Images as the memory that decoders read: a frame for each place."""

from keras import ops

from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.typing import EncoderOutput, Shape, Tensor


def as_memory(x: Tensor, mask: Tensor) -> EncoderOutput:
    """The places of images (B, H, W, C) as frames, real where `mask` (B, 1) is."""
    _, height, width, channels = x.shape
    x = ops.reshape(x, (-1, height * width, channels))
    mask = ops.broadcast_to(mask, ops.shape(x)[:2])
    return EncoderOutput(apply_mask(x, mask), mask)


def memory_shape(shape: Shape) -> Shape:
    """That of the memory of images of a shape (B, H, W, C)."""
    batch, height, width, channels = shape
    return (batch, height * width, channels)

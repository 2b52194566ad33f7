"""From the raw signal to what an encoder reads."""

from typing import TYPE_CHECKING

from s2s_zoo.lazy import lazily

if TYPE_CHECKING:
    from s2s_zoo.features.audio import AudioFeatures
    from s2s_zoo.features.base import Augmentation, Features
    from s2s_zoo.features.images import ImageFeatures
    from s2s_zoo.features.mel import MFCC, LogMel
    from s2s_zoo.features.spec_augment import SpecAugment
    from s2s_zoo.features.spectrogram import LogSpectrogram
    from s2s_zoo.features.tokens import TokenFeatures

__all__ = [
    "MFCC",
    "AudioFeatures",
    "Augmentation",
    "Features",
    "ImageFeatures",
    "LogMel",
    "LogSpectrogram",
    "SpecAugment",
    "TokenFeatures",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        ".audio": ("AudioFeatures",),
        ".base": ("Augmentation", "Features"),
        ".images": ("ImageFeatures",),
        ".mel": ("MFCC", "LogMel"),
        ".spec_augment": ("SpecAugment",),
        ".spectrogram": ("LogSpectrogram",),
        ".tokens": ("TokenFeatures",),
    },
)

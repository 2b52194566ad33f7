"""From the raw signal to what an encoder reads."""

from typing import TYPE_CHECKING

from s2s_zoo.lazy import lazily

if TYPE_CHECKING:
    from s2s_zoo.features.audio import AudioFeatures
    from s2s_zoo.features.base import Augmentation, Features
    from s2s_zoo.features.clip import ClipFeatures
    from s2s_zoo.features.dropped_tokens import DroppedTokenFeatures
    from s2s_zoo.features.frames import FrameFeatures
    from s2s_zoo.features.griffin_lim import GriffinLim
    from s2s_zoo.features.images import ImageFeatures
    from s2s_zoo.features.keras_hub import KerasHubAudio, KerasHubImages
    from s2s_zoo.features.mel import MFCC, LogMel
    from s2s_zoo.features.spec_augment import SpecAugment
    from s2s_zoo.features.spectrogram import LogSpectrogram
    from s2s_zoo.features.token_ids import TokenIds
    from s2s_zoo.features.tokens import TokenFeatures

__all__ = [
    "MFCC",
    "AudioFeatures",
    "Augmentation",
    "ClipFeatures",
    "DroppedTokenFeatures",
    "Features",
    "FrameFeatures",
    "GriffinLim",
    "ImageFeatures",
    "KerasHubAudio",
    "KerasHubImages",
    "LogMel",
    "LogSpectrogram",
    "SpecAugment",
    "TokenFeatures",
    "TokenIds",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        ".audio": ("AudioFeatures",),
        ".base": ("Augmentation", "Features"),
        ".images": ("ImageFeatures",),
        ".clip": ("ClipFeatures",),
        ".keras_hub": ("KerasHubAudio", "KerasHubImages"),
        ".dropped_tokens": ("DroppedTokenFeatures",),
        ".frames": ("FrameFeatures",),
        ".griffin_lim": ("GriffinLim",),
        ".mel": ("MFCC", "LogMel"),
        ".spec_augment": ("SpecAugment",),
        ".spectrogram": ("LogSpectrogram",),
        ".token_ids": ("TokenIds",),
        ".tokens": ("TokenFeatures",),
    },
)

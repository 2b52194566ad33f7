"""Speech from text by espeak-ng, as the wheel `espeakng_loader` brings it.

The C interface is espeak-ng's `speak_lib.h`, version 1.52.
"""

import ctypes
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.errors import UserError

_SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: return the samples, play nothing
_UTF8 = 1
_RATE, _PITCH = 1, 3  # espeak_PARAMETER
_NOISE_SEED = 1  # by default the time of day
_QUIETEST = 10 ** (-50 / 20)  # of the peak: below it lies silence
_MARGIN_SECONDS = 0.05

_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class SpeechSynthesizer:
    """A formant synthesizer with many English voices.

    Two synthesizers given the same texts in the same order return the same samples.
    espeak-ng keeps the state of its noise and flutter in global variables that
    nothing resets; every synthesizer therefore loads a copy of the library of its own.

    Raises:
        ModuleNotFoundError: `espeakng_loader` is not installed.
    """

    def __init__(self) -> None:
        import espeakng_loader

        self._espeak = _private_copy(Path(espeakng_loader.get_library_path()))
        self._data = Path(espeakng_loader.get_data_path())
        self._rate: int = self._espeak.espeak_Initialize(
            _SYNCHRONOUS, 0, os.fsencode(self._data), 0
        )
        if self._rate <= 0:
            raise UserError(f"espeak-ng cannot start with its data in {self._data}")
        self._espeak.espeak_ng_SetRandSeed(_NOISE_SEED)
        self._chunks: list[NDArray[np.int16]] = []
        self._callback = _Callback(self._receive)
        self._espeak.espeak_SetSynthCallback(self._callback)

    def say(
        self,
        text: str,
        *,
        voice: str,
        words_per_minute: int,
        pitch: int,
        sample_rate: int,
    ) -> NDArray[np.float32]:
        """The samples of a spoken text, 50 ms of silence left at either end.

        Args:
            voice: language and variant, such as "en-us+f2".
            words_per_minute: 80 to 450.
            pitch: 0 to 100, 50 is the voice's own.
            sample_rate: Hz.

        Returns:
            (S,) between -1 and 1.

        Raises:
            UserError: espeak-ng has no such voice.
        """
        self._set_voice(voice)
        self._espeak.espeak_SetParameter(_RATE, words_per_minute, 0)
        self._espeak.espeak_SetParameter(_PITCH, pitch, 0)
        self._chunks.clear()
        message = text.encode()
        self._espeak.espeak_Synth(message, len(message) + 1, 0, 0, 0, _UTF8, None, None)
        samples = np.concatenate(self._chunks).astype(np.float32) / np.float32(32768)
        return _resample(_trim(samples, self._rate), self._rate, sample_rate)

    def phonemes(self, text: str, *, voice: str) -> str:
        """The phonemes of a text by their names in espeak-ng, words apart.

        Args:
            text: without punctuation, which has no phonemes.
            voice: language and variant, such as "en-us".

        Raises:
            UserError: espeak-ng has no such voice.
        """
        self._set_voice(voice)
        rest, found = ctypes.c_char_p(text.encode()), []
        while rest.value:
            clause = self._espeak.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, 0)
            found.append((clause or b"").decode())
        return " ".join(" ".join(found).split())

    def _set_voice(self, voice: str) -> None:
        variant = voice.partition("+")[2]
        # espeak-ng itself speaks without a variant that it does not know.
        known = not variant or (self._data / "voices" / "!v" / variant).is_file()
        if not known or self._espeak.espeak_SetVoiceByName(voice.encode()) != 0:
            raise UserError(f"espeak-ng has no voice {voice!r}")

    def _receive(
        self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, _: int
    ) -> int:
        if samples and count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0


def _private_copy(library: Path) -> ctypes.CDLL:
    # A loaded library may be deleted, except on Windows, which keeps the copy.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        espeak = ctypes.CDLL(shutil.copy(library, directory))
    espeak.espeak_Initialize.argtypes = (
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
    )
    espeak.espeak_ng_SetRandSeed.argtypes = (ctypes.c_long,)
    espeak.espeak_ng_SetRandSeed.restype = None
    espeak.espeak_SetVoiceByName.argtypes = (ctypes.c_char_p,)
    espeak.espeak_SetSynthCallback.argtypes = (_Callback,)
    espeak.espeak_TextToPhonemes.argtypes = (
        ctypes.POINTER(ctypes.c_char_p),
        ctypes.c_int,
        ctypes.c_int,
    )
    espeak.espeak_TextToPhonemes.restype = ctypes.c_char_p
    espeak.espeak_SetSynthCallback.restype = None
    espeak.espeak_Synth.argtypes = (
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    )
    return espeak


def _trim(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Cut or lengthen the silence at both ends to the margin."""
    loud = np.flatnonzero(np.abs(samples) > _QUIETEST * np.abs(samples).max())
    margin = round(_MARGIN_SECONDS * rate)
    return np.pad(samples, margin)[loud[0] : loud[-1] + 2 * margin + 1]


def _resample(
    samples: NDArray[np.float32], source: int, target: int
) -> NDArray[np.float32]:
    import soxr

    return np.clip(soxr.resample(samples, source, target, quality="HQ"), -1, 1)

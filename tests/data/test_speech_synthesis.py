import hashlib
import re
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from s2s_zoo.data.speech_synthesis import SpeechSynthesizer
from s2s_zoo.errors import UserError

pytest.importorskip("espeakng_loader", reason="synthesis needs espeakng-loader")

TEXTS = ("turn on the kitchen lamp", "play jazz", "turn on the kitchen lamp")

DIGEST = """
from tests.data.test_speech_synthesis import digest
print(digest())
"""


def say(
    synthesizer: SpeechSynthesizer,
    text: str,
    voice: str = "en-us+f2",
    speed: int = 190,
    pitch: int = 50,
    rate: int = 16000,
) -> NDArray[np.float32]:
    return synthesizer.say(
        text, voice=voice, words_per_minute=speed, pitch=pitch, sample_rate=rate
    )


def digest() -> str:
    synthesizer = SpeechSynthesizer()
    samples = [say(synthesizer, text) for text in TEXTS]
    return hashlib.sha256(np.concatenate(samples).tobytes()).hexdigest()


def test_every_synthesizer_and_every_process_says_the_same() -> None:
    command = [sys.executable, "-c", DIGEST]
    other = subprocess.run(command, capture_output=True, text=True, check=True)
    assert digest() == digest() == other.stdout.strip()


def test_silence_is_trimmed_to_the_margin() -> None:
    samples = np.abs(say(SpeechSynthesizer(), "play jazz"))
    loud = np.flatnonzero(samples > 0.01 * samples.max())
    assert 0.04 * 16000 < loud[0] < 0.07 * 16000
    assert 0.04 * 16000 < len(samples) - loud[-1] < 0.07 * 16000
    assert samples.max() > 0.1


def test_sample_rate_speed_and_pitch_are_followed() -> None:
    synthesizer = SpeechSynthesizer()
    plain = say(synthesizer, TEXTS[0])
    assert plain.dtype == np.float32
    double = say(synthesizer, TEXTS[0], rate=32000)
    assert len(double) == pytest.approx(2 * len(plain), rel=0.02)
    assert len(say(synthesizer, TEXTS[0], speed=120)) > 1.3 * len(plain)
    low, high = (
        fundamental(say(synthesizer, "mama", pitch=pitch)) for pitch in (20, 80)
    )
    assert high > 1.15 * low


def fundamental(samples: NDArray[np.float32]) -> float:
    """Hz, from the highest peak of the autocorrelation between 80 and 400 Hz."""
    correlation = np.correlate(samples, samples, "full")[len(samples) - 1 :]
    return 16000 / (40 + int(np.argmax(correlation[40:200])))


@pytest.mark.parametrize("voice", ["en-us+nobody", "xx-nowhere"])
def test_an_unknown_voice_is_refused(voice: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"no voice {voice!r}")):
        say(SpeechSynthesizer(), "hello", voice=voice)

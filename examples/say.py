"""Speak a sentence into a WAV file with espeak-ng (the extra `demo`)."""

import sys

from s2s_zoo.data.audio import write_wav
from s2s_zoo.data.speech_synthesis import SpeechSynthesizer

if len(sys.argv) != 3:
    sys.exit('Usage: python examples/say.py "a sentence" FILE.wav')

audio = SpeechSynthesizer().say(
    sys.argv[1], voice="en-us", words_per_minute=190, pitch=50, sample_rate=16000
)
write_wav(sys.argv[2], audio, 16000)

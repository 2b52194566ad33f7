"""Waveforms from spectrograms, against librosa."""

import librosa
import numpy as np
import pytest
import scipy.optimize
from keras import ops

from s2s_zoo.data.spectrogram import SpeechSpectrogram, mel_filters
from s2s_zoo.errors import UserError
from s2s_zoo.features.griffin_lim import GriffinLim
from s2s_zoo.features.mel import LogMel
from s2s_zoo.tasks.text_to_speech import TextToSpeech

RATE = 8000
SPECTROGRAM = SpeechSpectrogram(
    sample_rate=RATE, fft_length=256, window=200, stride=60, num_mels=20
)
BOTH = SpeechSpectrogram(
    sample_rate=RATE,
    fft_length=256,
    window=256,
    stride=64,
    num_mels=20,
    magnitudes=True,
    scale=0.5,
)


def voice(seconds, seed=0):
    """Harmonics that glide, and some noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * (110 * time + 20 * time**2)
    tones = sum(np.sin(k * phase) / k for k in range(1, 12))
    return (0.1 * tones + 0.002 * rng.normal(size=len(time))).astype("float32")


def transform(audio, spectrogram):
    return librosa.stft(
        audio.astype("float64"),
        n_fft=spectrogram.fft_length,
        hop_length=spectrogram.stride,
        win_length=spectrogram.window,
        pad_mode="constant",
    )


@pytest.mark.parametrize("spectrogram", [SPECTROGRAM, BOTH])
@pytest.mark.parametrize("samples", [1, 59, 1200, 1999])
def test_frames_are_librosa_s(spectrogram, samples):
    audio = voice(0.25)[:samples]
    magnitude = np.abs(transform(audio, spectrogram)).T
    frames = spectrogram(audio)
    assert len(frames) == spectrogram.count(samples) == len(magnitude)
    filters = librosa.filters.mel(sr=RATE, n_fft=256, n_mels=20, htk=True, norm=None)
    mels = np.log(np.maximum(magnitude @ filters.T, 1e-2)) - np.log(1e-2)
    expected = spectrogram.scale * mels
    np.testing.assert_allclose(frames[:, :20], expected, atol=1e-5)
    if spectrogram.magnitudes:
        logs = 0.5 * np.log(np.maximum(magnitude, 1e-5) / 1e-5)
        np.testing.assert_allclose(frames[:, 20:], logs, atol=1e-4)


def test_frames_are_those_of_the_front_ends():
    audio = voice(0.3)
    energies = LogMel(
        20,
        sample_rate=RATE,
        window_seconds=200 / RATE,
        stride_seconds=60 / RATE,
        fft_length=256,
        pre_emphasis=0.0,
        normalization="none",
        mel_scale="htk",
        mel_norm="none",
        floor=1e-12,
    )
    x, mask = energies(audio[None], np.array([len(audio)]))
    frames = SPECTROGRAM(audio)
    assert ops.convert_to_numpy(mask).sum() == len(frames)
    power = SPECTROGRAM.magnitude(audio) ** 2 @ mel_filters(SPECTROGRAM)
    np.testing.assert_allclose(ops.convert_to_numpy(x)[0], np.log(power), atol=1e-3)


@pytest.mark.parametrize("momentum", [0.0, 0.99])
@pytest.mark.parametrize("spectrogram", [SPECTROGRAM, BOTH])
def test_steps_are_librosa_s(momentum, spectrogram):
    """From the same phase; the iteration magnifies rounding, so a few of them."""
    magnitude = np.abs(transform(voice(0.3), spectrogram))
    phase = 2 * np.pi * np.random.default_rng(3).random(magnitude.shape)
    expected = librosa.griffinlim(
        magnitude,
        n_iter=8,
        hop_length=spectrogram.stride,
        win_length=spectrogram.window,
        n_fft=spectrogram.fft_length,
        pad_mode="constant",
        momentum=momentum,
        random_state=np.random.default_rng(3),
    )
    vocoder = GriffinLim(iterations=8, momentum=momentum)
    found = vocoder.waveforms(
        *(magnitude.T[None].astype("float32"), np.array([magnitude.shape[1]])),
        *(spectrogram, phase.T[None].astype("float32")),
    )
    found = ops.convert_to_numpy(found)[0]
    assert len(found) == len(expected)
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("spectrogram", [SPECTROGRAM, BOTH])
def test_a_voice_comes_back_as_near_as_by_librosa(spectrogram):
    """Spectral convergence, which the first phase moves by half, so from three.

    librosa solves for the magnitudes of mels exactly.
    """
    audio, frames = voice(0.5), spectrogram(voice(0.5))
    wanted = spectrogram.magnitude(audio)
    magnitude = wanted.T
    if not spectrogram.magnitudes:
        mels = (wanted @ mel_filters(spectrogram)).T
        magnitude = librosa.feature.inverse.mel_to_stft(
            mels, sr=RATE, n_fft=256, power=1.0, htk=True, norm=None
        )
    theirs = [
        librosa.griffinlim(
            magnitude,
            n_iter=60,
            hop_length=spectrogram.stride,
            win_length=spectrogram.window,
            n_fft=256,
            pad_mode="constant",
            random_state=seed,
        )
        for seed in range(3)
    ]
    ours = GriffinLim()(frames[None], np.array([len(frames)]), spectrogram)
    error, *others = (
        np.linalg.norm(spectrogram.magnitude(found) - wanted)
        for found in (ops.convert_to_numpy(ours)[0], *theirs)
    )
    assert error < 1.1 * max(others)


def test_padding_and_neighbours_change_nothing():
    frames = [SPECTROGRAM(voice(seconds, seed=1)) for seconds in (0.3, 0.1, 0.0)]
    frames[2] = frames[2][:0]
    size = len(frames[0]) + 5
    padded = np.zeros((3, size, SPECTROGRAM.width), "float32")
    for row, one in zip(padded, frames, strict=True):
        row[: len(one)] = one
        row[len(one) :] = 7.0
    vocoder, lengths = GriffinLim(iterations=5), np.array([len(f) for f in frames])
    together = ops.convert_to_numpy(vocoder(padded, lengths, SPECTROGRAM))
    assert together.shape == (3, (size - 1) * SPECTROGRAM.stride)
    for row, one in zip(together, frames[:2], strict=False):
        alone = vocoder(one[None], np.array([len(one)]), SPECTROGRAM)
        (alone,) = ops.convert_to_numpy(alone)
        np.testing.assert_allclose(row[: len(alone)], alone, atol=1e-4)
        assert not row[len(alone) :].any()
    assert not together[2].any()


def test_magnitudes_of_mels_explain_them_as_well_as_least_squares():
    """scipy's non-negative least squares is exact; ours may be 2 % of the norm off."""
    filters = mel_filters(SPECTROGRAM)
    mels = SPECTROGRAM.magnitude(voice(0.2)) @ filters
    found = GriffinLim(mel_iterations=200).magnitudes(
        mels[None].astype("float32"), SPECTROGRAM
    )
    (found,) = ops.convert_to_numpy(found)
    assert (found >= 0).all()
    left = np.linalg.norm(found @ filters - mels)
    best = [scipy.optimize.nnls(filters.T, row)[1] for row in mels]
    assert left <= np.linalg.norm(best) + 0.02 * np.linalg.norm(mels)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fft_length": 255}, "fft_length is even"),
        ({"window": 0}, "window is 1 to 65,536"),
        ({"mel_floor": 0.0}, "mel_floor is"),
        ({"mel_scale": "bark"}, "mel_scale is one of htk, slaney"),
    ],
)
def test_numbers_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SpeechSpectrogram(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 2048}, "stride <= window <= fft_length. Received: 256, 2048, 1024"),
        ({"stride": 2000}, "stride <= window"),
        ({"f_max": 12000.0}, "f_max <= 11025 Hz"),
        ({"f_min": 9000.0, "f_max": 8000.0}, "f_min < f_max"),
    ],
)
def test_numbers_that_fit_no_transform_are_refused_before_use(settings, message):
    spectrogram = SpeechSpectrogram(**settings)
    with pytest.raises(UserError, match=message):
        TextToSpeech(spectrogram=spectrogram).offers(60.0)
    with pytest.raises(UserError, match=message):
        spectrogram(np.zeros(9000, "float32"))

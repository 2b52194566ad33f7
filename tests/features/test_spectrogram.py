"""The audio frontends against librosa, and under padding, silence and tracing."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.features.mel import MFCC, LogMel
from s2s_zoo.features.spectrogram import LogSpectrogram
from tests.gradients import value_and_gradients

librosa = pytest.importorskip("librosa", reason="the reference frontend")
soundfile = pytest.importorskip("soundfile", reason="reads the reference audio")
pytestmark = pytest.mark.filterwarnings("ignore:n_fft=.* is too large for input")

RATE = 16000
FRONTENDS = [LogSpectrogram(96), LogMel(64), MFCC(13)]
each_frontend = pytest.mark.parametrize(
    "layer", FRONTENDS, ids=lambda layer: type(layer).__name__
)
AUDIO = {
    "num_features": 5,
    "sample_rate": 8000,
    "window_seconds": 0.03,
    "stride_seconds": 0.015,
    "window": "hamming",
    "fft_length": 512,
    "pre_emphasis": 0.5,
    "dither": 0.1,
    "normalization": "global",
    "seed": 3,
}
MEL = AUDIO | {
    "mel_scale": "htk",
    "mel_norm": "none",
    "f_min": 10.0,
    "f_max": 3000.0,
    "floor": 1e-6,
}
EXAMPLES = {
    LogSpectrogram: AUDIO | {"floor": 1e-6},
    LogMel: MEL,
    MFCC: MEL | {"num_mels": 9, "lifter": 22.0},
}


def compute(layer, *arguments, **keywords):
    features, mask = layer(*arguments, **keywords)
    return ops.convert_to_numpy(features), ops.convert_to_numpy(mask)


def one(layer, audio):
    """Features (T, D) of a waveform alone."""
    return compute(layer, audio[None], np.array([len(audio)], "int32"))[0][0]


def voiced(samples, seed=0):
    """A gliding harmonic tone in noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / RATE
    phase = 2 * np.pi * (120 * time + 40 * np.sin(3 * time))
    tones = sum(np.sin(k * phase) / k for k in range(1, 20))
    return (0.1 * tones + 0.01 * rng.standard_normal(samples)).astype("float32")


def padded(rows, size, filler=0.0):
    batch = np.full((len(rows), size), filler, "float32")
    for i, row in enumerate(rows):
        batch[i, : len(row)] = row
    return batch, np.array([len(row) for row in rows], "int32")


def power(audio, layer):
    """librosa's power spectrum (bins, T) of the pre-emphasized waveform."""
    c = np.float32(layer.pre_emphasis)
    audio = np.append(audio[:1], audio[1:] - c * audio[:-1]) if c else audio
    spectrum = librosa.stft(
        audio.astype("float64"),
        n_fft=layer.fft_samples,
        hop_length=layer.stride_samples,
        win_length=layer.window_samples,
        window="boxcar" if layer.window == "none" else layer.window,
        center=True,
        pad_mode="constant",
    )
    return np.abs(spectrum) ** 2


def log_mel(audio, layer):
    energies = librosa.feature.melspectrogram(
        S=power(audio, layer),
        sr=layer.sample_rate,
        n_mels=layer.num_filters,
        fmin=layer.f_min,
        fmax=layer.f_max,
        htk=layer.mel_scale == "htk",
        norm=None if layer.mel_norm == "none" else layer.mel_norm,
    )
    return np.log(energies + layer.floor)


def reference(audio, layer):
    if isinstance(layer, LogSpectrogram):
        spectrum = power(audio, layer)[: layer.num_features]
        return librosa.power_to_db(spectrum, amin=layer.floor, top_db=None).T
    if isinstance(layer, MFCC):
        return librosa.feature.mfcc(
            S=log_mel(audio, layer),
            n_mfcc=layer.num_features,
            lifter=layer.lifter,
        ).T
    return log_mel(audio, layer).T


def plain(cls, features, **options):
    return cls(features, normalization="none", **options)


OPTIONS = {
    "spectrogram": plain(LogSpectrogram, 160),
    "spectrogram_hamming_400": plain(
        LogSpectrogram, 96, window="hamming", window_seconds=0.025
    ),
    "spectrogram_rectangle_emphasis": plain(
        LogSpectrogram, 257, window="none", pre_emphasis=0.97
    ),
    "spectrogram_fft_320": plain(LogSpectrogram, 161, fft_length=320),
    "spectrogram_fft_of_the_window": plain(LogSpectrogram, 161, fft_length=0),
    "spectrogram_odd_window": plain(
        LogSpectrogram, 80, window_seconds=321 / RATE, stride_seconds=101 / RATE
    ),
    "mel_slaney": plain(LogMel, 64),
    "mel_htk": plain(LogMel, 40, mel_scale="htk", mel_norm="none", f_min=20.0),
    "mel_8k": plain(LogMel, 40, sample_rate=8000, f_max=3800.0, pre_emphasis=0.0),
    "mfcc": plain(MFCC, 13),
    "mfcc_lifter": plain(MFCC, 20, num_mels=64, lifter=22.0),
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("samples", [1, 161, 8003])
def test_equals_librosa_on_generated_audio(name, samples):
    layer, audio = OPTIONS[name], voiced(samples)
    expected = reference(audio, layer)
    actual = one(layer, audio)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-3)


def real_audio(data_dir):
    for path in sorted((data_dir / "asr_misc_en").glob("*/*.flac"))[::6]:
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
        assert rate == RATE
        yield audio[:, 0]


@pytest.mark.parametrize("name", ["mel_slaney", "mel_htk", "mfcc"])
def test_equals_librosa_on_real_audio(data_dir, name):
    layer = OPTIONS[name]
    for audio in real_audio(data_dir):
        expected = reference(audio, layer)
        np.testing.assert_allclose(one(layer, audio), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["spectrogram", "spectrogram_hamming_400"])
def test_spectrogram_equals_librosa_on_real_audio(data_dir, name):
    """Every bin down to 60 dB below its frame's peak to 1e-3 dB.

    The rounding of a float32 transform spreads evenly over the bins and grows with
    the root of log N only: an amplitude is off by less than eps = 1.2e-7 of the
    frame's peak. For a bin X dB below the peak that is eps 10^(X/20) of its own
    amplitude, 1e-3 dB at X = 59.7. What lies deeper may be off by those same eps of
    the peak and no more.
    """
    layer = OPTIONS[name]
    for audio in real_audio(data_dir):
        expected = reference(audio, layer)
        below = expected.max(axis=1, keepdims=True) - expected
        rounding = np.finfo("float32").eps * 10 ** (below / 20)
        limit = np.where(below <= 60, 1e-3, 20 * np.log10(1 + rounding))
        assert np.all(np.abs(one(layer, audio) - expected) <= limit)


@each_frontend
def test_padding_and_neighbours_change_nothing(layer):
    rows = [voiced(n, seed=n) for n in (16000, 1, 4799, 4800, 4801, 2000)]
    batch, lengths = padded(rows, 17777, filler=np.nan)
    features, mask = compute(layer, batch, lengths)
    for row, got, real in zip(rows, features, mask, strict=True):
        alone = one(layer, row)
        assert real.sum() == len(alone) == 1 + len(row) // 160
        np.testing.assert_allclose(got[real], alone, rtol=0, atol=1e-5)
        assert not got[~real].any()


@each_frontend
def test_statistics_are_those_of_the_unpadded_frames(layer):
    raw = type(layer)(layer.num_features, normalization="none")
    whole = type(layer)(layer.num_features, normalization="global")
    batch, lengths = padded([voiced(8000), voiced(3000, 1)], 9000)
    for i, length in enumerate(lengths):
        frames = one(raw, batch[i, :length]).astype("float64")
        per_feature = (frames - frames.mean(axis=0)) / frames.std(axis=0)
        overall = (frames - frames.mean()) / frames.std()
        for frontend, expected in ((layer, per_feature), (whole, overall)):
            actual = compute(frontend, batch, lengths)[0][i, : len(frames)]
            np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4)


@each_frontend
@pytest.mark.parametrize("normalization", ["per_feature", "global", "none"])
def test_degenerate_rows_and_their_gradients_are_finite(layer, normalization):
    frontend = type(layer)(layer.num_features, normalization=normalization)
    rows = [np.zeros(0), np.zeros(1600), np.ones(1), np.full(1600, 0.5), voiced(1600)]
    batch, lengths = padded(rows, 1700)
    value, gradients = value_and_gradients(lambda x: frontend(x, lengths)[0], [batch])
    assert np.isfinite(value).all()
    assert np.isfinite(gradients[0]).all()
    assert not value[0].any()
    if normalization == "per_feature":
        np.testing.assert_allclose(value[1:3], 0, atol=1e-6)


def test_computed_features_are_only_normalized():
    frames = np.random.default_rng(0).normal(3, 5, (3, 50, 7)).astype("float32")
    frames[1, 20:] = np.nan
    frames[2, :, 3] = -104.7
    lengths = np.array([50, 20, 50], "int32")
    features, mask = compute(LogMel(7), frames, lengths)
    assert mask.sum(axis=1).tolist() == [50, 20, 50]
    expected = (frames[1, :20] - frames[1, :20].mean(0)) / frames[1, :20].std(0)
    np.testing.assert_allclose(features[1, :20], expected, rtol=0, atol=1e-4)
    assert not features[1, 20:].any()
    assert not features[2, :, 3].any()


@pytest.mark.parametrize("samples", [0, 1, 159, 160, 161, 319, 320, 321, 16000])
def test_output_lengths_are_the_frames(samples):
    layer = LogSpectrogram(96)
    expected = 1 + samples // 160 if samples else 0
    audio = np.ones((1, max(samples, 1)), "float32")
    mask = compute(layer, audio, np.array([samples], "int32"))[1]
    lengths = ops.convert_to_numpy(layer.output_lengths(np.array([samples])))
    assert mask.sum() == lengths[0] == expected
    if samples:
        assert mask.shape[1] == librosa.stft(audio[0], hop_length=160).shape[-1]


def test_frame_rate():
    assert LogMel().frame_rate == 100
    assert LogMel(sample_rate=22050, stride_seconds=0.0125).frame_rate == 22050 / 276


def test_dither_is_for_training_alone():
    layer = LogMel(40, dither=1e-2, normalization="none", pre_emphasis=0.0, seed=1)
    silence, lengths = np.zeros((1, 160000), "float32"), np.array([160000], "int32")
    assert np.ptp(compute(layer, silence, lengths)[0]) == 0
    first = compute(layer, silence, lengths, training=True)[0]
    noise = np.random.default_rng(0).normal(0, 1e-2, 160000).astype("float32")
    expected = reference(noise, layer)
    np.testing.assert_allclose(first.mean(1)[0], expected.mean(0), rtol=0, atol=0.25)
    second = compute(layer, silence, lengths, training=True)[0]
    assert np.abs(second - first).max() > 0.1
    same = LogMel.from_config(layer.get_config())
    again = compute(same, silence, lengths, training=True)[0]
    np.testing.assert_allclose(again, first, rtol=0, atol=1e-4)


@each_frontend
def test_float32_under_a_half_precision_policy(layer):
    audio, lengths = padded([voiced(4000)], 4000)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = type(layer)(layer.num_features)
        features, mask = half(audio, lengths)
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(features.dtype) == "float32"
    assert keras.backend.standardize_dtype(mask.dtype) == "bool"
    expected = compute(layer, audio, lengths)[0]
    np.testing.assert_allclose(ops.convert_to_numpy(features), expected, atol=1e-6)


@each_frontend
def test_symbolic_call(layer):
    source, lengths = keras.Input((None,)), keras.Input((), dtype="int32")
    frontend = type(layer).from_config(layer.get_config())
    model = keras.Model([source, lengths], frontend(source, lengths))
    assert model.output[0].shape[-1] == layer.num_features
    audio, sizes = padded([voiced(4000), voiced(2000)], 4000)
    actual = ops.convert_to_numpy(model([audio, sizes])[0])
    expected = compute(layer, audio, sizes)[0]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


@each_frontend
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow has such shapes"
)
def test_traced_with_unknown_shapes(layer, tmp_path):
    import tensorflow as tf

    compute(layer, *padded([voiced(100)], 100))
    archive = keras.export.ExportArchive()
    archive.track(layer)
    archive.add_endpoint(
        "features",
        lambda source, lengths: layer(source, lengths)[0],
        input_signature=[
            tf.TensorSpec((None, None), "float32"),
            tf.TensorSpec((None,), "int32"),
        ],
    )
    archive.write_out(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "saved")
    for rows, size in (([voiced(4000), voiced(10)], 5000), ([voiced(300)], 300)):
        audio, lengths = padded(rows, size)
        expected = compute(layer, audio, lengths)[0]
        actual = loaded.features(audio, lengths).numpy()
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (LogMel, {"window": "kaiser"}, "window is one of hann.*Received: 'kaiser'"),
        (LogMel, {"normalization": "batch"}, "normalization is one of"),
        (LogMel, {"fft_length": 256}, "fft_length is .*320 samples.*Received: 256"),
        (LogMel, {"fft_length": 513}, "fft_length is an even number"),
        (LogMel, {"fft_length": 1 << 17}, "fft_length .* to 65536. Received: 131072"),
        (LogMel, {"stride_seconds": 0.0}, "stride_seconds is from one sample to 10 s"),
        (LogMel, {"stride_seconds": 1e12}, "stride_seconds .* Received: 1000000000000"),
        (LogMel, {"window_seconds": 4.1}, "window_seconds .* to 4.096 s. Received: 4"),
        (LogMel, {"window_seconds": float("nan")}, "window_seconds .* Received: nan"),
        (LogMel, {"sample_rate": 10**12}, "sample_rate is 1 to 768,000. Received: 1"),
        (LogMel, {"sample_rate": 0}, "sample_rate is 1 to 768,000. Received: 0"),
        (LogMel, {"num_features": 0}, "num_features is 1 to 32,769. Received: 0"),
        (LogMel, {"num_features": 1025}, "num_features is 1 to 1,024. Received: 1025"),
        (LogMel, {"floor": 0.0}, "floor is 1.17.*e-38 to 1.0. Received: 0.0"),
        (LogMel, {"pre_emphasis": -0.1}, "pre_emphasis is 0 to 1. Received: -0.1"),
        (LogMel, {"dither": float("inf")}, "dither is 0 to 1. Received: inf"),
        (LogMel, {"dither": 0.1, "seed": -1}, "seed is 0 to 2,147,483,647"),
        (LogMel, {"mel_scale": "bark"}, "mel_scale is one of slaney, htk"),
        (LogMel, {"f_max": 9000.0}, "f_max <= 8000 Hz. Received: 0.0 and 9000.0"),
        (LogSpectrogram, {"num_features": 258}, "is 1 to 257. Received: 258"),
        (LogSpectrogram, {"floor": -1.0}, "floor is .* Received: -1.0"),
        (MFCC, {"num_features": 13, "num_mels": 12}, "num_mels is 13 to 1,024"),
        (MFCC, {"num_mels": 10**9}, "num_mels is 13 to 1,024. Received: 1000000000"),
    ],
)
def test_bad_options_name_what_is_accepted(cls, options, message):
    with pytest.raises(ValueError, match=message):
        cls(**options)


@pytest.mark.parametrize(("seconds", "samples"), [(0.02, 320), (0.0201, 322)])
def test_a_transform_may_be_as_long_as_the_window(seconds, samples):
    layer = LogSpectrogram(96, window_seconds=seconds, fft_length=0)
    assert layer.fft_samples == samples

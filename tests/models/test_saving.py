"""Preset directories: exact round trips and hostile content."""

import json
import re
import shutil
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.decoders.ctc import CTCDecoder
from s2s_zoo.errors import UserError
from s2s_zoo.models.saving import FORMAT, JSON_LIMIT, WEIGHTS, copy_weights
from s2s_zoo.models.seq2seq import Seq2Seq
from tests.gradients import compiled
from tests.tiny import speech_batch, tiny_preset

DATASET = "encoder/dense/vars/0"
FORMATS = Path(__file__).parent / "formats"
PLAIN = "s2s_zoo>AudioAugmentation"


@pytest.fixture(scope="module")
def model():
    return tiny_preset().build()


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    directory = tmp_path_factory.mktemp("saved") / "preset"
    model.save_to_preset(directory)
    return directory


@pytest.fixture
def directory(saved, tmp_path):
    """A copy to damage."""
    return Path(shutil.copytree(saved, tmp_path / "preset"))


def logits(model):
    call = compiled(lambda inputs: model(inputs)["ctc_logits"])
    return ops.convert_to_numpy(call(speech_batch()[0]))


def edit(path, *keys, value):
    content = json.loads(path.read_text())
    part = content
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    path.write_text(json.dumps(content))


def refuse(directory, match, **kwargs):
    """Loading fails with a message and leaves every file as it is."""
    before = {p: p.read_bytes() for p in directory.parent.rglob("*") if p.is_file()}
    with pytest.raises(UserError, match=match):
        Seq2Seq.from_preset(directory, **kwargs)
    after = {p: p.read_bytes() for p in directory.parent.rglob("*") if p.is_file()}
    assert after == before


def test_a_round_trip_gives_identical_outputs(model, saved):
    again = Seq2Seq.from_preset(saved)
    np.testing.assert_array_equal(logits(again), logits(model))
    assert again.task == model.task


def pattern(shape):
    return 0.1 * np.cos(np.arange(np.prod(shape))).reshape(shape)


def fill(model):
    """Give every weight numbers that can be told from its shape."""
    for weight in model.weights:
        if weight.dtype == "float32":
            weight.assign(pattern(weight.shape))


def test_a_run_gives_its_best_model(saved, tmp_path):
    (tmp_path / "run").mkdir()
    shutil.copytree(saved, tmp_path / "run" / "preset")
    again = Seq2Seq.from_preset(tmp_path / "run")
    assert again.count_params() == Seq2Seq.from_preset(saved).count_params()


def test_a_preset_directory_is_no_run_whatever_lies_in_it(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "mine")
    (tmp_path / "mine" / "preset").mkdir()
    Seq2Seq.from_preset(tmp_path / "mine", load_weights=True)


@pytest.mark.parametrize("number", range(1, FORMAT + 1))
def test_every_format_that_was_released_is_loaded(number):
    """The directories beside this file were written by `fill` and `save_to_preset`."""
    model = Seq2Seq.from_preset(FORMATS / str(number), load_weights=True)
    assert model.encoder.rnn_units == 3
    for weight in model.trainable_weights:
        found = ops.convert_to_numpy(weight)
        np.testing.assert_allclose(found, pattern(found.shape), atol=1e-7)


@pytest.mark.parametrize("written", [None, 0, FORMAT + 1, "1", [1]])
def test_another_format_is_refused_in_one_sentence(directory, written):
    metadata = directory / "metadata.json"
    content = json.loads(metadata.read_text()) | {"format": written}
    if written is None:
        del content["format"]
    metadata.write_text(json.dumps(content))
    found = repr(written or 0)
    refuse(directory, rf"is of format {re.escape(found)}; .* reads format {FORMAT}")


def test_the_files_are_plain_data_under_their_documented_names(saved):
    names = sorted(path.name for path in saved.iterdir())
    assert names == [
        "config.json",
        "metadata.json",
        "model.weights.h5",
        "preprocessor.json",
        "task.json",
    ]
    config = json.loads((saved / "config.json").read_text())
    assert config["encoder"]["part"] == "s2s_zoo>DeepSpeech2Encoder"
    assert config["decoder"]["vocabulary_size"] == 28


def test_a_refused_model_leaves_nothing_behind(directory):
    """Its variables must not come to life with the next model's."""
    edit(directory / "config.json", "encoder", "rnn_units", value=10**6)
    refuse(directory, "numbers")
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    assert np.isfinite(model.train_on_batch(np.ones((2, 3)), np.ones((2, 1))))


def test_saving_keeps_the_optimizer_and_leaves_its_state_out(model, tmp_path):
    model.compile(optimizer=keras.optimizers.Adam())
    model.optimizer.build(model.trainable_variables)
    optimizer = model.optimizer
    model.save_to_preset(tmp_path)
    assert model.optimizer is optimizer
    with h5py.File(tmp_path / WEIGHTS) as file:
        assert "optimizer" not in file


def test_weights_are_required_optional_or_left_alone(model, directory):
    fresh = Seq2Seq.from_preset(directory, load_weights=False)
    assert np.abs(logits(fresh) - logits(model)).max() > 1e-6
    (directory / WEIGHTS).unlink()
    Seq2Seq.from_preset(directory)
    refuse(directory, "No weights", load_weights=True)
    with pytest.raises(UserError, match="No weights"):
        copy_weights(model, directory)


def test_weights_are_copied_into_a_model_of_the_same_architecture(model, saved):
    other = tiny_preset().build()
    copy_weights(other, saved)
    np.testing.assert_array_equal(logits(other), logits(model))


def test_overrides_replace_arguments(saved):
    changed = Seq2Seq.from_preset(
        saved, encoder={"dropout": 0.25}, features={"dither": 0.5}
    )
    assert changed.encoder.dropout == 0.25
    assert changed.encoder.between == []
    assert changed.encoder.dense_dropout.rate == 0.25
    assert changed.features.dither == 0.5
    with pytest.raises(UserError, match="does not fit this model"):
        Seq2Seq.from_preset(saved, encoder={"rnn_units": 4})
    wider = Seq2Seq.from_preset(saved, load_weights=False, encoder={"rnn_units": 4})
    assert wider.encoder.rnn_units == 4
    with pytest.raises(UserError, match="rnn_unit"):
        Seq2Seq.from_preset(saved, encoder={"rnn_unit": 4})
    with pytest.raises(UserError, match="encoders"):
        Seq2Seq.from_preset(saved, encoders={"rnn_units": 4})


def test_a_named_preset_takes_overrides_and_has_no_weights():
    model = Seq2Seq.from_preset(
        "DeepSpeech2-Toy", encoder={"rnn_units": 2, "projection": 2}
    )
    assert model.encoder.rnn_units == 2
    with pytest.raises(UserError, match="without weights"):
        Seq2Seq.from_preset("deepspeech2-toy", load_weights=True)


def test_an_unknown_name_lists_close_ones(tmp_path):
    with pytest.raises(UserError, match=r"Did you mean deepspeech2_small"):
        Seq2Seq.from_preset("deepspeech2-smal")
    with pytest.raises(UserError, match=r"config\.json.*lstm_ctc_small"):
        Seq2Seq.from_preset(tmp_path)


class Unregistered(CTCDecoder):
    """A part whose decorator was forgotten."""


def test_a_part_that_could_not_be_read_again_is_not_saved(tmp_path):
    model = replace(tiny_preset(), decoder=partial(Unregistered)).build()
    for save in (model.save_to_preset, lambda path: model.save(path / "x.keras")):
        with pytest.raises(UserError, match="Unregistered is no registered part"):
            save(tmp_path)


@pytest.mark.parametrize(
    "part",
    [
        "s2s_zoo>Absent",
        "s2s_zoo>CTCDecoder",
        "builtins>eval",
        "os>system",
        "this>s",
        "keras>Lambda",
        "keras.layers>Lambda",
        "Lambda",
        "../../tmp/x",
        7,
        None,
        ["s2s_zoo>DeepSpeech2Encoder"],
    ],
)
def test_only_registered_encoders_are_encoders(directory, part):
    edit(directory / "config.json", "encoder", "part", value=part)
    refuse(directory, "'encoder' is a registered Encoder")
    assert "this" not in sys.modules


@pytest.mark.parametrize(
    ("keys", "value", "match"),
    [
        (("encoder", "initializer"), "builtins>eval", "initializer"),
        (("encoder", "name"), "../../../tmp/x", "name"),
        (("encoder", "rnn_units"), "8", "rnn_units is of type int"),
        (("encoder", "rnn_units"), 2.5, "rnn_units is of type int"),
        (("encoder", "rnn_units"), True, "rnn_units is of type int"),
        (("encoder", "rnn_units"), -2, "units is 1 to"),
        (("encoder", "rnn_units"), 10**30, "units is 1 to"),
        (("encoder", "rnn_units"), 10**6, "numbers"),
        (("encoder", "kernels"), [[3, "3"]], "kernels"),
        (("encoder", "kernels"), [[3, 3, 3]], "kernels"),
        (("encoder", "strides"), [], "0 and 1 of them"),
        (("encoder", "cell"), "rnn", "gru, lstm"),
        (("encoder", "ceiling"), {"class_name": "Lambda"}, "ceiling is of type float"),
        (("encoder", "dropout"), 2, "encoder"),
        (("encoder", "dtype"), "float7", "float7"),
        (("encoder", "dtype"), {"module": "os", "class_name": "system"}, "system"),
        (("encoder",), [1], "'encoder' is an object"),
        (("decoder",), None, "'decoder' is an object"),
        (("decoder", "vocabulary_size"), 10**9, "numbers"),
        (("encoder", "rnn_layers"), 10**9, "rnn_layers is 0 to 1,000"),
        (("encoder", "kernels"), [[1, 1]] * 90_000, "the same convolutions"),
        (("augmentation",), {"part": "s2s_zoo>Absent"}, "registered Augmentation"),
        (("optimizer",), {}, "optimizer"),
    ],
)
def test_what_does_not_describe_a_model_is_refused(directory, keys, value, match):
    edit(directory / "config.json", *keys, value=value)
    refuse(directory, match)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_missing_part_is_named(directory, part):
    content = json.loads((directory / "config.json").read_text())
    del content[part]
    (directory / "config.json").write_text(json.dumps(content))
    refuse(directory, f"'{part}' is an object")


@pytest.mark.parametrize(
    ("keys", "value", "match"),
    [
        (("task",), "os", "speech_to_text"),
        (("task",), ["speech_to_text"], "speech_to_text"),
        (("alphabet",), 5, "alphabet is of type str"),
        (("sample_rate",), "16000", "sample_rate is of type int"),
        (("augmentation",), [1], "augmentation"),
        (("augmentation",), {"part": PLAIN, "speed": "x"}, r"task\.json"),
        (("augmentation",), {"part": PLAIN, "command": "x"}, "command"),
        (("callback",), "x", "callback"),
        (("augmentation",), {"part": PLAIN, "gain_db": ""}, "gain_db is of type"),
        (("augmentation",), {"part": PLAIN, "gain_db": "x"}, "gain_db is of type"),
        (("augmentation",), {"part": PLAIN, "gain_db": {}}, "gain_db is of type"),
        (("augmentation",), {"part": PLAIN, "noise_db": []}, "noise_db is of type"),
        (
            ("augmentation",),
            {"part": PLAIN, "noise_db": [1, 0]},
            r"task\.json.*noise_db",
        ),
        (
            ("augmentation",),
            {"part": PLAIN, "noise_db": [-1e308, 1e308]},
            "-200 to 200",
        ),
        (("sample_rate",), 10**12, r"task\.json: sample_rate is 1 to 768,000"),
        (("max_seconds",), float("inf"), "max_seconds is of type float"),
    ],
)
def test_what_does_not_describe_a_task_is_refused(directory, keys, value, match):
    edit(directory / "task.json", *keys, value=value)
    refuse(directory, match)


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("sample_rate", 10**12, "'features': sample_rate is 1 to 768,000"),
        ("sample_rate", 0, "'features': sample_rate is 1 to 768,000"),
        ("window_seconds", 1e12, "'features': window_seconds is from one sample"),
        ("stride_seconds", 1e12, "'features': stride_seconds is from one sample"),
        ("window_seconds", float("nan"), "window_seconds is of type float"),
        ("fft_length", 1 << 30, "'features': fft_length is an even number"),
        ("num_features", 10**9, "'features': num_features is 1 to"),
        ("window", "kaiser", "'features'.*hann"),
    ],
)
def test_features_beyond_all_bounds_are_refused(directory, name, value, match):
    edit(directory / "preprocessor.json", "features", name, value=value)
    refuse(directory, match)


@pytest.mark.parametrize("name", ["config.json", "preprocessor.json", "task.json"])
@pytest.mark.parametrize(
    "content",
    [
        b'{"encoder": {"part',
        b"[]",
        b"",
        b"\xff\xfe\x00",
        b"[" * 100_000 + b"]" * 100_000,
        b"{" + b" " * JSON_LIMIT + b"}",
    ],
    ids=["truncated", "list", "empty", "not UTF-8", "deep", "huge"],
)
def test_damaged_json_is_refused(directory, name, content):
    (directory / name).write_bytes(content)
    refuse(directory, name)


def test_a_missing_file_is_named(directory):
    (directory / "task.json").unlink()
    refuse(directory, r"task\.json")


def with_external_link(file, outside):
    file["encoder/x"] = h5py.ExternalLink(str(outside), "/")


def with_soft_link(file, _):
    file["encoder/x"] = h5py.SoftLink("/decoder")


def with_hard_link_cycle(file, _):
    file["encoder/x"] = file["encoder"]


def with_named_type(file, _):
    file["encoder/x"] = np.dtype("float32")


def with_external_storage(file, outside):
    shape = file[DATASET].shape
    del file[DATASET]
    place = [(str(outside), 0, 4 * int(np.prod(shape)))]
    file.create_dataset(DATASET, shape, "float32", external=place)


def with_virtual_data(file, outside):
    layout = h5py.VirtualLayout(file[DATASET].shape, "float32")
    layout[...] = h5py.VirtualSource(str(outside), "x", shape=file[DATASET].shape)
    del file[DATASET]
    file.create_virtual_dataset(DATASET, layout)


def with_400_gigabytes(file, _):
    file.create_dataset("x", (10**11,), "float32", chunks=(1000,), compression="gzip")


def with_huge_strings(file, _):
    file.create_dataset("x", (10,), "S1000000000", chunks=(1,), compression="gzip")


def with_another_shape(file, _):
    shape = file[DATASET].shape
    del file[DATASET]
    file.create_dataset(DATASET, shape[::-1], "float32")


def with_text(file, _):
    shape = file[DATASET].shape
    del file[DATASET]
    file.create_dataset(DATASET, shape, h5py.string_dtype())


def without_a_weight(file, _):
    del file[DATASET]


def without_groups(file, _):
    del file["encoder"]
    file["encoder"] = [1.0]


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (with_external_link, "/encoder/x is a link"),
        (with_soft_link, "/encoder/x is a link"),
        (with_hard_link_cycle, "/encoder/x is in it twice"),
        (with_named_type, "neither group nor dataset"),
        (with_external_storage, "lies in another file"),
        (with_virtual_data, "lies in another file"),
        (with_400_gigabytes, "it holds 100,000,000"),
        (with_huge_strings, "it holds 2,500,000"),
        (with_another_shape, "does not fit"),
        (with_text, "does not fit"),
        (without_a_weight, "does not fit"),
        (without_groups, "does not fit"),
    ],
)
def test_hostile_weights_are_refused(directory, damage, match):
    outside = directory.parent / "outside"
    outside.write_bytes(b"\1" * 1000)
    with h5py.File(directory / WEIGHTS, "r+") as file:
        damage(file, outside)
    refuse(directory, match)


@pytest.mark.parametrize("size", [0, 100, 4000, -100])
def test_truncated_weights_are_refused(directory, size):
    content = (directory / WEIGHTS).read_bytes()
    (directory / WEIGHTS).write_bytes(content[:size])
    refuse(directory, "model.weights.h5")


def test_damage_anywhere_in_the_weights_never_ends_in_another_error(directory):
    """Damage to the numbers themselves loads; damage to the structure is refused."""
    rng = np.random.default_rng(0)
    path = directory / WEIGHTS
    content = np.frombuffer(path.read_bytes(), np.uint8)
    refused = 0
    for _ in range(15):
        damaged = content.copy()
        damaged[rng.integers(len(content), size=30)] = rng.integers(256, size=30)
        path.write_bytes(damaged.tobytes())
        try:
            Seq2Seq.from_preset(directory)
        except UserError:
            refused += 1
    assert refused > 5


def test_a_pickle_beside_the_model_is_not_read(model, directory):
    bomb = b"cos\nsystem\n(S'touch bomb'\ntR."
    for name in ("model.pkl", "config.pkl", "assets.pickle"):
        (directory / name).write_bytes(bomb)
    again = Seq2Seq.from_preset(directory)
    np.testing.assert_array_equal(logits(again), logits(model))
    assert not list(Path.cwd().glob("bomb"))

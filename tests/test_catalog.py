"""Presets as data: every number has a path, every wrong path says so."""

from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_zoo.catalog import Recipe
from s2s_zoo.errors import UserError
from s2s_zoo.optimizers.schedules import PolynomialDecay
from s2s_zoo.registry import PRESETS
from s2s_zoo.settings import parse_setting, shown_setting

SMALL = PRESETS.get("deepspeech2_small")
CHANGED = {
    "recipe.class_weight": "balanced",
    "recipe.precision": "mixed_bfloat16",
    "recipe.loss_scaling.algorithm": "none",
    "recipe.loss_scaling.beta1": 0.9,
    "recipe.loss_scaling.beta2": 0.9,
    "encoder.cell": "lstm",
    "features.window": "hamming",
    "features.normalization": "global",
    "features.window_seconds": 0.03,
    "features.fft_length": 1024,
    "task.augmentation.noise_db": (-80.0, -70.0),
    "task.augmentation.band_hz": (200.0, 3400.0),
    "task.augmentation.gain_db": (-6.0, 6.0),
    "task.augmentation.speed": 0.1,
    "task.augmentation.probability": 0.5,
}


def test_a_budget_is_in_the_units_of_the_task():
    text = PRESETS.get("transformer_tiny").with_settings({"recipe.batch": 512})
    assert text.recipe.batch == 512
    for path in ("recipe.batch_seconds", "recipe.batch_tokens"):
        with pytest.raises(UserError, match=r"Did you mean recipe\.batch"):
            SMALL.with_settings({path: 512})


def another(path, value):
    """A value of the same type that differs."""
    if path in CHANGED:
        return CHANGED[path]
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return value + "z"
    return (*value, value[-1]) if isinstance(value, tuple) else 1.0


@pytest.mark.parametrize("path", [p for p in SMALL.settings() if p != "augmentation"])
def test_every_path_is_settable_and_changes_nothing_else(path):
    before = SMALL.settings()
    value = another(path, before[path])
    after = SMALL.with_settings({path: value}).settings()
    assert after[path] == value
    assert after[path] != before[path]
    assert {k for k in before if k in after and before[k] != after[k]} == {path}
    assert SMALL.settings() == before


def test_settings_reach_the_model():
    changed = {"encoder.rnn_units": 3, "encoder.projection": 2, "task.alphabet": "ab"}
    preset = SMALL.scaled().with_settings(changed)
    model = preset.build()
    assert model.encoder.recurrences[0].units == 3
    assert model.encoder.dense.units == 2
    assert model.decoder.vocabulary_size == 2


def test_a_deep_path_reaches_the_schedule_and_the_task():
    preset = SMALL.with_settings(
        {"recipe.schedule.decay_rate": 0.5, "task.augmentation.speed": 0.2}
    )
    assert preset.recipe.schedule.keywords["decay_rate"] == 0.5
    assert preset.task.augmentation.speed == 0.2
    assert preset.task.augmentation.noise_db == SMALL.task.augmentation.noise_db


@pytest.mark.parametrize(
    ("path", "close"),
    [
        ("encoder.rnn_unit", "encoder.rnn_units"),
        ("recipe.epoch", "recipe.epochs"),
        ("recipe.schedule.learning_rate", "recipe.schedule.initial_learning_rate"),
        ("rnn_units", "encoder.rnn_units"),
    ],
)
def test_a_wrong_path_lists_the_right_ones(path, close):
    with pytest.raises(UserError) as caught:
        SMALL.with_settings({path: 1})
    message = str(caught.value)
    assert message.startswith(f"No setting '{path}'. Did you mean ")
    assert close in message.split(" All: ")[0]
    assert "decoder.l2" in message.split(" All: ")[1]


@pytest.mark.parametrize("path", ["name", "demo", "recipe", "encoder", "", "recipe."])
def test_what_is_no_number_has_no_path(path):
    with pytest.raises(UserError, match="No setting"):
        SMALL.with_settings({path: 1})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("encoder.rnn_units", "many"),
        ("encoder.rnn_units", 2.5),
        ("encoder.rnn_units", True),
        ("encoder.rnn_units", None),
        ("encoder.dropout", "0.5"),
        ("encoder.dropout", False),
        ("encoder.bidirectional", 1),
        ("encoder.bidirectional", "yes"),
        ("encoder.kernels", 11),
        ("encoder.cell", 3),
        ("recipe.epochs", [3]),
        ("recipe.loss_scaling.algorithm", [1]),
    ],
)
def test_a_value_of_another_type_is_refused(path, value):
    with pytest.raises(UserError, match=rf"^{path} is of type .+, like .*Received"):
        SMALL.with_settings({path: value})


def test_a_place_of_a_column_is_set_alone():
    preset = PRESETS.get("quartznet_15x5")
    typed = dict(
        [parse_setting("encoder.kernels.3=41"), ("encoder.residuals.6", "plain")]
    )
    changed = preset.with_settings(typed).settings()
    assert changed["encoder.kernels"] == (33, 33, 39, 41, 63, 75, 87, 1)
    assert changed["encoder.residuals"] == ("none", *("plain",) * 6, "none")
    before = preset.settings()
    assert {path for path in before if changed[path] != before[path]} == {
        "encoder.kernels",
        "encoder.residuals",
    }


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("encoder.kernels.8", 3, "encoder.kernels.8: the column has places 0 to 7"),
        ("encoder.bands.0", 3, "encoder.bands.0: the column has no places"),
        ("encoder.kernels.3", "wide", "encoder.kernels.3 is of type int"),
        ("encoder.ceiling.3", 3, "No setting 'encoder.ceiling.3'"),
        ("encoder.kernels.x", 3, "No setting 'encoder.kernels.x'"),
    ],
)
def test_a_wrong_place_of_a_column_is_refused(path, value, message):
    with pytest.raises(UserError, match=message):
        PRESETS.get("quartznet_15x5").with_settings({path: value})


@pytest.mark.parametrize(
    ("setting", "match"),
    [
        ("features.sample_rate=1000000000000", "features: sample_rate is 1 to 768,000"),
        ("features.sample_rate=1e12", "features.sample_rate is of type int"),
        ("features.window_seconds=1e12", "features: window_seconds is from one sample"),
        ("features.stride_seconds=1e12", "features: stride_seconds is from one sample"),
        (
            "features.window_seconds=Infinity",
            "features.window_seconds is of type float",
        ),
        ("features.window_seconds=NaN", "features.window_seconds is of type float"),
        ("features.fft_length=1000000000", "features: fft_length is an even number"),
        ("features.num_features=1000000000", "features: num_features is 1 to 32,769"),
        ("encoder.rnn_layers=1000000000", "encoder: rnn_layers is 0 to 1,000"),
        ("encoder.row_convolution=-1", "encoder: row_convolution is 0 to"),
        ("task.sample_rate=1000000000000", "task.sample_rate: sample_rate is 1 to"),
        ("task.buckets=0", "task.buckets: buckets is 1 to 128"),
        ("recipe.seed=4294967296", "recipe: seed is 0 to 2,147,483,647"),
    ],
)
def test_a_number_beyond_all_bounds_is_refused_before_anything_is_made(setting, match):
    with pytest.raises(UserError, match=match):
        SMALL.with_settings(dict([parse_setting(setting)])).build()


@pytest.mark.parametrize(
    ("setting", "match"),
    [
        ("encoder.layers=1000000000", "encoder: layers is 1 to 1,000"),
        ("decoder.layers=1000000000", "decoder: layers is 1 to 1,000"),
        ("encoder.heads=0", "encoder: heads is 1 to"),
        ("decoder.heads=-4", "decoder: heads is 1 to"),
        ("features.width=0", "features: width is 1 to"),
        ("task.validation_beam=0", "validation_beam is 1 to"),
    ],
)
def test_numbers_of_translators_have_bounds_too(setting, match):
    preset = PRESETS.get("transformer_tiny").scaled()
    with pytest.raises(UserError, match=match):
        preset.with_settings(dict([parse_setting(setting)])).build()


@pytest.mark.parametrize("name", ["gain_db", "noise_db"])
@pytest.mark.parametrize("typed", ["", "loud", "{}", "[]", "[1]", '[1, "2"]', "[2, 1]"])
def test_levels_are_two_numbers(name, typed):
    path = f"task.augmentation.{name}"
    with pytest.raises(UserError, match=rf"^{path}.*Received: "):
        SMALL.with_settings(dict([parse_setting(f"{path}={typed}")]))


def test_whole_numbers_are_floats_and_lists_tuples():
    preset = SMALL.with_settings(
        {"encoder.dropout": 0, "encoder.kernels": [[3, 5], [5, 3]]}
    )
    settings = preset.settings()
    assert settings["encoder.dropout"] == 0.0
    assert type(settings["encoder.dropout"]) is float
    assert settings["encoder.kernels"] == ((3, 5), (5, 3))


def test_loss_scaling_is_an_algorithm_or_a_number():
    path = "recipe.loss_scaling.algorithm"
    for value in ("none", "backoff", "logmax", "128"):
        settings = SMALL.with_settings({path: value}).settings()
        assert settings[path] == value
    for value in ("sometimes", "-1", "nan"):
        with pytest.raises(UserError, match=rf"backoff, logmax.*algorithm={value}"):
            SMALL.with_settings({path: value})


def test_bounds_of_loss_scaling_are_checked():
    preset = SMALL.with_settings({"recipe.loss_scaling.scale_max": 2.0**24})
    assert preset.recipe.loss_scaling.keywords["scale_max"] == 2.0**24
    with pytest.raises(UserError, match="step_factor is above 1"):
        SMALL.with_settings({"recipe.loss_scaling.step_factor": 0.5})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("recipe.schedule.initial_learning_rate", -1e-3),
        ("recipe.schedule.initial_learning_rate", 0.0),
        ("recipe.batch", 0.0),
        ("recipe.batch", -1),
        ("recipe.epochs", 0),
        ("recipe.checkpoint_every", 0),
        ("recipe.keep_checkpoints", 0),
        ("recipe.max_steps", -1),
        ("recipe.patience", -1),
        ("recipe.seed", -1),
    ],
)
def test_numbers_out_of_range_are_refused(path, value):
    with pytest.raises(UserError) as caught:
        SMALL.with_settings({path: value})
    assert path in str(caught.value)
    assert f"Received: {value}" in str(caught.value)


def test_an_unknown_precision_lists_those_there_are():
    for value in ("float16", "encoder=float16", "search=float32", "encoder"):
        with pytest.raises(UserError, match="float32, mixed_float16, mixed_bfloat16"):
            SMALL.with_settings({"recipe.precision": value})


def test_precision_by_part():
    preset = SMALL.scaled().with_settings({"recipe.precision": "encoder=mixed_float16"})
    model = preset.build()
    assert model.encoder.dtype_policy.name == "mixed_float16"
    assert model.decoder.dtype_policy.name == "float32"


@pytest.mark.parametrize("decay_steps", [0, 3])
def test_what_a_schedule_refuses_is_one_error(decay_steps):
    schedule = partial(
        PolynomialDecay, initial_learning_rate=1.0, decay_steps=decay_steps, begin=-1
    )
    recipe = Recipe(optimizer=partial(dict), schedule=schedule, batch=1.0, epochs=1)
    with pytest.raises(UserError, match=r"recipe.schedule: begin .*Received: -1"):
        recipe.rates(5)


def test_a_recipe_is_checked_when_made():
    schedule = partial(PolynomialDecay, initial_learning_rate=-1.0, decay_steps=3)
    with pytest.raises(UserError, match="initial_learning_rate is above 0"):
        Recipe(optimizer=partial(dict), schedule=schedule, batch=1.0, epochs=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("encoder.rnn-units=256", 256),
        (" encoder.rnn_units = 256 ", 256),
        ("encoder.rnn_units: 256", 256),
        ("encoder.dropout=1e-3", 1e-3),
        ("encoder.dropout=0", 0.0),
        ("encoder.bidirectional=false", False),
        ("encoder.bidirectional=False", False),
        ("encoder.ceiling=null", None),
        ("encoder.ceiling=None", None),
        ("encoder.ceiling=20.0", 20.0),
        ("encoder.kernels=[[3,5],[5,3]]", ((3, 5), (5, 3))),
        ("recipe.precision=mixed_bfloat16", "mixed_bfloat16"),
        ("recipe.loss_scaling.algorithm=128", "128"),
        ("task.alphabet= abc", " abc"),
        ("task.alphabet= abc  ", " abc  "),
        ("task.alphabet:  abc", " abc"),
        ("task.alphabet=abc ", "abc "),
        ('task.alphabet=" abcäöüß"', " abcäöüß"),
        ('task.alphabet="a\\u0062\\"c"', 'ab"c'),
        ('task.alphabet="ab', '"ab'),
        ('task.alphabet=a"b"', 'a"b"'),
        ("task.alphabet=a=b: c", "a=b: c"),
        ("task.alphabet=0123456789", "0123456789"),
        ("task.alphabet=True", "True"),
        ("task.alphabet=\ta\nb", "\ta\nb"),
        ("task.demo_corpus=", ""),
    ],
)
def test_a_setting_as_typed(text, expected):
    path, value = parse_setting(text)
    found = SMALL.with_settings({path: value}).settings()[path]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("name", PRESETS.names())
def test_what_show_prints_can_be_pasted_back(name):
    preset = PRESETS.get(name)
    for path, value in {**preset.settings(), **preset.demo}.items():
        for line in (
            f"{path}={shown_setting(value)}",
            f"{path}: {shown_setting(value)}",
        ):
            found = preset.with_settings(dict([parse_setting(line)])).settings()[path]
            assert found == value
            assert type(found) is type(value)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_text_can_be_pasted_back(text):
    path, value = parse_setting(f"task.demo_corpus={shown_setting(text)}")
    assert SMALL.with_settings({path: value}).task.demo_corpus == text


@pytest.mark.parametrize("value", ["many", "2.5", "true", "null", '"3"', "[3]", ""])
def test_what_is_typed_in_another_type_is_refused(value):
    with pytest.raises(UserError, match=r"^encoder.rnn_units is of type int, like 512"):
        SMALL.with_settings(dict([parse_setting(f"encoder.rnn_units={value}")]))


def test_a_setting_needs_an_equals_sign():
    with pytest.raises(UserError, match=r"PATH=VALUE\. Received: encoder.rnn_units 3"):
        parse_setting("encoder.rnn_units 3")


def test_weights_of_a_named_preset_are_refused():
    with pytest.raises(UserError, match="deepspeech2_small comes without weights"):
        SMALL.build(load_weights=True)


@pytest.mark.parametrize(
    ("name", "varies"),
    [
        ("deepspeech2_small", None),
        ("deepspeech2_large", "deepspeech2_small"),
        ("transformer_nvgrad", "transformer_big"),
        ("transformer_big", "transformer_base"),
        ("summarizer_small", "transformer_tiny"),
        ("convs2s", None),
    ],
)
def test_a_preset_knows_which_one_it_varies(name, varies):
    preset = PRESETS.get(name)
    assert preset.varies == varies
    assert preset.scaled().varies == varies
    other = replace(preset.scaled(), name="other")
    assert other.varies == name


def test_what_is_set_at_each_node():
    kinds = PRESETS.get("transformer_nvgrad").kinds()
    assert kinds["encoder"] == "TransformerEncoder"
    assert kinds["recipe.optimizer"] == "NovoGrad"
    assert kinds["recipe.schedule"] == "PolynomialDecay"
    assert kinds["task"] == "TextToText"
    assert "augmentation" not in kinds


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("gnmt", {"decoder.attention": "foo"}, "^decoder: attention .*'foo'"),
        ("deepspeech2_small", {"encoder.cell": "foo"}, "^encoder: cell .*'foo'"),
        ("deepspeech2_small", {"features.window": "foo"}, "window.*'foo'"),
        ("deepspeech2_small", {"encoder.strides": ((2, 2),)}, "^encoder: .*2, 1 and 2"),
        ("gnmt", {"encoder.residual_from": 0}, "^gnmt: Layer 0 adds its input"),
        ("transformer_tiny", {"task.objective.label_smoothing": 2.0}, "below 1.*2.0"),
        ("deepspeech2_small", {"task.augmentation.gain_db": ()}, "gain_db is of type"),
        (
            "deepspeech2_small",
            {"task.augmentation.noise_db": "x"},
            "noise_db is of type",
        ),
    ],
)
def test_what_a_part_refuses_is_a_user_s_mistake(name, settings, message):
    with pytest.raises(UserError, match=message):
        PRESETS.get(name).scaled().with_settings(settings).build()


def test_a_search_of_another_family_is_named():
    model = SMALL.scaled().build()
    keys = r"Search: the keys are beam, lm, .*\. Received: temperature"
    with pytest.raises(UserError, match=keys):
        model.generate([], temperature=0.8)

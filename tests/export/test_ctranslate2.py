"""CTranslate2 translates and scores as the model does."""

import ast
import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest

pytest.importorskip("ctranslate2", reason="it runs what is exported")

import ctranslate2

from s2s_zoo.data.pairs import Pair
from s2s_zoo.errors import UserError
from s2s_zoo.export.ctranslate2 import _describe, write_ctranslate2
from s2s_zoo.export.formats import FORMATS
from s2s_zoo.registry import PRESETS
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.vocabulary import END, PAD, START
from s2s_zoo.workflows.export import export
from tests.tiny import searched

LIMIT = 24
TOLERANCE = 1e-4
ANIMALS = ["cat", "dog", "horse", "mouse", "sparrow", "salmon", "badger", "Bär"]
LINES = [
    f"the {a} sees a {b}, and {i} other {a}s near the old river"
    for i in range(9)
    for a in ANIMALS
    for b in ANIMALS
]
PAIRS = [Pair(str(i), line, line[::-1]) for i, line in enumerate(LINES)]
SIZES = {"layers": 2, "width": 16, "heads": 4, "hidden": 24}
SHALLOW = {"encoder.layers": 1, "decoder.layers": 1}


def sources():
    """50 sources of different lengths, some with unknown characters."""
    rng = np.random.default_rng(1)
    words = " ".join(LINES).split()
    drawn = [" ".join(rng.choice(words, n)) for n in rng.integers(1, 12, 46)]
    return [*drawn, "ж", "a ☃ cat", "x", "q" * 40]


def random_model(preset="transformer_tiny", **settings):
    """A model whose every weight is drawn, with tokenizers of the lines above.

    It hardly ever writes padding and start, which CTranslate2 takes out of the
    softmax when it is told never to write them, and it ends a text now and then.
    """
    preset = PRESETS.get(preset).with_settings({"task.vocabulary": 60, **settings})
    model = replace(preset, task=preset.task.fit(PAIRS)).build()
    rng = np.random.default_rng(11)
    for variable in model.trainable_variables:
        drawn = rng.normal(0, 0.4, variable.shape).astype("float32")
        variable.assign(drawn + variable.path.endswith("gamma"))
    return model


def seldom_special(decoder):
    """Of a Transformer."""
    beta = decoder.normalization.beta
    beta.assign(np.ones(beta.shape))
    tied = decoder.tie_output
    weight = decoder.embedding.table if tied else decoder.output_kernel
    scores = keras.ops.convert_to_numpy(weight).copy()
    rows = scores if tied else scores.T
    rows[[PAD, START]], rows[END] = -1, rows[END] + 0.1
    weight.assign(scores)


def learn_beginnings(model, longest=9, steps=60):
    """A little: it ends its texts, and is in doubt about each."""
    model.compile(keras.optimizers.Adam(0.01), auto_scale_loss=False)
    inputs = model.task.serving(model).batch(sources())
    lengths = np.minimum(inputs["source_lengths"], longest)
    target = inputs["source"][:, :longest].copy()
    target[np.arange(len(lengths)), lengths - 1] = END
    for _ in range(steps):
        model.train_on_batch(
            {**inputs, "target": target}, {"target": target, "target_lengths": lengths}
        )


def transformer(**settings):
    sizes = {f"{p}.{k}": v for p in ("encoder", "decoder") for k, v in SIZES.items()}
    return random_model(**{"features.width": 16, **sizes, **settings})


@pytest.fixture(
    scope="module", params=["joint, tied", "separate, untied", "separate, output tied"]
)
def pair(request, tmp_path_factory):
    """A model, and CTranslate2's of it."""
    joint, tied = "joint" in request.param, request.param != "separate, untied"
    model = transformer(
        **{
            "task.joint": joint,
            "decoder.tie_source": joint,
            "decoder.tie_output": tied,
            "encoder.layers": 2 + tied,
            "encoder.epsilon": 1e-3,
            "decoder.epsilon": 1e-3,
        }
    )
    seldom_special(model.decoder)
    folder = tmp_path_factory.mktemp("exported") / "model"
    write_ctranslate2(model.task.serving(model), folder)
    return model, folder


def as_pieces(tokenizer, ids):
    return [tokenizer.pieces[i] for i in ids]


def ours(model, lines, **search):
    options = TokenSearch(length_factor=0.0, length_extra=LIMIT, **search)
    batch = model.task.serving(model).batch(lines)
    found = searched(model, batch, options)
    found = {name: keras.ops.convert_to_numpy(value) for name, value in found.items()}
    rows = zip(found["tokens"][:, 0], found["lengths"][:, 0], strict=True)
    return [row[:size].tolist() for row, size in rows], found["scores"][:, 0]


def theirs(model, folder, lines, **search):
    tokenizers = model.task.tokenizers
    translator = ctranslate2.Translator(str(folder), compute_type="float32")
    found = translator.translate_batch(
        [as_pieces(tokenizers.source, i) for i in tokenizers.source.encode(lines)],
        max_decoding_length=LIMIT,
        min_decoding_length=0,
        suppress_sequences=[["<pad>"], ["<s>"]],
        **search,
    )
    pieces = tokenizers.target.pieces
    return [[pieces.index(p) for p in row.hypotheses[0]] for row in found]


def scored(model, folder, rows):
    tokenizers = model.task.tokenizers
    translator = ctranslate2.Translator(str(folder), compute_type="float32")
    return translator.score_batch(
        [as_pieces(tokenizers.source, i) for i in tokenizers.source.encode(sources())],
        [as_pieces(tokenizers.target, row) for row in rows],
    )


def test_greedy_translations(pair):
    model, folder = pair
    expected, _ = ours(model, sources(), beam=1)
    assert len({tuple(row) for row in expected}) > 8
    assert theirs(model, folder, sources(), beam_size=1) == expected


def test_scores(pair):
    model, folder = pair
    tokenizers = model.task.tokenizers
    rng = np.random.default_rng(2)
    lengths = rng.integers(0, 9, 50)
    targets = [rng.integers(4, tokenizers.target.size, n) for n in lengths]
    batch = model.task.serving(model).batch(sources())
    batch["target"] = np.zeros((50, 10), np.int32)
    for row, target in zip(batch["target"], targets, strict=True):
        row[: len(target) + 1] = [*target, END]
    logits = model(batch, training=False)["logits"]
    expected = keras.ops.convert_to_numpy(keras.ops.log_softmax(logits))
    found = scored(model, folder, targets)
    for row, target, result in zip(expected, batch["target"], found, strict=True):
        size = len(result.log_probs)
        wanted = row[np.arange(size), target[:size]]
        np.testing.assert_allclose(result.log_probs, wanted, atol=TOLERANCE)
        assert result.tokens[-1] == "</s>"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model that ends its texts, and CTranslate2's of it."""
    settings = {"encoder.dropout": 0.0, "decoder.dropout": 0.0, "task.search.beam": 4}
    model = transformer(**settings)
    learn_beginnings(model)
    folder = tmp_path_factory.mktemp("trained") / "model"
    write_ctranslate2(model.task.serving(model), folder)
    return model, folder


@pytest.mark.parametrize("alpha", [0.0, 1e-6])
def test_beam_translations_that_no_length_penalty_ranks(alpha, trained):
    """With a penalty, however small, CTranslate2 is done when 4 texts have ended."""
    expected, _ = ours(trained[0], sources(), beam=4, length_penalty=alpha)
    found = theirs(*trained, sources(), beam_size=4, length_penalty=alpha)
    assert found == expected
    assert len({len(row) for row in found}) > 4
    assert max(map(len, found)) < LIMIT


@pytest.mark.parametrize("alpha", [0.6, 1.0])
def test_beam_translations_ranked_as_the_model_ranks_them(alpha, trained):
    """By log-probability / ((5 + length) / 6)^α, over all texts of CTranslate2."""
    model, folder = trained
    described = json.loads((folder / "serving.json").read_text("utf-8"))
    options = described["translate_batch"] | {"max_decoding_length": LIMIT}
    tokenizers = model.task.tokenizers
    found = ctranslate2.Translator(str(folder)).translate_batch(
        [as_pieces(tokenizers.source, i) for i in tokenizers.source.encode(sources())],
        **options,
    )
    best = [
        max(
            zip(f.scores, f.hypotheses, strict=True),
            key=lambda text: text[0] / ((6 + len(text[1])) / 6) ** alpha,
        )[1]
        for f in found
    ]
    expected, _ = ours(model, sources(), beam=4, length_penalty=alpha)
    assert best == [as_pieces(tokenizers.target, row) for row in expected]


def test_attention_is_the_alignment(pair):
    model, folder = pair
    tokenizers = model.task.tokenizers
    line = LINES[0]
    (pieces,) = (
        as_pieces(tokenizers.source, i) for i in tokenizers.source.encode([line])
    )
    translator = ctranslate2.Translator(str(folder), compute_type="float32")
    (found,) = translator.translate_batch(
        [pieces], beam_size=1, max_decoding_length=LIMIT, return_attention=True
    )
    target = [tokenizers.target.pieces.index(piece) for piece in found.hypotheses[0]]
    batch = model.task.serving(model).batch([line])
    weights = model.decoder.alignment(np.array([target], np.int32), model.encode(batch))
    expected = keras.ops.convert_to_numpy(weights)[0, :, :-1]
    np.testing.assert_allclose(found.attention[0], expected, atol=TOLERANCE)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A run whose tokenizers differ, exported."""
    run = tmp_path_factory.mktemp("run")
    model = transformer(
        **{"task.joint": False, "decoder.tie_source": False},
        **{"recipe.precision": "mixed_bfloat16"},
        **SHALLOW,
    )
    model.save_to_preset(run / "preset")
    result = export(run=run, format="ctranslate2")
    assert (result.format, result.path) == (
        "ctranslate2",
        str(run / "export/ctranslate2"),
    )
    assert result.max_abs_difference <= TOLERANCE
    return run / "preset", run / "export/ctranslate2"


def test_what_is_written(exported):
    _, folder = exported
    assert {path.name for path in folder.iterdir()} == {
        *("model.bin", "config.json", "serving.json", "source.model", "target.model"),
        *("source_vocabulary.json", "target_vocabulary.json"),
    }
    assert (folder / "source.model").read_bytes() != (
        folder / "target.model"
    ).read_bytes()
    described = json.loads((folder / "serving.json").read_text("utf-8"))
    assert described["positions"] == 1024
    assert described["translate_batch"]["beam_size"] == 5
    assert described["length_penalty"] == 1.0
    assert described["translate_batch"]["num_hypotheses"] == 5
    assert described["translate_batch"]["patience"] == 1.0


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("beam=4,patience=0.5", {"num_hypotheses": 2, "patience": 0.5}),
        ("beam=4,patience=2", {"num_hypotheses": 8, "patience": 2.0}),
        ("beam=4,patience=none", {"num_hypotheses": 16, "patience": 4.0}),
        ("beam=1,patience=0.2", {"num_hypotheses": 1, "patience": 1.0}),
        ("beam=4,n_best=3,length_penalty=0", {"num_hypotheses": 3}),
    ],
)
def test_ctranslate2_takes_the_options_of_every_search(trained, search, expected):
    model, folder = trained
    serving = model.task.serving(model)
    task = replace(model.task, search=model.task.search.parse(search))
    model.task, before = task, model.task
    options = _describe(serving)["translate_batch"]
    model.task = before
    assert expected.items() <= options.items()
    translator = ctranslate2.Translator(str(folder))
    (found,) = translator.translate_batch([["▁the"]], **options)
    assert len(found.scores) == expected["num_hypotheses"]


def test_the_usage_written_there_works(trained):
    model, folder = trained
    described = json.loads((folder / "serving.json").read_text("utf-8"))
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(described["usage"])],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (found,) = ast.literal_eval(done.stdout)
    assert [found] == model.generate(model.task.serving(model).samples[:1])


def test_an_input_with_a_position_too_many(exported):
    """It is read up to where positions end, its last token the end."""
    _, folder = exported
    described = json.loads((folder / "serving.json").read_text("utf-8"))
    options = {**described["translate_batch"], "max_decoding_length": 3}
    translator = ctranslate2.Translator(str(folder), compute_type="float32")
    long, cut = (["▁the"] * n for n in (1500, 1023))
    found = [translator.translate_batch([row], **options)[0] for row in (long, cut)]
    assert found[0].hypotheses == found[1].hypotheses
    assert found[0].scores == pytest.approx(found[1].scores, abs=1e-5)


@pytest.mark.parametrize(
    ("preset", "settings", "message"),
    [
        ("transformer_big_bn", {}, r"encoder.norm batch, decoder.norm batch"),
        (
            "transformer_tiny",
            {"encoder.norm": "layer_l1"},
            r"such as transformer_base.*encoder.norm layer_l1",
        ),
        ("transformer_tiny", {"features.width": 16}, r"features.width 16.* 8"),
        (
            "transformer_tiny",
            {"encoder.epsilon": 1e-3},
            r"decoder.epsilon 1e-06.*0.001",
        ),
        (
            "transformer_tiny",
            {"task.search.temperature": 0.7, "task.search.beam": 1},
            r"by beams.*temperature 0\.7",
        ),
        ("deepspeech2_small", {}, r"task SpeechToText, .*encoder DeepSpeech2Encoder"),
        ("gnmt", {}, r"encoder RecurrentEncoder, decoder \w+$"),
    ],
)
def test_other_models_are_refused(tmp_path, preset, settings, message):
    model = PRESETS.get(preset).scaled().with_settings(settings).build()
    serving = SimpleNamespace(model=model)
    with pytest.raises(UserError, match=message):
        write_ctranslate2(serving, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_ctranslate2(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ctranslate2.specs", None)
    with pytest.raises(UserError, match=r"pip install 's2s-zoo\[ctranslate2\]'"):
        write_ctranslate2(SimpleNamespace(model=None), tmp_path / "out")


def test_what_differs_is_refused(exported, tmp_path, monkeypatch):
    def changed(serving, path):
        write_ctranslate2(serving, path)
        table = serving.model.decoder.embedding.table
        table.assign(table * 1.01)

    broken = replace(FORMATS["ctranslate2"], write=changed)
    monkeypatch.setitem(FORMATS, "ctranslate2", broken)
    with pytest.raises(UserError, match=r"greedy/log_probabilities on inputs"):
        export(run=exported[0].parent, format="ctranslate2", output=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []

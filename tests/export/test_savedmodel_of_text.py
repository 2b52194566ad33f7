"""A SavedModel of a translator takes raw text where nothing but TensorFlow is."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from s2s_zoo.data.pairs import Pair
from s2s_zoo.data.tokenizer import Tokenizer
from s2s_zoo.export.savedmodel import _join
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS
from s2s_zoo.tasks.text_serving import piece_bytes
from s2s_zoo.vocabulary import UNKNOWN
from s2s_zoo.workflows.export import export
from tests import prepared
from tests.runs import write_request

pytestmark = [
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow",
        reason="the tensorflow backend writes SavedModels",
    ),
    pytest.mark.usefixtures("warm_exports"),
]

CLIENT = """
import json, sys

for name in ("keras", "s2s_zoo", "sentencepiece", "tensorflow_text"):
    sys.modules[name] = None
import tensorflow as tf

loaded = tf.saved_model.load(sys.argv[1])
lines, ids, lengths = map(tf.constant, json.loads(sys.argv[2]))
found = {
    "default": loaded.signatures["serving_default"](source=lines),
    "tokens": loaded.signatures["serve_tokens"](source=ids, source_lengths=lengths),
    **{f"{i} alone": loaded.serve(lines[i : i + 1]) for i in range(len(lines))},
}
print(json.dumps({
    name: {k: v.numpy().tolist() for k, v in outputs.items() if k != "text"}
    | {"text": [text.decode() for text in outputs["text"].numpy()]}
    for name, outputs in found.items()
}))
"""
ANIMALS = ["cat", "dog", "horse", "mouse", "sparrow", "salmon", "badger", "Bär"]
PAIRS = [
    Pair(str(i), f"the {a} sees {i} of the {b}s", f"{b}s, so viele wie {i}: {a}")
    for i in range(5)
    for a in ANIMALS
    for b in ANIMALS
]
RAW = [
    *("the cat sees a dog", " the  BÄR\u3000sees\tﬁve salmon ", "犬 und ж"),
    *("the mouse", "ＴＨＥ mouse sees the horse and the sparrow, " * 3),
]
BLANK = ["", "  ", "\u200b"]
SIZES = {"layers": 1, "width": 16, "heads": 4, "hidden": 24}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An exported run with drawn weights, tokenizers of both sides, cut and prefix."""
    path = tmp_path_factory.mktemp("run")
    settings = {
        **{f"{p}.{k}": v for p in ("encoder", "decoder") for k, v in SIZES.items()},
        "features.width": 16,
        "task.vocabulary": 60,
        "task.search.beam": 2,
        "task.joint": False,
        "decoder.tie_source": False,
        "task.cut": 24,
        "task.search.max_length": 6,
        "task.search.prefix": "so",
    }
    preset = PRESETS.get("transformer_tiny").with_settings(settings)
    model = replace(preset, task=preset.task.fit(PAIRS)).build()
    rng = np.random.default_rng(11)
    for variable in model.trainable_variables:
        drawn = rng.normal(0, 0.4, variable.shape).astype("float32")
        variable.assign(drawn + variable.path.endswith("gamma"))
    model.save_to_preset(path / "preset")
    (path / "data").mkdir()
    for split in ("train", "validation", "test"):
        lines = (f"{pair.source}\t{pair.target}\n" for pair in PAIRS[::40])
        (path / f"data/{split}.tsv").write_text("".join(lines), encoding="utf-8")
    write_request(path, "transformer_tiny", path / "data")
    assert export(run=path).max_abs_difference <= 1e-4
    return path


def test_says_what_the_model_says_of_raw_text(run):
    model = Seq2Seq.from_preset(run / "preset", load_weights=True)
    inputs = model.task.serving(model).batch(RAW)
    ids = [inputs["source"].tolist(), inputs["source_lengths"].tolist()]
    arguments = [str(run / "export/savedmodel"), json.dumps([RAW + BLANK, *ids])]
    command = [sys.executable, "-c", CLIENT, *arguments]
    done = prepared.run(command, server=prepared.without_keras)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    default = found["default"]

    expected = model.generate(RAW + BLANK)
    assert default["text"] == expected
    assert all(expected[: len(RAW)])
    scores = [result["score"] for result in model.task.infer(model, RAW + BLANK)]
    assert default["scores"] == pytest.approx(scores, abs=1e-4)
    assert len(set(default["scores"])) == len(RAW) + 1, "they differ by source"
    assert [found[f"{i} alone"]["text"] for i in range(8)] == [[e] for e in expected]
    unread = model.task.runner(model, model.task.search).encode(RAW)[1]
    assert [count > 0 for count in unread] == [False] * 4 + [True]

    for name in ("text", "tokens", "token_lengths"):
        assert default[name][: len(RAW)] == found["tokens"][name]
    of_tokens = pytest.approx(found["tokens"]["scores"], abs=1e-5)
    assert default["scores"][: len(RAW)] == of_tokens
    decode = model.task.tokenizers.target.decode
    written = [[i for i in row if i >= 0] for row in default["tokens"]]
    assert [decode(row) for row in written] == expected
    assert [*map(len, written)] == default["token_lengths"]


def test_unknown_text_and_stray_bytes_read_as_sentencepiece_has_them():
    lines = [text for pair in PAIRS for text in (pair.source, pair.target)]
    tokenizer = Tokenizer.train(lines, 320, "bpe", byte_fallback=True)
    number = {piece: i for i, piece in enumerate(tokenizer.pieces)}
    the = tokenizer.encode(["the cat"])[0].tolist()
    euro, stray = ([number[f"<0x{b:02X}>"] for b in x] for x in ("€".encode(), b"\xff"))
    rows = [
        the,
        [UNKNOWN],
        [UNKNOWN, *the],
        [*the, UNKNOWN, *the],
        euro,
        [*stray, *the],
    ]
    tokens = np.full((len(rows), max(map(len, rows))), -1, np.int32)
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = ids
    serving = SimpleNamespace(pieces=piece_bytes(tokenizer), strip=True)
    found = [text.decode() for text in _join(tokens, serving).numpy()]
    assert found == [tokenizer.decode(ids).strip() for ids in rows]


def test_says_what_goes_in_and_out(run):
    described = json.loads((run / "export/savedmodel/serving.json").read_text())
    assert sorted(described["signatures"]) == ["serve", "serve_tokens"]
    texts, tokens = (described["signatures"][n] for n in ("serve", "serve_tokens"))
    assert texts["inputs"] == {"source": {"shape": [None], "dtype": "string"}}
    assert tokens["inputs"] == {
        "source": {"shape": [None, None], "dtype": "int32"},
        "source_lengths": {"shape": [None], "dtype": "int32"},
    }
    assert texts["outputs"] == tokens["outputs"]
    assert texts["outputs"]["text"] == {"shape": [None], "dtype": "string"}
    extra = run / "export/savedmodel/assets.extra"
    assert {path.name for path in extra.iterdir()} == {"source.model", "target.model"}

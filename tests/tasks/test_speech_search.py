"""Recognizers that search with a language model."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from s2s_zoo.errors import UserError
from s2s_zoo.models import assets
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.search import CTCBeam, CTCGreedy
from tests.search.language_models import character_arpa
from tests.tiny import draw_weights, tiny_preset

NOISE = [np.random.default_rng(seed).normal(0, 0.1, 8000) for seed in range(2)]


@pytest.fixture(scope="module")
def model():
    model = tiny_preset().build()
    draw_weights(model)
    return model


@pytest.fixture
def search(model, tmp_path):
    """With files of its own in a folder that can be emptied."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "letters.arpa").write_text(character_arpa(model.task.alphabet))
    (folder / "words.txt").write_text("a\nab\nto\n")
    return CTCBeam(
        beam=8,
        lm=str(folder / "letters.arpa"),
        lexicon=str(folder / "words.txt"),
        hot_words="to:2",
        n_best=3,
    )


def test_a_search_is_chosen_where_a_model_is_used(model, search):
    settings = f"beam=8,lm={search.lm},lexicon={search.lexicon},hot_words=to:2,n_best=3"
    found = model.task.infer(model, NOISE, settings)
    for result in found:
        assert set(result["output"].split()) <= {"a", "ab", "to"}
        assert [w["text"] for w in result["words"]] == result["output"].split()
        assert 1 < len(result["n_best"]) <= 3
        assert result["n_best"][0]["text"] == result["output"]
        scores = [text["score"] for text in result["n_best"]]
        assert scores == sorted(scores, reverse=True)
    texts = model.generate(NOISE, beam=8, lm=search.lm)
    assert texts != [result["output"] for result in found]
    assert isinstance(model.task.search, CTCGreedy)


def test_a_preset_directory_holds_the_files_of_its_search(search, tmp_path):
    preset = tiny_preset()
    whole = replace(preset, task=replace(preset.task, search=search)).build()
    draw_weights(whole)
    expected = whole.task.infer(whole, NOISE)
    whole.save_to_preset(tmp_path / "first")
    for path in (tmp_path / "files").iterdir():
        path.unlink()
    with pytest.raises(UserError, match=r"letters\.arpa"):
        whole.save_to_preset(tmp_path / "third")
    first = Seq2Seq.from_preset(tmp_path / "first", load_weights=True)
    first.save_to_preset(tmp_path / "second")
    for name in ("first", "second"):
        names = {path.name for path in (tmp_path / name / "assets").iterdir()}
        assert names == {"lm-letters.arpa", "lexicon-words.txt"}
        again = Seq2Seq.from_preset(tmp_path / name, load_weights=True)
        assert again.task.infer(again, NOISE) == expected
        assert again.task.search.signature == search.signature
    other = character_arpa(preset.task.alphabet, space="▁")
    (tmp_path / "letters.arpa").write_text(other)
    changed = first.task.search.parse(f"lm={tmp_path / 'letters.arpa'}")
    assert changed.assets()["lm-letters.arpa"] == other.encode()


def test_a_search_without_files_stores_none(model, tmp_path):
    assert CTCBeam().assets() == CTCGreedy().assets() == {}
    model.save_to_preset(tmp_path / "preset")
    assert not (tmp_path / "preset" / "assets").exists()


def test_a_file_too_large_to_be_read_again_is_not_stored(search, tmp_path, monkeypatch):
    monkeypatch.setattr(assets, "LIMIT", 1 << 10)
    with pytest.raises(UserError, match=r"lm-letters\.arpa would have [\d,]+ bytes"):
        assets.write_assets(tmp_path / "assets", search.assets())


def test_a_client_of_an_export_searches_as_the_model_does(
    model, search, tmp_path, monkeypatch
):
    whole = replace(tiny_preset(), task=replace(model.task, search=search)).build()
    draw_weights(whole)
    served = whole.task.serving(whole)
    assets.write_assets(tmp_path / "client", served.assets)
    inputs = served.batch(served.samples)
    found = served.signatures["log_probabilities"](inputs)
    scores, lengths = map(keras.ops.convert_to_numpy, found.values())
    mask = np.arange(scores.shape[1]) < lengths[:, None]

    monkeypatch.chdir(tmp_path / "client")
    described = served.description
    assert described["search"] == (
        "beam=8,hot_words=to:2,n_best=3,lm=lm-letters.arpa,lexicon=lexicon-words.txt"
    )
    reading = CTCBeam().parse(described["search"]).over(described["alphabet"])
    texts = reading.read({"ctc_logits": scores, "mask": mask})
    decoded = [whole.task.decode(best.tokens) for best, *_ in texts]
    assert decoded == whole.generate(served.samples)
    assert len(set(decoded)) > 1

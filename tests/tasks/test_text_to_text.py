"""Raw text in, raw text out: tokenizers, order, blanks, measures, pictures."""

import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
import sentencepiece

from s2s_zoo.data.pairs import Pair
from s2s_zoo.errors import UserError
from s2s_zoo.losses.cross_entropy import CrossEntropy
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.tasks.evaluation import Evaluation, Outcome
from s2s_zoo.tasks.text_to_text import TextToText
from s2s_zoo.vocabulary import END, PAD
from tests.text_corpus import SMALL

pytestmark = pytest.mark.usefixtures("untraced")

PAIRS = [
    Pair("1", "a b c d e f g h", "h g f e d c b a"),
    Pair("2", "a b", "b a"),
    Pair("3", "c d e", "e d c"),
]


@pytest.fixture(scope="module")
def task():
    search = TokenSearch(length_extra=8)
    task = TextToText(tokenizer="word", vocabulary=12, measure="exact", search=search)
    return task.fit(PAIRS)


@pytest.fixture(scope="module")
def model(task):
    keras.utils.set_random_seed(0)
    preset = PRESETS.get("transformer_tiny").scaled().with_settings(SMALL)
    model = preset.build()
    model.task = task
    return model


def test_a_tokenizer_is_learned_and_travels_in_the_preset(model, tmp_path):
    model.save_to_preset(tmp_path)
    assert (tmp_path / "assets" / "joint.model").is_file()
    again = Seq2Seq.from_preset(tmp_path)
    assert again.task == model.task
    assert again.generate(["a b c"]) == model.generate(["a b c"])


def test_separate_tokenizers_are_two_files():
    pairs = [Pair("1", "a b c", "x y z"), Pair("2", "b c", "y z")]
    apart = TextToText(tokenizer="word", vocabulary=7, joint=False).fit(pairs)
    assert sorted(apart.assets()) == ["source.model", "target.model"]
    assert TextToText(joint=False).with_assets(apart.assets()).tokenizers is not None
    assert apart.offers(1.0)["features"] == {"vocabulary_size": 7}


def test_a_given_tokenizer_is_used(task, tmp_path):
    path = tmp_path / "mine.model"
    path.write_bytes(task.assets()["joint.model"])
    given = TextToText(tokenizer_file=str(path))
    twice = replace(given, target_tokenizer_file=str(path))
    for task_of_file in (given, twice):
        assert task_of_file.shares_vocabulary
        assert task_of_file.fit([Pair("1", "x", "y")]).assets() == task.assets()


def test_two_tokenizers_are_given(task, tmp_path):
    pairs = [Pair("1", "a b c", "x y z"), Pair("2", "b c", "y z")]
    apart = TextToText(tokenizer="word", vocabulary=7, joint=False).fit(pairs)
    paths = [tmp_path / name for name in ("s.model", "t.model")]
    for path, model in zip(paths, apart.assets().values(), strict=True):
        path.write_bytes(model)
    source, target = map(str, paths)
    given = TextToText(tokenizer_file=source, target_tokenizer_file=target)
    assert given.fit(pairs).assets() == apart.assets()
    half = TextToText(tokenizer="word", vocabulary=7, target_tokenizer_file=target).fit(
        pairs
    )
    assert half.assets() == apart.assets()


def test_pieces_that_are_one_are_not_cut_at_random(tmp_path):
    lines = [f"{a} <sep> {b}" for a in "abcdef" for b in "uvwxyz"]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_prefix=str(tmp_path / "mine"),
        model_type="bpe",
        vocab_size=30,
        user_defined_symbols=["<sep>"],
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        minloglevel=2,
    )
    task = TextToText(tokenizer_file=str(tmp_path / "mine.model"))
    assert "<sep>" in task.fit(PAIRS).tokenizers.source.encode_pieces("a <sep> b")
    with pytest.raises(UserError, match=r"set task\.bpe_dropout=0"):
        replace(task, bpe_dropout=0.1).fit(PAIRS)


@pytest.mark.parametrize("paths", [("joint",), ("tokenizer", "target_tokenizer")])
def test_one_table_of_two_vocabularies_is_refused(paths):
    values = {"joint": False, "tokenizer": "a.model", "target_tokenizer": "b.model"}
    settings = {
        f"task.{name}" + ("" if name == "joint" else "_file"): values[name]
        for name in paths
    }
    preset = PRESETS.get("transformer_tiny").scaled()
    with pytest.raises(UserError, match=r"decoder\.tie_source=false"):
        preset.with_settings(settings).build()
    preset.with_settings(settings | {"decoder.tie_source": False}).check()


def test_a_vocabulary_too_large_is_answered_with_the_largest():
    with pytest.raises(UserError, match=r"task.vocabulary = 500 .* is 12"):
        TextToText(tokenizer="word", vocabulary=500).fit(PAIRS)


def test_assets_of_other_names_are_refused(task):
    with pytest.raises(UserError, match=r"joint.model, or source.model"):
        TextToText().with_assets({"other.model": task.assets()["joint.model"]})


def test_a_model_without_tokenizer_says_so(model):
    with pytest.raises(UserError, match="no tokenizer yet"):
        TextToText().generate(model, ["a"])


def test_outputs_keep_the_order_of_their_inputs(model):
    lines = ["a b c d e f g h", "b", "", "c d e", "  ", "a b"]
    together = model.generate(lines)
    assert together[2] == together[4] == ""
    for line, text in zip(lines, together, strict=True):
        assert model.generate([line]) == [text]


@pytest.mark.parametrize(
    "search", [{"beam": 1}, {"beam": 3}, {"temperature": 1.0, "n_best": 2}]
)
def test_one_line_after_another_of_any_length(model, search):
    lines = ["a b", "a b c d e f g h a b c d", " ".join("abcdefgh" * 3)]
    alone = [model.generate([line], length_extra=2, **search)[0] for line in lines]
    together = model.generate(lines, length_extra=2, **search)
    if "temperature" in search:  # a draw follows the place in the batch
        alone, together = alone[:1], together[:1]
    assert alone == together


def test_the_n_best_have_falling_scores(model, task):
    (found,) = task.infer(model, ["a b c"], "beam=4,n_best=3,length_extra=5")
    scores = [text["score"] for text in found["n_best"]]
    assert scores == sorted(scores, reverse=True)
    assert found["output"] == found["n_best"][0]["text"]
    assert found["score"] == scores[0]
    assert len({text["text"] for text in found["n_best"]}) == 3


def test_samples_follow_their_seed(model, task):
    drawn = [
        task.infer(model, ["a b c d"], f"temperature=2,n_best=5,seed={seed}")[0]
        for seed in (1, 1, 2)
    ]
    texts = [[text["text"] for text in d["n_best"]] for d in drawn]
    assert texts[0] == texts[1] != texts[2]


def test_lengths_are_bounded(model):
    (short,) = model.generate(["a b c"], max_length=2)
    (long,) = model.generate(["a b c"], min_length=6)
    assert len(short.split()) <= 2
    assert len(long.split()) >= 6


@pytest.mark.parametrize("settings", [{"beam": 3}, {"beam": 1, "max_length": 2}])
def test_outputs_begin_with_the_prefix(model, task, settings):
    lines = ["a b c", "", "h"]
    long = "d c a d c a d c a d c a d c a d c a d c a d c a d c a d c a d c a d c a"
    for prefix in ("d c a", long):
        texts = model.generate(lines, prefix=prefix, **settings)
        assert texts[1] == ""
        assert all(text.startswith(prefix) for text in texts[::2])
    (found,) = task.infer(model, ["a b"], "beam=2,prefix=e f g")
    assert found["output"].startswith("e f g")


def test_an_unknown_search_setting_is_refused(model, task):
    with pytest.raises(UserError, match="the keys are beam"):
        task.infer(model, ["a"], "beams=3")


def test_pairs_that_cannot_be_learned_from_are_set_aside(model, task):
    long = Pair("4", " ".join("abcd" * 80), "a")
    chosen = task.select(model, [*PAIRS, long], "data")
    assert [pair.name for pair in chosen.usable] == ["1", "2", "3"]
    assert chosen.dropped == {"longer than 256 tokens": ["4"]}
    kept = task.select(model, [*PAIRS, long], "data", training=False).usable
    assert len(kept) == 4
    with pytest.raises(UserError, match="data: no usable pair among 1"):
        task.select(model, [long], "data")


def test_the_loss_is_the_cross_entropy_of_real_tokens():
    """Uniform logits cost log V a token, less the floor of smoothing."""
    task = TextToText(objective=CrossEntropy(label_smoothing=0.0))
    tokens = np.array([[5, 6, END, PAD], [7, END, PAD, PAD]], "int32")
    logits = np.zeros((2, 4, 11), "float32")
    logits[:, 3] = 1e4  # padding
    loss = task.loss({"target": tokens}, {"logits": logits})
    assert float(loss) == pytest.approx(np.log(11), rel=1e-6)
    assert task.objective.weight({}, {"target_lengths": np.array([3, 2])}) == 5


def test_evaluation_is_free_running(model, task):
    found = task.evaluate(model, PAIRS, 64, lambda _: None, "beam=2")
    written = dict(zip([p.source for p in PAIRS], found.outputs, strict=True))
    for source, (_, _, text) in written.items():
        assert model.generate([source], beam=2) == [text]
    right = np.mean([reference == text for _, reference, text in found.outputs])
    assert found.metrics["exact_match"] == right
    assert "beam:2" in found.signature


def test_measures_by_name(task):
    outputs = [("1", "the cat sat on the mat", "the cat sat on the mat")]
    for measure, metric in (("translation", "bleu"), ("summary", "rouge_l")):
        if measure == "summary":
            pytest.importorskip("rouge_score", reason="the extra rouge")
        measured, outcomes = replace(task, measure=measure), [Outcome(*outputs[0])]
        losses, batches = [(3.0, 6.0)], task.batches(PAIRS)
        found = measured._evaluated(outcomes, losses, "", batches)
        assert next(iter(found.metrics)) == metric
        assert found.metrics[metric] == pytest.approx(100)
        assert found.metrics["loss"] == 0.5


def test_a_measure_that_is_not_installed_is_told_first(monkeypatch, task):
    monkeypatch.setitem(sys.modules, "rouge_score.rouge_scorer", None)
    summaries = replace(task, measure="summary")
    with pytest.raises(UserError, match=r"s2s-zoo\[rouge\]"):
        summaries.fit(PAIRS)
    with pytest.raises(UserError, match=r"s2s-zoo\[rouge\]"):
        summaries.select(None, PAIRS, "here")


def test_a_source_cut_to_its_end_is_blank(task, model):
    sources, unread = (
        replace(task, cut=1).runner(model, TokenSearch()).encode(["a b", ""])
    )
    assert [len(ids) for ids in sources] == [0, 0]
    assert unread == [2, 0]


def test_two_systems_are_compared(task):
    right = [(str(i), "a b", "a b") for i in range(40)]
    wrong = [(n, r, "b") for n, r, _ in right]
    better, worse = (Evaluation({}, {}, 40, "", o) for o in (right, wrong))
    found = task.paired_test(worse, better)["exact_match"]
    assert found.mean == 1
    assert found.p_value < 0.05


def test_a_picture_of_the_alignment(model, task, tmp_path):
    task.picture(model, task.as_example("a b c"), tmp_path / "alignment.png")
    assert (tmp_path / "alignment.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_shows_what_was_read_and_written(
    model, task, tmp_path, monkeypatch
):
    drawn = []
    monkeypatch.setattr(
        "s2s_zoo.plots.plot_alignment", lambda path, *shown: drawn.append(shown)
    )
    cut = replace(task, cut=4)
    search = "beam=2,length_extra=2,prefix=c d"
    (found,) = cut.infer(model, ["a b c d e f"], search)
    example = cut.as_example("a b c d e f")
    cut.picture(model, example, tmp_path / "a.png", search)
    ((source, target, weights),) = drawn
    assert source == ["▁a", "▁b", "▁c", "</s>"]
    assert found["output"].startswith("c d")
    assert target == [f"▁{word}" for word in found["output"].split()] + ["</s>"]
    assert weights.shape == (len(target), len(source))
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)


def test_inference_says_how_much_was_not_read(model, task):
    lines = ["a b c d e f", "a b c", ""]
    found = replace(task, cut=4).infer(model, lines, "beam=1")
    assert [result["tokens_cut"] for result in found] == [3, 0, 0]

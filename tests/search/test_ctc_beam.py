"""Beam search over CTC outputs, against every alignment of small ones."""

import dataclasses
import math
from collections import defaultdict
from itertools import groupby, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from s2s_zoo.errors import UserError
from s2s_zoo.search import CTCBeam, CTCGreedy, ctc_beam
from s2s_zoo.search.ctc_alignment import align
from s2s_zoo.search.text_scores import TextScores
from tests.search.language_models import Arpa, Bigrams, character_arpa

SYMBOLS = " ab"
WORDS = ("a", "ab", "b")
UNLIMITED = {
    "beam": 100_000,
    "n_best": 100_000,
    "token_threshold": -1e9,
    "beam_threshold": 1e9,
}


def random_output(seed, batch=1, time=4, classes=4, scale=1.5):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, scale, (batch, time, classes)).astype("float32")
    return {"ctc_logits": logits, "mask": np.ones((batch, time), bool)}


def enumerated(logits):
    """ln P of every text, by tokens: the sum over all alignments."""
    scores = log_softmax(np.asarray(logits, "float64"), axis=-1)
    time, classes = scores.shape
    found = defaultdict(lambda: -math.inf)
    for path in product(range(classes), repeat=time):
        text = tuple(t for t, _ in groupby(path) if t != classes - 1)
        score = sum(scores[t, token] for t, token in enumerate(path))
        found[text] = np.logaddexp(found[text], score)
    return found


def worth(text, model, characters, alpha, beta, lexicon, hot_words):
    """The score of a text besides its sound, from the definition."""
    words = text.split()
    if lexicon is not None and not set(words) <= set(lexicon):
        return -math.inf
    units = list(text.replace(" ", "|")) if characters else words
    total = beta * len(units) + sum(hot_words.get(word, 0.0) for word in words)
    if model is None:
        return total
    state = model.start()
    for unit in units:
        logarithm, state = model.advance(state, unit)
        total += alpha * logarithm
    return total + alpha * model.end(state)


def expected(logits, symbols=SYMBOLS, **settings):
    scored = {
        text: score + worth("".join(symbols[t] for t in text), **settings)
        for text, score in enumerated(logits).items()
    }
    return {text: score for text, score in scored.items() if score > -math.inf}


def reading(search, **settings):
    """The search of the zoo with these scores of texts, files or none."""
    chosen = CTCBeam(**search)
    return ctc_beam.CTCReading(chosen, TextScores(SYMBOLS, **settings), None)


NOTHING = {
    "model": None,
    "characters": False,
    "alpha": 0.0,
    "beta": 0.0,
    "lexicon": None,
    "hot_words": {},
}
CASES = {
    "sound": {},
    "words": {"model": Bigrams(WORDS), "alpha": 0.7, "beta": 0.4},
    "characters": {
        "model": Bigrams("|ab"),
        "characters": True,
        "alpha": 0.9,
        "beta": -0.3,
    },
    "lexicon": {"lexicon": ("ab", "bb"), "beta": 0.5},
    "hot words": {"hot_words": {"ab": 2.0, "aba": 3.5, "b": -1.5}},
    "all of words": {
        "model": Bigrams(WORDS, seed=1),
        "alpha": 1.2,
        "beta": 1.0,
        "lexicon": ("a", "ab", "bab"),
        "hot_words": {"ab": 1.0},
    },
    "all of characters": {
        "model": Bigrams("|ab", seed=2),
        "characters": True,
        "alpha": 0.4,
        "beta": 0.2,
        "lexicon": ("a", "ab", "bab"),
        "hot_words": {"bab": 4.0},
    },
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [0, 1])
def test_an_unlimited_beam_finds_what_enumeration_finds(case, seed):
    output, chosen = random_output(seed), NOTHING | CASES[case]
    scored = expected(output["ctc_logits"][0], **chosen)
    [found] = reading(UNLIMITED, **chosen).read(output)
    best = sorted(scored, key=scored.get, reverse=True)
    assert [tuple(h.tokens) for h in found] == best
    scores = [h.score for h in found]
    np.testing.assert_allclose(scores, [scored[text] for text in best], atol=1e-5)
    assert all(h.finished for h in found)


@settings(deadline=None, max_examples=20)
@given(
    st.integers(0, 2**31),
    st.sampled_from(sorted(CASES)),
    st.integers(1, 12),
    st.sampled_from([-1e9, -2.5]),
    st.sampled_from([1e9, 2.0]),
)
def test_a_pruned_beam_never_exceeds_enumeration(seed, case, beam, token, threshold):
    output, chosen = random_output(seed), NOTHING | CASES[case]
    scored = expected(output["ctc_logits"][0], **chosen)
    limits = {"token_threshold": token, "beam_threshold": threshold}
    search = {"beam": beam, "n_best": beam, **limits}
    [found] = reading(search, **chosen).read(output)
    assert len(found) >= 1
    for text in found:
        if text.finished:
            assert text.score <= scored[tuple(text.tokens)] + 1e-5


def test_what_the_beam_drops_is_lost_and_a_wider_one_gains():
    """The text of the best alignments is not that of the best alignment."""
    rows = [[0.4, 0.1, 0.1, 0.4]] * 3
    output = {"ctc_logits": np.log([rows]), "mask": np.ones((1, 3), bool)}
    scored = expected(np.log(rows), **NOTHING)
    wide, narrow = (
        reading({"beam": beam}, **NOTHING).read(output)[0][0] for beam in (64, 1)
    )
    assert tuple(wide.tokens) == max(scored, key=scored.get) == (0,)
    assert wide.score == pytest.approx(scored[0,], abs=1e-5)
    assert narrow.score < wide.score - 0.1


@pytest.mark.parametrize("case", CASES)
def test_padding_and_neighbours_change_nothing(case):
    output = random_output(3, batch=5, time=12, scale=3)
    lengths = [12, 0, 7, 1, 9]
    output["mask"] = np.arange(12) < np.array(lengths)[:, None]
    chosen = NOTHING | CASES[case]
    search = {"beam": 6, "n_best": 3, "token_threshold": -3.0}
    together = reading(search, **chosen).read(output)
    for row, length in enumerate(lengths):
        alone = {name: v[row : row + 1, :length] for name, v in output.items()}
        [found] = reading(search, **chosen).read(alone)
        assert [h.tokens.tolist() for h in found] == [
            h.tokens.tolist() for h in together[row]
        ]
        for one, other in zip(found, together[row], strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-5)
            np.testing.assert_array_equal(one.spans, other.spans)
            np.testing.assert_allclose(
                one.log_probabilities, other.log_probabilities, atol=1e-6
            )


def test_frames_outside_the_mask_are_blank_wherever_they_are():
    """As for greedy search: a held token is two where a frame is missing in it."""
    output = random_output(0, time=5)
    output["ctc_logits"][...] = [0, 9, 0, 0]
    output["mask"] = np.array([[True, True, False, True, False]])
    [[found]], [[greedy]] = CTCBeam().read(output), CTCGreedy().read(output)
    assert found.tokens.tolist() == greedy.tokens.tolist() == [1, 1]
    assert found.spans.tolist() == greedy.spans.tolist() == [[0, 2], [3, 4]]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31))
def test_on_peaked_outputs_it_is_greedy_search(seed):
    rng = np.random.default_rng(seed)
    path = np.repeat(rng.integers(0, 5, (3, 10)), rng.integers(1, 4), axis=1)
    logits = 14.0 * np.eye(5)[path] + rng.normal(0, 0.3, (*path.shape, 5))
    output = {"ctc_logits": logits, "mask": np.ones(path.shape, bool)}
    output["mask"][1, 8:] = False
    rows = zip(CTCBeam(beam=8).read(output), CTCGreedy().read(output), strict=True)
    for [found], [greedy] in rows:
        np.testing.assert_array_equal(found.tokens, greedy.tokens)
        np.testing.assert_array_equal(found.spans, greedy.spans)
        np.testing.assert_allclose(
            found.log_probabilities, greedy.log_probabilities, atol=1e-5
        )


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31))
def test_tokens_lie_in_order_on_the_likeliest_alignment(seed):
    output = random_output(seed, time=5)
    scores = log_softmax(output["ctc_logits"][0], axis=-1)
    [found] = CTCBeam(beam=20, n_best=20).read(output)
    for text in found:
        borders = text.spans.ravel()
        assert (np.diff(text.spans, axis=1) > 0).all()
        assert (np.diff(borders)[1::2] >= 0).all()
        assert len(text.tokens) == 0 or (borders[0] >= 0 and borders[-1] <= 5)
        path = np.full(5, 3)
        for (start, end), token, mean in zip(
            text.spans, text.tokens, text.log_probabilities, strict=True
        ):
            path[start:end] = token
            assert mean == pytest.approx(scores[start:end, token].mean(), abs=1e-5)
        assert [t for t, _ in groupby(path) if t != 3] == text.tokens.tolist()
        best = max(
            sum(scores[t, token] for t, token in enumerate(other))
            for other in product(range(4), repeat=5)
            if [t for t, _ in groupby(other) if t != 3] == text.tokens.tolist()
        )
        likeliness = sum(scores[t, token] for t, token in enumerate(path))
        assert likeliness == pytest.approx(best, abs=1e-4)


def test_a_text_without_tokens_has_no_spans():
    spans, means = align(np.zeros((3, 4), "float32"), np.array([], "int32"))
    assert spans.shape == (0, 2)
    assert means.shape == (0,)


def test_a_word_the_lexicon_has_not_whole_is_cut_and_said_to_be():
    """A beam of one follows the best start of a word to a dead end."""
    path = [1, 2, 3, 0, 1]
    output = {"ctc_logits": 12.0 * np.eye(4)[[path]], "mask": np.ones((1, 5), bool)}
    chosen = NOTHING | {"lexicon": ("ab", "abab")}
    [[found]] = reading({"beam": 1}, **chosen).read(output)
    assert found.tokens.tolist() == [1, 2, 0]
    assert not found.finished
    [[found]] = reading(UNLIMITED | {"n_best": 1}, **chosen).read(output)
    assert found.tokens.tolist()[:2] == [1, 2]
    assert found.finished


@pytest.mark.parametrize("alpha", [0.0, 0.8])
@pytest.mark.parametrize(
    "search",
    [
        {"beam": 4, "n_best": 4},
        {"beam": 16, "n_best": 4, "token_threshold": -3.0},
        {"beam": 64, "n_best": 8, "beam_threshold": 3.0},
        UNLIMITED | {"beam": 1000, "n_best": 20},
    ],
    ids=str,
)
def test_flashlight_finds_the_same(search, alpha, tmp_path):
    pytest.importorskip("flashlight.lib.text", reason="the extra lm is not installed")
    output = random_output(5, batch=6, time=30, classes=4, scale=2)
    output["mask"] = np.arange(30) < np.array([30, 0, 22, 1, 30, 15])[:, None]
    path = tmp_path / "characters.arpa"
    path.write_text(character_arpa(SYMBOLS))
    chosen = CTCBeam(**search, lm=str(path), alpha=alpha).over(SYMBOLS)
    assert chosen.engine is not None
    own = dataclasses.replace(chosen, engine=None)
    for theirs, ours in zip(chosen.read(output), own.read(output), strict=True):
        assert [h.tokens.tolist() for h in theirs] == [h.tokens.tolist() for h in ours]
        scores = [[h.score for h in found] for found in (theirs, ours)]
        np.testing.assert_allclose(*scores, atol=1e-4)


@pytest.mark.parametrize(
    "settings", [{}, {"beta": 1.0}, {"hot_words": "ab:1"}, {"lexicon": "words.txt"}]
)
def test_flashlight_is_left_out_where_it_differs_or_is_slower(
    settings, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt").write_text("ab\n")
    assert CTCBeam(**settings).over(SYMBOLS).engine is None


def test_what_kenlm_does_not_read_is_left_to_our_own_search(tmp_path):
    """It wants bigrams at least."""
    path = tmp_path / "unigrams.arpa"
    rows = [f"-1\t{unit}" for unit in ("|", "a", "b", "<unk>", "</s>", "<s>")]
    header = f"\\data\\\nngram 1={len(rows)}\n\n\\1-grams:\n"
    path.write_text(header + "\n".join(rows) + "\n\n\\end\\\n")
    chosen = CTCBeam(beam=4, lm=str(path)).over(SYMBOLS)
    assert chosen.scores.characters
    assert chosen.engine is None


@pytest.mark.parametrize("space", ["|", "▁", "<space>"])
def test_a_file_gives_the_scores_that_it_states(space, tmp_path):
    path = tmp_path / "characters.arpa"
    path.write_text(character_arpa(SYMBOLS, space), encoding="utf-8")
    search = CTCBeam(**UNLIMITED, lm=str(path), alpha=0.8, beta=0.1)
    output, model = random_output(4), Arpa(character_arpa(SYMBOLS))
    chosen = NOTHING | {"model": model, "characters": True, "alpha": 0.8, "beta": 0.1}
    scored = expected(output["ctc_logits"][0], **chosen)
    [found] = search.over(SYMBOLS).read(output)
    assert {tuple(h.tokens) for h in found} == set(scored)
    for text in found:
        assert text.score == pytest.approx(scored[tuple(text.tokens)], abs=1e-4)


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "characters.arpa"
    path.write_text(character_arpa(SYMBOLS)[:200])
    with pytest.raises(UserError, match=r"characters\.arpa"):
        CTCBeam(lm=str(path)).over(SYMBOLS)


def test_models_of_words_are_told_from_those_of_characters(monkeypatch):
    for units, unit, characters in [
        (("<s>", "</s>", "a", "ab"), "auto", False),
        (("<s>", "</s>", "|", "a", "b"), "auto", True),
        (("a", "b", "▁"), "characters", True),
        (("a", "b"), "words", False),
        (("a", "b"), "auto", False),
    ]:
        monkeypatch.setattr(
            ctc_beam, "read_language_model", lambda _, units=units: Bigrams(units)
        )
        search = CTCBeam(lm="model.arpa", unit=unit, beta=1.0)
        assert search.over(SYMBOLS).scores.characters == characters


@pytest.mark.parametrize(
    ("units", "unit", "message"),
    [
        (("a", "ab"), "characters", "unit is words for m.arpa, .* such as 'ab'"),
        (("a", "|"), "words", "unit is characters for m.arpa, .*'|' for the space"),
        (("a", "b"), "characters", "has one of | ▁ <space> for the space"),
        (("A", "AB"), "auto", "in the alphabet ' ab'. Received: m.arpa, with"),
    ],
)
def test_models_that_do_not_fit_are_refused(units, unit, message, monkeypatch):
    monkeypatch.setattr(ctc_beam, "read_language_model", lambda _: Bigrams(units))
    with pytest.raises(UserError, match=message):
        CTCBeam(lm="m.arpa", unit=unit).over(SYMBOLS)


@pytest.mark.parametrize(
    "words", ["ab", "ab:", ":1", "ab:x", "ab:nan", "a b:1", "ab:1+ab:2", "ab:1+"]
)
def test_other_forms_of_hot_words_are_refused(words):
    with pytest.raises(UserError, match=r"such as anna:3\+berlin:1\.5\. Received"):
        CTCBeam(hot_words=words)


def test_files_and_words_that_are_not_there_are_refused(tmp_path):
    (tmp_path / "words.txt").write_text("xyz\n\n")
    for values, message in [
        ({"lm": "gone.arpa"}, "lm gone.arpa: No such file"),
        ({"lexicon": "gone.txt"}, "lexicon gone.txt: No such file"),
        ({"lexicon": str(tmp_path / "words.txt")}, "words.txt, with none"),
        ({"hot_words": "abc:1"}, "in the alphabet ' ab'. Received: abc"),
    ]:
        with pytest.raises(UserError, match=message):
            CTCBeam(**values).over(SYMBOLS)
        with pytest.raises(UserError, match="the alphabet is not known"):
            CTCBeam(**values).read(random_output(0))
    with pytest.raises(UserError, match="n_best is at most beam"):
        CTCBeam(beam=2, n_best=3)
    with pytest.raises(UserError, match="unit is one of auto, words, characters"):
        CTCBeam(unit="letters")


def test_the_family_reaches_it_from_greedy_search():
    search = CTCGreedy().parse(
        "beam=32,lm=a/three.arpa.gz,alpha=0.75,beta=1.5,hot_words=anna:3+bob:-1"
    )
    assert search == CTCBeam(
        beam=32,
        lm="a/three.arpa.gz",
        alpha=0.75,
        beta=1.5,
        hot_words="anna:3+bob:-1",
    )
    assert search.weights() == {"anna": 3.0, "bob": -1.0}
    assert search.signature == (
        "ctc:beam32|lm:three.arpa.gz|alpha:0.75|beta:1.5|hot_words:anna:3+bob:-1"
    )
    assert CTCGreedy().parse("") == CTCGreedy()
    with pytest.raises(UserError, match="Received: stored"):
        CTCGreedy().parse("stored=x")

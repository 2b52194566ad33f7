import math

import numpy as np
import pytest
import sacrebleu
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from s2s_zoo.errors import UserError
from s2s_zoo.metrics.translation import (
    SEED,
    translation_measures,
    translation_scores,
    translation_signature,
)

# The example of sacreBLEU's README, its first reference.
HYPOTHESES = [
    "The dog bit the man.",
    "It wasn't surprising.",
    "The man had just bitten him.",
]
REFERENCES = [
    "The dog bit the man.",
    "It was not unexpected.",
    "The man bit him first.",
]


def test_scores_are_those_of_sacrebleu() -> None:
    scores = translation_scores(HYPOTHESES, REFERENCES)
    bleu = sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES]).score
    chrf = sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES]).score
    assert scores.metrics == pytest.approx({"bleu": bleu, "chrf": chrf})


@pytest.mark.parametrize(
    ("hypothesis", "reference", "bleu"),
    [
        ("a b c d e", "a b c d e", 100.0),
        # precisions 4/5, 3/4, 2/3, 1/2
        ("a b c d x", "a b c d e", 100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25),
        # all right, but 4 words instead of 8
        ("a b c d", "a b c d e f g h", 100 * math.exp(1 - 8 / 4)),
        # "the" is right twice of seven times (Papineni et al., example 2); the higher
        # orders count as a half, a quarter and an eighth
        (
            "the the the the the the the",
            "the cat is on the mat",
            100 * (2 / 7 * 1 / 12 * 1 / 20 * 1 / 32) ** 0.25,
        ),
        # cased: precisions 3/4, 2/3, 1/2, and of the one 4-gram a half
        (
            "The cat sat down",
            "the cat sat down",
            100 * (3 / 4 * 2 / 3 * 1 / 2 * 1 / 2) ** 0.25,
        ),
    ],
)
def test_bleu_by_hand(hypothesis: str, reference: str, bleu: float) -> None:
    found = translation_measures([hypothesis], [reference])["bleu"].value
    assert found == pytest.approx(bleu)


def test_chrf_by_hand() -> None:
    """ "abc" and "abd": 2 of 3 characters, 1 of 2 pairs, 0 of 1 triples are right.

    Precision and recall are both the mean of 2/3, 1/2 and 0; white space is nothing.
    """
    found = translation_measures(["ab c"], ["a bd"])["chrf"].value
    assert found == pytest.approx(100 * (2 / 3 + 1 / 2 + 0) / 3)


def test_punctuation_is_split_off_and_case_counts() -> None:
    measures = translation_measures(
        ["One two three, four."], ["One two three , four ."]
    )
    assert measures["bleu"].value == pytest.approx(100)
    lower = translation_measures(["one two, three."], ["One two, three."])
    assert lower["bleu"].value < 100


def test_intervals_are_those_of_sacrebleu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", str(SEED))
    hypotheses = [h + " a" * (i % 3) for i, h in enumerate(HYPOTHESES * 20)]
    references = REFERENCES * 20
    scores = translation_scores(hypotheses, references)
    for name, metric in (("bleu", BLEU(force=True)), ("chrf", CHRF())):
        expected = metric.corpus_score(hypotheses, [references], n_bootstrap=1000)
        low, high = scores.confidence[name]
        assert low < scores.metrics[name] < high
        assert (high - low) / 2 == pytest.approx(expected._ci, rel=0.02)
        drawn = translation_measures(hypotheses, references)[name].resample(seed=SEED)
        assert drawn.mean() == pytest.approx(expected._mean, abs=1e-4)
        assert str(metric.get_signature()) in scores.signature


def test_the_signature_says_how() -> None:
    version = sacrebleu.__version__
    assert translation_signature() == (
        "bleu|nrefs:1|bs:1000|seed:12345|case:mixed|eff:no|tok:13a|smooth:exp"
        f"|version:{version} + "
        "chrf|nrefs:1|bs:1000|seed:12345|case:mixed|eff:yes|nc:6|nw:0|space:no"
        f"|version:{version}"
    )


def test_empty_translations_are_nothing_right() -> None:
    scores = translation_scores(["", ""], REFERENCES[:2])
    assert scores.metrics == {"bleu": 0.0, "chrf": 0.0}
    assert scores.confidence == {"bleu": (0.0, 0.0), "chrf": (0.0, 0.0)}
    some = translation_scores(["", HYPOTHESES[0]], REFERENCES[:2]).metrics["bleu"]
    expected = sacrebleu.corpus_bleu(["", HYPOTHESES[0]], [REFERENCES[:2]]).score
    assert some == pytest.approx(expected)
    assert some > 0


def test_chinese_has_its_tokenizer() -> None:
    hypothesis, reference = "我喜欢吃苹果。", "我喜欢吃香蕉。"
    found = translation_measures([hypothesis], [reference], "zh")["bleu"].value
    expected = BLEU(tokenize="zh").corpus_score([hypothesis], [[reference]]).score
    assert found == pytest.approx(expected)
    assert found > translation_measures([hypothesis], [reference])["bleu"].value
    assert "tok:zh" in translation_signature("zh")


def test_the_order_of_sentences_does_not_matter() -> None:
    order = np.random.default_rng(0).permutation(3)
    shuffled = [[texts[i] for i in order] for texts in (HYPOTHESES, REFERENCES)]
    measures = translation_measures(shuffled[0], shuffled[1])
    for name, measure in translation_measures(HYPOTHESES, REFERENCES).items():
        assert measures[name].value == pytest.approx(measure.value)


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="1 hypotheses do not pair with 2"):
        translation_scores(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="no examples"):
        translation_scores([], [])
    with pytest.raises(UserError, match=r"zh, char, none\. Received: 'moses'"):
        translation_scores(["a"], ["a"], tokenize="moses")

import itertools
import random

import numpy as np
import pytest

from s2s_zoo.metrics.bootstrap import Pooled
from s2s_zoo.metrics.error_rates import error_measures
from s2s_zoo.metrics.significance import paired_bootstrap, paired_tests
from s2s_zoo.metrics.translation import SEED, translation_measures

WORDS = ["the", "man", "dog", "runs", "on", "in", "with", "red", "house", "street"]


def corpus(count: int, wrong: float, seed: int = 0) -> tuple[list[str], list[str]]:
    """References, and hypotheses in which a share of the words is replaced."""
    generator = random.Random(seed)
    references, hypotheses = [], []
    for _ in range(count):
        said = generator.choices(WORDS, k=generator.randint(5, 12))
        heard = [w if generator.random() > wrong else "wrong" for w in said]
        references.append(" ".join(said))
        hypotheses.append(" ".join(heard))
    return references, hypotheses


def test_word_error_rates_against_all_draws() -> None:
    """Of four utterances there are 256 draws, all as likely."""
    references = ["a b c d", "e f", "g h i", "j"]
    first, second = ["a b", "e f", "g i", "j"], ["a b c d", "e", "g h i", "j k"]
    errors = np.array([[2, 0, 1, 0], [0, 1, 0, 1]])
    words = np.array([4, 2, 3, 1])
    draws = np.array(list(itertools.product(range(4), repeat=4)))
    rates = errors[:, draws].sum(axis=2) / words[draws].sum(axis=1)
    differences = rates[1] - rates[0]
    measured = 2 / 10 - 3 / 10
    p_value = np.mean(np.abs(differences - differences.mean()) >= abs(measured))

    found = paired_bootstrap(
        error_measures(references, first)["word_error_rate"],
        error_measures(references, second)["word_error_rate"],
        seed=0,
        samples=20000,
    )
    assert found.mean == pytest.approx(measured)
    assert found.p_value == pytest.approx(p_value, abs=0.01)
    low, high = np.quantile(differences, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)


def test_a_system_does_not_differ_from_itself() -> None:
    references, hypotheses = corpus(40, 0.2)
    measures = error_measures(references, hypotheses)
    measures |= translation_measures(hypotheses, references)
    for found in paired_tests(measures, measures, seed=1).values():
        assert (found.low, found.mean, found.high) == (0.0, 0.0, 0.0)
        assert found.p_value == 1.0


def test_clearly_different_systems_differ() -> None:
    references, good = corpus(100, 0.05)
    _, bad = corpus(100, 0.4)
    first = error_measures(references, bad) | translation_measures(bad, references)
    second = error_measures(references, good) | translation_measures(good, references)
    found = paired_tests(first, second, seed=1)
    assert all(difference.p_value < 0.05 for difference in found.values())
    assert found["word_error_rate"].high < 0 < found["bleu"].low
    assert found["bleu"].low < found["bleu"].mean < found["bleu"].high


def test_p_values_are_spread_evenly_where_nothing_differs() -> None:
    p_values = []
    for seed in range(200):
        generator = np.random.default_rng(seed)
        answers = generator.random((2, 60)) < 0.7
        first, second = map(Pooled.mean, answers)
        p_values.append(paired_bootstrap(first, second, seed=0, samples=200).p_value)
    for level in (0.1, 0.5):
        assert np.mean(np.array(p_values) < level) == pytest.approx(level, abs=0.08)


@pytest.mark.parametrize("name", ["bleu", "chrf"])
def test_draws_are_those_of_the_test_of_sacrebleu(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its p value counts one side of the absolute differences."""
    significance = pytest.importorskip("sacrebleu.significance")
    metrics = pytest.importorskip("sacrebleu.metrics")
    monkeypatch.setenv("SACREBLEU_SEED", str(SEED))
    references, first = corpus(60, 0.25)
    _, second = corpus(60, 0.3, seed=1)
    second = [*first[:30], *second[30:]]
    test = significance.PairedTest(
        [("first", first), ("second", second)],
        {name: metrics.BLEU() if name == "bleu" else metrics.CHRF()},
        [references],
        test_type="bs",
        n_samples=1000,
    )
    _, results = test()
    expected = next(results[key] for key in results if key != "System")

    measures = [translation_measures(h, references)[name] for h in (first, second)]
    drawn = [measure.resample(seed=SEED) for measure in measures]
    apart = np.abs(drawn[1] - drawn[0])
    measured = abs(measures[1].value - measures[0].value)
    p_value = (1 + np.sum(apart - apart.mean() > measured)) / 1001
    assert measures[1].value == pytest.approx(expected[1].score)
    assert drawn[1].mean() == pytest.approx(expected[1].mean, abs=1e-4)
    assert p_value == pytest.approx(expected[1].p_value, abs=0.002)


def test_what_does_not_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="2 examples do not pair with 1"):
        paired_bootstrap(Pooled.mean([1, 2]), Pooled.mean([1]), seed=0)
    with pytest.raises(ValueError, match="cannot be compared"):
        paired_tests({"a": Pooled.mean([1])}, {"b": Pooled.mean([1])}, seed=0)

"""Every encoder with every decoder learns to write letters backwards; a chat."""

import pytest

from s2s_zoo.workflows.evaluate import evaluate
from s2s_zoo.workflows.train import train
from tests.text_corpus import SMALL, write_dialogue, write_pairs

READS = {"r": {"encoder.units": 32}, "c": {"encoder.channels": (48,) * 3}}
WRITES = {
    "r": {"decoder.units": 48},
    "c": {"decoder.channels": (48,) * 3, "decoder.out_width": 32},
}
WIDTHS = {"features.width": 32, "decoder.width": 32}
FAMILIES = {
    f"reversal_{encoder}{decoder}": READS[encoder] | WRITES[decoder] | WIDTHS
    for encoder in "rc"
    for decoder in "rc"
} | {
    "reversal_tt": {**WIDTHS, "encoder.width": 32, "encoder.hidden": 64}
    | {"decoder.hidden": 64, "encoder.heads": 4, "decoder.heads": 4},
}
RECIPE = {"recipe.epochs": 18, "recipe.validate_every": 100_000}


@pytest.mark.parametrize(
    "preset",
    [
        pytest.param(name, marks=() if name == "reversal_rr" else pytest.mark.slow)
        for name in FAMILIES
    ],
)
def test_reverses_sequences_it_has_not_seen(preset, tmp_path):
    corpus = write_pairs(tmp_path / "corpus", train=1500, validation=60)
    settings = {**SMALL, **RECIPE, **FAMILIES[preset]}
    train(preset=preset, data=str(corpus), run_dir=tmp_path / "run", settings=settings)
    measured = evaluate(run=tmp_path / "run", split="validation")
    assert measured.metrics["exact_match"] > 0.9


@pytest.mark.slow
def test_replies_to_prompts_it_has_not_seen(tmp_path):
    corpus = write_dialogue(tmp_path / "corpus")
    settings = {"features.width": 64, "task.vocabulary": 200, "task.measure": "exact"}
    settings |= {f"{half}.width": 64 for half in ("encoder", "decoder")}
    settings |= {f"{half}.layers": 2 for half in ("encoder", "decoder")}
    settings |= {f"{half}.dropout": 0.1 for half in ("encoder", "decoder")}
    settings |= {"recipe.batch": 1024, "recipe.epochs": 60, "task.buckets": 2}
    settings |= {"recipe.schedule.warmup": 400, "recipe.precision": "float32"}
    train(
        preset="transformer_tiny",
        data=str(corpus),
        run_dir=tmp_path / "run",
        settings=settings,
    )
    measured = evaluate(run=tmp_path / "run", split="test")
    assert measured.metrics["exact_match"] > 0.9

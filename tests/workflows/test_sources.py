"""What a run is measured on, and the trees that its manifest may reach."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s2s_zoo.data.kinds.pairs import Pairs
from s2s_zoo.data.kinds.utterances import Utterances
from s2s_zoo.data.source import Source
from s2s_zoo.errors import UserError
from s2s_zoo.registry import PRESETS
from s2s_zoo.workflows.compare import compare
from s2s_zoo.workflows.evaluate import evaluate
from s2s_zoo.workflows.reporting import Reporter
from s2s_zoo.workflows.run_directory import RunDirectory
from s2s_zoo.workflows.sources import open_data_of, unseen_split
from s2s_zoo.workflows.train import train
from tests.speech_corpus import TINY_SETTINGS, write_corpus
from tests.text_corpus import SMALL

pytestmark = pytest.mark.usefixtures("loaded_once", "untraced", "undrawn")
PRESETS.names()
SPEECH = TINY_SETTINGS | {"recipe.batch": 8.0}


class Notes(Reporter):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file that names all utterances by absolute paths in another tree."""
    corpus = write_corpus(tmp_path_factory.mktemp("audio"), train=20)
    header, *rows = (corpus / "train.csv").read_text().splitlines()
    path = tmp_path_factory.mktemp("lists") / "all.csv"
    path.write_text("\n".join([header, *(f"{corpus}/{row}" for row in rows)]) + "\n")
    return path


@pytest.fixture(scope="module")
def tree(manifest: Path) -> Path:
    return Path(manifest.read_text().splitlines()[1].split(",")[0]).parent


@pytest.fixture(scope="module")
def run(manifest: Path, tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "speech"
    settings: dict[str, Any] = SPEECH | {"recipe.max_steps": 1}
    train(
        preset="deepspeech2-small",
        data=str(manifest),
        run_dir=path,
        settings=settings,
        audio_root=[tree.parent / tree.name],
    )
    return path


def names(outputs: list[tuple[str, str, str]]) -> set[str]:
    return {name for name, _, _ in outputs}


def test_a_refused_manifest_names_the_option(manifest: Path, tree: Path, tmp_path):
    with pytest.raises(UserError, match=f"add --audio-root {tree}$"):
        train(
            preset="deepspeech2-small",
            data=str(manifest),
            run_dir=tmp_path / "run",
            settings=SPEECH,
        )


def test_a_run_remembers_its_trees(run: Path, manifest: Path, tree: Path):
    assert json.loads((run / "run.json").read_text())["audio_root"] == [str(tree)]
    assert evaluate(run=run).examples == 1
    assert evaluate(run=run, data=str(manifest), split="test").examples == 20
    result = train(preset="deepspeech2-small", run_dir=run, resume=True)
    assert result.steps == 1
    task = PRESETS.get("deepspeech2_small").task
    assert len(open_data_of(RunDirectory(run), task).read_split("test")) == 20


def test_a_lone_file_is_measured_where_training_has_not_seen_it(
    run: Path, manifest: Path, tree: Path, tmp_path: Path
):
    held_out = Utterances(audio_root=(tree,)).read(str(manifest), "validation")
    folder = manifest.parent
    for data in (None, str(manifest), f"{folder}/../{folder.name}/all.csv"):
        notes = Notes()
        found = evaluate(run=run, data=data, reporter=notes)
        assert names(found.outputs) == {u.name for u in held_out}
        assert "measured on what was held out of it; --split test" in notes.notes[0]
    notes = Notes()
    assert evaluate(run=run, split="test", reporter=notes).examples == 20
    assert evaluate(run=run, split="train", reporter=notes).examples == 19
    other = shutil.copy(manifest, tmp_path / "other.csv")
    assert evaluate(run=run, data=str(other), reporter=notes).examples == 20
    assert notes.notes == []


def test_two_runs_are_compared_where_training_has_not_seen_it(run: Path):
    notes = Notes()
    found = compare(first=run, second=run, reporter=notes)
    assert found.evaluations[0].examples == 1
    assert len(notes.notes) == 1
    assert compare(first=run, second=run, split="test").evaluations[1].examples == 20


def test_pairs_of_a_lone_file(tmp_path: Path):
    lines = [f"{a} {b}\t{b} {a}\n" for a in "abcdefgh" for b in "abcde"]
    data = tmp_path / "all.tsv"
    data.write_text("".join(lines))
    tiny = PRESETS.get("transformer_tiny").scaled().settings()
    widths = {k: v for k, v in tiny.items() if k.startswith(("encoder", "decoder"))}
    settings = {**SMALL, **widths, "features.width": 8, "recipe.max_steps": 1}
    run = tmp_path / "run"
    train(preset="transformer-tiny", data=str(data), run_dir=run, settings=settings)
    held_out = {pair.name for pair in Pairs().read(str(data), "validation")}
    assert names(evaluate(run=run).outputs) == held_out
    assert evaluate(run=run, split="test").examples == 40
    with pytest.raises(
        UserError, match=r"of pairs are: source, target\. Received: audio"
    ):
        evaluate(run=run, audio_root=[tmp_path])


def test_a_model_without_the_request_of_its_run(run: Path, manifest: Path, tmp_path):
    shutil.copytree(run / "preset", tmp_path / "preset")
    tree = json.loads((run / "run.json").read_text())["audio_root"]
    found = evaluate(run=tmp_path, data=str(manifest), audio_root=tree)
    assert found.examples == 20
    with pytest.raises(UserError, match=r"not a run directory: no run\.json"):
        evaluate(run=tmp_path)


def test_without_a_test_split_validation_is_measured():
    def source(*roles: str) -> Source[Any]:
        here = {role: role for role in roles}
        return replace(nothing, roles=here, splits=roles)

    nothing = Source("x", "pairs", {}, (), list, list, lambda part: (part, part), "5 %")
    for roles, split in (
        (("train",), "validation"),
        (("train", "validation"), "validation"),
        (("validation",), "validation"),
        (("train", "test"), "test"),
        ((), "test"),
    ):
        notes = Notes()
        task = PRESETS.get("transformer_tiny").task
        assert unseen_split([], task, source(*roles), notes) == split
        assert bool(notes.notes) == (split == "validation")

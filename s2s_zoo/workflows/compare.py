"""Test whether two trained models differ."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2s_zoo.data.source import Source
from s2s_zoo.errors import UserError
from s2s_zoo.metrics.bootstrap import SAMPLES
from s2s_zoo.metrics.significance import Difference
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.tasks.base import task_of
from s2s_zoo.tasks.evaluation import Evaluation
from s2s_zoo.workflows.reporting import Reporter
from s2s_zoo.workflows.run_directory import RunDirectory, find_run
from s2s_zoo.workflows.sources import AudioRoot, open_data_of, unseen_split


@dataclass(frozen=True)
class Comparison:
    """Two runs on the same examples.

    Attributes:
        runs: their directories.
        evaluations: of each.
        differences: second minus first by metric.
        signature: how the metrics and their differences were computed.
    """

    runs: tuple[Path, Path]
    evaluations: tuple[Evaluation, Evaluation]
    differences: dict[str, Difference]
    signature: str

    def summary(self) -> dict[str, Any]:
        """The object that `compare --json` prints; a difference is [low, mean, high].

        The mean is the difference measured on all examples.
        """
        systems = [
            {"run": run, "metrics": found.metrics, "confidence": found.confidence}
            for run, found in zip(self.runs, self.evaluations, strict=True)
        ]
        differences = self.differences.items()
        return {
            "systems": systems,
            "difference": {name: [d.low, d.mean, d.high] for name, d in differences},
            "p_value": {name: d.p_value for name, d in differences},
            "examples": self.evaluations[0].examples,
            "signature": self.signature,
        }


def compare(
    *,
    first: str | Path,
    second: str | Path,
    data: str | None = None,
    split: str | None = None,
    search: str = "",
    budget: float | None = None,
    audio_root: AudioRoot = (),
    reporter: Reporter | None = None,
) -> Comparison:
    """Metrics of two runs' best models on the same examples, and a paired test.

    Args:
        first: run directory.
        second: run directory; differences are its metrics minus those of the first.
        data: corpus by name or path; None is what both were trained on.
        split: of that corpus; None is "test", or where there is none, or only the lone
            file that one of them was trained on, "validation".
        search: changes of the search of both, such as "beam=8,length_penalty=1".
        budget: of a batch, in the units of the task; None is the task's choice.
        audio_root: directory trees beside that of a manifest that its files may lie
            in, and those that the runs were trained with.
        reporter: hears what happens.

    Raises:
        UserError: no such run, corpus or split; the runs are of different tasks, of
            different corpora while none is named, or have other references.
    """
    reporter = reporter or Reporter()
    runs = find_run(first), find_run(second)
    models = _load(runs[0]), _load(runs[1])
    _check_tasks(runs, models)
    data = data or _common_corpus(runs, models)
    sources = [
        open_data_of(run, task_of(model), data, audio_root)
        for run, model in zip(runs, models, strict=True)
    ]
    split = split or unseen_split(runs, task_of(models[0]), sources[0], reporter)
    examples = _common_examples(runs, models, sources, split, reporter)
    budget = budget or task_of(models[0]).evaluation_budget
    one, other = (_evaluate(m, examples, budget, search, reporter) for m in models)
    _check_references(runs, (one, other))
    return Comparison(
        (runs[0].path, runs[1].path),
        (one, other),
        task_of(models[0]).paired_test(one, other),
        _signature(one, other),
    )


def _signature(*evaluations: Evaluation) -> str:
    signatures = dict.fromkeys(evaluation.signature for evaluation in evaluations)
    return f"{' and '.join(signatures)}|test:paired-bootstrap{SAMPLES}"


def _load(run: RunDirectory) -> Seq2Seq:
    return Seq2Seq.from_preset(run.preset, load_weights=True)


def _check_tasks(
    runs: tuple[RunDirectory, RunDirectory], models: tuple[Seq2Seq, Seq2Seq]
) -> None:
    names = [task_of(model).name for model in models]
    if names[0] != names[1]:
        raise UserError(
            "Runs of one task can be compared. Received: "
            + ", ".join(
                f"{run.path} ({name})" for run, name in zip(runs, names, strict=True)
            )
        )


def _common_corpus(
    runs: tuple[RunDirectory, RunDirectory], models: tuple[Seq2Seq, Seq2Seq]
) -> str:
    corpora = [
        run.read_request()["data"] or task_of(model).demo_corpus
        for run, model in zip(runs, models, strict=True)
    ]
    if corpora[0] != corpora[1]:
        raise UserError(
            f"{runs[0].path} was trained on {corpora[0]}, {runs[1].path} on "
            f"{corpora[1]}: name the corpus to compare them on with --data"
        )
    return str(corpora[0])


def _common_examples(
    runs: tuple[RunDirectory, RunDirectory],
    models: tuple[Seq2Seq, Seq2Seq],
    sources: Sequence[Source[Any]],
    split: str,
    reporter: Reporter,
) -> Sequence[Any]:
    """The examples that both models can be measured on."""
    where = f"{sources[0].data}, {split}"
    examples: Sequence[Any]
    examples, others = (source.read_split(split) for source in sources)
    same = len(examples) == len(others) and all(map(operator.eq, examples, others))
    if not same:
        raise UserError(
            f"{runs[0].path} and {runs[1].path} read {where} differently: "
            "runs of the same languages can be compared"
        )
    for model in models:
        selection = task_of(model).select(model, examples, where, training=False)
        for reason, names in selection.dropped.items():
            reporter.note(f"{split}: {len(names)} examples {reason} left out")
        examples = selection.usable
    return examples


def _evaluate(
    model: Seq2Seq,
    examples: Sequence[Any],
    budget: float,
    search: str,
    reporter: Reporter,
) -> Evaluation:
    reporter.evaluating(len(examples))
    evaluation: Evaluation = task_of(model).evaluate(
        model, examples, budget, reporter.evaluated, search
    )
    return evaluation


def _check_references(
    runs: tuple[RunDirectory, RunDirectory], evaluations: tuple[Evaluation, Evaluation]
) -> None:
    """Refuse runs that see other examples, or other references of the same.

    They do where alphabets or other settings of their tasks differ.
    """
    pairs = zip(*(evaluation.outputs for evaluation in evaluations), strict=True)
    for one, other in pairs:
        if one[:2] != other[:2]:
            raise UserError(
                "The references of both runs must be the same. "
                f"{runs[0].path}: {one[0]} is {one[1]!r}; {runs[1].path}: {other[0]} "
                f"is {other[1]!r}"
            )

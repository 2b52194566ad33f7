"""What stands before the first step: examples, a fitted task, a model, a plan."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from s2s_zoo.catalog import Preset
from s2s_zoo.checkpoints import TrainingState
from s2s_zoo.models.assets import read_assets
from s2s_zoo.models.saving import ASSETS, describe_model
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.precision import described
from s2s_zoo.tasks.base import Selection, Task, task_of
from s2s_zoo.workflows.reporting import Reporter, TrainingOutline
from s2s_zoo.workflows.resume import limits
from s2s_zoo.workflows.run_directory import RunDirectory
from s2s_zoo.workflows.sources import open_data
from s2s_zoo.workflows.training_loop import TrainingLoop

SPLITS = ("train", "validation")


def prepare(
    preset: Preset[Any],
    request: Mapping[str, Any],
    run: RunDirectory,
    start: Path | None,
    reporter: Reporter,
) -> tuple[TrainingLoop, TrainingOutline]:
    """A training at its beginning.

    The order binds. The seed comes before anything is drawn; the task is fitted before
    the model is built, whose vocabularies it has; the model is built before examples
    are selected, since its frames decide which fit; and only these are planned.

    Args:
        preset: with its final settings.
        request: what the run was asked for.
        run: where it goes.
        start: a preset directory whose task, and later weights, it starts from.
        reporter: hears what is left out, and what of the rest concerns the task.
    """
    data = request["data"] or preset.task.demo_corpus
    source = open_data(preset.task, data, request["audio_root"])
    examples = {split: source.read_split(split) for split in SPLITS}
    keras.utils.set_random_seed(preset.recipe.seed)
    task = _fitted(preset.task, examples["train"], run, start, reporter)
    task = task.weighed(preset.recipe.class_weight)
    preset = replace(preset, task=task)
    model = preset.build()
    describe_model(model)  # refuses, before anything long, what could not be kept
    selections = {
        split: _select(model, found, f"{data}, {split}", reporter)
        for split, found in examples.items()
    }
    if concern := task.concern(selections["train"].usable):
        reporter.note(concern)
    loop = _loop(preset, model, run, selections, reporter)
    return loop, _outline(loop, selections["train"].usable)


def _fitted(
    task: Task,
    examples: Sequence[Any],
    run: RunDirectory,
    start: Path | None,
    reporter: Reporter,
) -> Task:
    """The task with what it learned before: in this run, at its start, or now."""
    own = read_assets(run.assets)
    assets = own or read_assets((start or run.preset) / ASSETS)
    if start and assets and not own:
        reporter.note(f"{', '.join(sorted(assets))}: taken from {start}")
    if start and assets and not own:
        return task.started_from(assets, examples)
    return task.with_assets(assets) if assets else task.fit(examples)


def _loop(
    preset: Preset[Any],
    model: Seq2Seq,
    run: RunDirectory,
    selections: Mapping[str, Selection],
    reporter: Reporter,
) -> TrainingLoop:
    """The planned batches and a compiled model, at step 0."""
    task, recipe = preset.task, preset.recipe
    training = selections["train"].usable
    batches = task.batches(training, training=True, seed=recipe.seed)
    plan = batches.plan(recipe.batch * recipe.devices, shuffle=True)
    steps, _ = limits(recipe, len(plan))
    preset.compile(model, updates_of(steps, len(plan), recipe.accumulate))
    worst = -math.inf if task.higher_is_better else math.inf
    return TrainingLoop(
        model=model,
        preset=preset,
        run=run,
        batches=batches,
        plan=plan,
        validation=selections["validation"].usable,
        steps=steps,
        state=TrainingState(plan=plan.identity, best_value=worst, kept_value=worst),
        reporter=reporter,
        dropped=_count_dropped(selections.values()),
    )


def _outline(loop: TrainingLoop, training: Sequence[Any]) -> TrainingOutline:
    variables = loop.model.trainable_variables
    return TrainingOutline(
        preset=loop.preset.name,
        run_dir=loop.run.path,
        parameters=sum(math.prod(v.shape) for v in variables),
        examples=len(training),
        amount=loop.preset.task.amount(training),
        validation_examples=len(loop.validation),
        steps=loop.steps,
        steps_per_epoch=len(loop.plan),
        shapes=[f"{b.rows} x {b.size}" for b in loop.plan.buckets],
        padding_share=loop.plan.padding_share(),
        precision=described(loop.preset.recipe.precision),
        expect=loop.preset.expect,
        backend=keras.backend.backend(),
        speed_unit=loop.preset.task.unit.shown,
        resumed_at=0,
    )


def _select(
    model: Seq2Seq, found: Sequence[Any], where: str, reporter: Reporter
) -> Selection:
    """The examples that can be used; tells which cannot, and why."""
    selection = task_of(model).select(model, found, where)
    for reason, names in selection.dropped.items():
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        reporter.note(f"{where}: {len(names)} examples {reason} left out: {shown}")
    return selection


def _count_dropped(selections: Iterable[Selection]) -> dict[str, int]:
    """Examples left out of all splits, by reason."""
    counts: Counter[str] = Counter()
    for selection in selections:
        counts.update({reason: len(n) for reason, n in selection.dropped.items()})
    return dict(counts)


def updates_of(steps: int, steps_per_epoch: int, accumulate: int) -> int:
    """Updates of a training; the last of a whole epoch may have fewer batches."""
    epochs, rest = divmod(steps, steps_per_epoch)
    return epochs * -(-steps_per_epoch // accumulate) + rest // accumulate

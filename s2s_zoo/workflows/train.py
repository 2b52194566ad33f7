"""Train a preset."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from s2s_zoo import distribution
from s2s_zoo.catalog import Preset, Recipe
from s2s_zoo.checkpoints import TrainingState, load_latest
from s2s_zoo.errors import UserError, writing
from s2s_zoo.models.assets import read_assets, write_assets
from s2s_zoo.models.saving import ASSETS
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.models.transfer import copy_all_weights, copy_fitting_weights
from s2s_zoo.optimizers.accumulation import GradientAccumulation
from s2s_zoo.precision import described, uses_float16
from s2s_zoo.registry import PRESETS
from s2s_zoo.tasks.base import Selection
from s2s_zoo.workflows.flight_recorder import FlightRecorder
from s2s_zoo.workflows.reporting import Reporter, TrainingOutline, TrainingResult
from s2s_zoo.workflows.resume import limits, renewed
from s2s_zoo.workflows.run_directory import RunDirectory, new_run
from s2s_zoo.workflows.sources import AudioRoot, open_data
from s2s_zoo.workflows.training_loop import TrainingLoop

_SPLITS = ("train", "validation")


def train(
    *,
    preset: str,
    data: str | None = None,
    run_dir: str | Path | None = None,
    settings: dict[str, Any] | None = None,
    resume: bool = False,
    init_from: str | Path | None = None,
    init_partly: bool = False,
    numerics: bool = False,
    audio_root: AudioRoot = (),
    reporter: Reporter | None = None,
) -> TrainingResult:
    """Train a preset into a run directory.

    Args:
        preset: name of a preset.
        data: corpus by name or path; None for the demo corpus of the task.
        run_dir: where the run goes; None makes one under ./runs.
        settings: values by path, such as {"recipe.epochs": 3}.
        resume: go on where the run in `run_dir` stopped, as it was asked for; more
            epochs or steps are a longer training, and what cannot change is refused.
        init_from: run or preset directory whose weights training starts from.
        init_partly: take of them what fits, and tell what does not.
        numerics: record where the numbers lie: `numerics.jsonl`, a picture, a verdict;
            a resumed training goes on with it.
        audio_root: directory trees beside that of a manifest that its files may lie
            in; the run remembers them.
        reporter: hears what happens.

    Returns:
        What was reached; `interrupted` when a signal ended it early, saved.

    Raises:
        UserError: anything the user can mend: names, settings, data, directories.
    """
    reporter = reporter or Reporter()
    run = _run_directory(preset, run_dir, resume)
    if init_partly and init_from is None:
        raise UserError("--init-partly needs --init-from RUN")
    request: dict[str, Any] = {
        "preset": preset,
        "data": data,
        "settings": settings or {},
        "audio_root": [str(Path(root).expanduser().resolve()) for root in audio_root],
        "numerics": numerics,
        "init_from": None if init_from is None else str(init_from),
        "init_partly": init_partly,
    }
    before = stored = None
    if resume:
        stored = run.read_request()
        before = _resolve(stored, preset)
        request = renewed(stored, request, before)
    chosen = _resolve(request, preset)
    if request["numerics"] and chosen.recipe.devices > 1:
        raise UserError(
            f"--numerics records on one device. Received: {chosen.recipe.devices}"
        )
    with run.held(), distribution.devices(chosen.recipe.devices):
        start = _preset_directory(request["init_from"])
        loop, outline = _prepare(chosen, request, run, start, reporter)
        if before is not None:
            outline = _restore(loop, outline, request["data"], reporter)
            _tell_length(loop, before.recipe, reporter)
        if start is not None and not outline.resumed_at:
            _start_from(start, loop.model, request["init_partly"], reporter)
        if request != stored:
            _keep(run, loop.preset, request)
        if request["numerics"]:
            loop.numerics = FlightRecorder(loop.model, run, reporter, loop.unwritten)
        reporter.started(outline)
        try:
            return loop.run_to_end()
        except UserError:
            if loop.numerics:
                loop.numerics.finish(loop.state.seconds)
            raise


def _keep(run: RunDirectory, preset: Preset[Any], request: dict[str, Any]) -> None:
    """Write down what was asked for, and before it what the task has learned."""
    values = preset.settings()
    settings = {path: values[path] for path in request["settings"]}
    with writing(run.path):
        write_assets(run.assets, preset.task.assets())
        run.write_request({**request, "settings": settings})


def _run_directory(
    preset: str, run_dir: str | Path | None, resume: bool
) -> RunDirectory:
    if run_dir is None:
        if resume:
            raise UserError("--resume needs the run directory: --run-dir DIR")
        return new_run(PRESETS.get(preset).name)
    run = RunDirectory(Path(run_dir))
    if resume and not run.path.is_dir():
        raise UserError(f"{run_dir} does not exist: nothing to resume")
    if not resume and run.holds_anything:
        raise UserError(
            f"{run_dir} exists and is not empty: add --resume to go on with it, or "
            "name another directory"
        )
    return run


def _resolve(request: dict[str, Any], preset: str) -> Preset[Any]:
    """The preset with the demo's and then the request's settings."""
    found: Preset[Any] = PRESETS.get(request["preset"])
    if PRESETS.get(preset).name != found.name:
        raise UserError(f"This run trains {found.name}. Received: {preset}")
    if request["data"] is None:
        found = found.with_settings(found.demo)
    found = found.with_settings(request["settings"])
    found.check()
    return found


def _prepare(
    preset: Preset[Any],
    request: dict[str, Any],
    run: RunDirectory,
    start: Path | None,
    reporter: Reporter,
) -> tuple[TrainingLoop, TrainingOutline]:
    data = request["data"] or preset.task.demo_corpus
    source = open_data(preset.task, data, request["audio_root"])
    examples = {split: source.read_split(split) for split in _SPLITS}
    keras.utils.set_random_seed(preset.recipe.seed)
    own = read_assets(run.assets)
    assets = own or read_assets((start or run.preset) / ASSETS)
    if start and assets and not own:
        reporter.note(f"{', '.join(sorted(assets))}: taken from {start}")
    task = preset.task
    task = task.with_assets(assets) if assets else task.fit(examples["train"])
    preset = replace(preset, task=task)
    model = preset.build()
    selections = [
        _select(preset, model, found, f"{data}, {split}", reporter)
        for split, found in examples.items()
    ]
    training, validation = (selection.usable for selection in selections)
    batches = preset.task.batches(training, training=True, seed=preset.recipe.seed)
    plan = batches.plan(preset.recipe.batch * preset.recipe.devices, shuffle=True)
    steps, _ = limits(preset.recipe, len(plan))
    compile_model(model, preset, _updates(steps, len(plan), preset.recipe.accumulate))
    worst = -math.inf if task.higher_is_better else math.inf
    loop = TrainingLoop(
        model=model,
        preset=preset,
        run=run,
        batches=batches,
        plan=plan,
        validation=validation,
        steps=steps,
        state=TrainingState(plan=plan.identity, best_value=worst, kept_value=worst),
        reporter=reporter,
        dropped=_count_dropped(selections),
    )
    return loop, _outline(loop, training)


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
    preset: Preset[Any],
    model: Seq2Seq,
    found: Sequence[Any],
    where: str,
    reporter: Reporter,
) -> Selection:
    """The examples that can be used; tells which cannot, and why."""
    selection: Selection = preset.task.select(model, found, where)
    for reason, names in selection.dropped.items():
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        reporter.note(f"{where}: {len(names)} examples {reason} left out: {shown}")
    return selection


def _count_dropped(selections: Sequence[Selection]) -> dict[str, int]:
    """Examples left out of all splits, by reason."""
    counts: Counter[str] = Counter()
    for selection in selections:
        counts.update({reason: len(n) for reason, n in selection.dropped.items()})
    return dict(counts)


def _updates(steps: int, steps_per_epoch: int, accumulate: int) -> int:
    """Updates of a training; the last of an epoch may have fewer batches."""
    epochs, rest = divmod(steps, steps_per_epoch)
    return epochs * -(-steps_per_epoch // accumulate) + -(-rest // accumulate)


def compile_model(model: Seq2Seq, preset: Preset[Any], updates: int) -> None:
    """Give the model the optimizer and schedule of its recipe.

    Args:
        model: built.
        preset: its recipe is read.
        updates: of the whole training; a schedule without `decay_steps` takes as many.

    Raises:
        UserError: the optimizer or the schedule refuses a number.
    """
    recipe = preset.recipe
    try:
        optimizer = recipe.optimizer(learning_rate=_schedule(recipe, updates))
    except ValueError as error:
        raise UserError(f"recipe.optimizer, recipe.schedule: {error}") from error
    if recipe.accumulate > 1:
        optimizer = GradientAccumulation(optimizer, recipe.accumulate)
    if uses_float16(recipe.precision):
        optimizer = recipe.loss_scaling(optimizer)
    optimizer.build(model.trainable_variables)
    if distribution.replicated():
        distribution.sum_gradients_first(optimizer)
    model.compile(optimizer=optimizer, auto_scale_loss=False)


def _follows_length(recipe: Recipe) -> bool:
    """Whether the schedule decays over the whole training, however long that is."""
    return not recipe.schedule.keywords.get("decay_steps", 1)


def _schedule(recipe: Recipe, updates: int) -> Any:
    if not _follows_length(recipe):
        return recipe.schedule()
    settings = recipe.schedule.keywords
    held = max(settings.get("begin", 0), settings.get("warmup", 0))
    return recipe.schedule(decay_steps=max(1, updates - held))


def _restore(
    loop: TrainingLoop, outline: TrainingOutline, data: str | None, reporter: Reporter
) -> TrainingOutline:
    state, damaged = load_latest(loop.run.checkpoints, loop.model)
    for message in damaged:
        reporter.note(message)
    if state is None:
        if damaged:
            raise UserError(f"No undamaged checkpoint in {loop.run.checkpoints}")
        reporter.note("No checkpoint yet: starting from the beginning")
        state = loop.state
    if state.plan != loop.plan.identity:
        raise UserError(
            f"The examples of --data {data or loop.preset.task.demo_corpus} are not "
            "those of the checkpoint: the same order cannot be resumed. Use "
            "--init-from to start anew from its weights"
        )
    loop.state = state
    loop.run.forget_after(state.step)
    return replace(outline, resumed_at=state.step)


def _tell_length(loop: TrainingLoop, before: Recipe, reporter: Reporter) -> None:
    """Say what another length means, or why a training that has ended does not go on.

    Raises:
        UserError: the new length is behind already.
    """
    recipe, per_epoch, step = loop.preset.recipe, len(loop.plan), loop.state.step
    old, _ = limits(before, per_epoch)
    last, why = limits(recipe, per_epoch)
    if last < step:
        raise UserError(f"{why} ends it at step {last}: the run has reached {step}")
    if last == step:
        reporter.note(f"Step {step} was the last by {why}: a larger one goes on")
    elif loop.stopped_early:
        why = f"recipe.patience = {recipe.patience}"
        reporter.note(f"Step {step} was the last by {why}: a larger one or 0 goes on")
    elif last != old:
        rates = (
            _rate(loop, recipe, steps)
            for recipe, steps in ((before, old), (recipe, last))
        )
        reporter.note(f"To step {last} instead of {old}. {_rates_text(recipe, *rates)}")


def _rate(loop: TrainingLoop, recipe: Recipe, steps: int) -> float:
    """The learning rate of the next update, in a training of that many steps."""
    updates = _updates(steps, len(loop.plan), recipe.accumulate)
    return float(_schedule(recipe, updates)(loop.model.optimizer.iterations))


def _rates_text(recipe: Recipe, old: float, new: float) -> str:
    if _follows_length(recipe):
        return (
            f"The schedule ends with the training: the learning rate is now {new:.3g} "
            f"instead of {old:.3g}, and the result not that of a training that was "
            "asked for so many from the start"
        )
    return (
        f"The schedule does not depend on the length: the learning rate is {new:.3g}, "
        "as in a training that was asked for so many from the start"
    )


def _start_from(start: Path, model: Seq2Seq, partly: bool, reporter: Reporter) -> None:
    if partly:
        reporter.note(copy_fitting_weights(model, start))
    else:
        copy_all_weights(model, start)


def _preset_directory(path: str | None) -> Path | None:
    if path is None:
        return None
    run = RunDirectory(Path(path))
    return run.preset if run.preset.is_dir() else Path(path)

"""Train a preset."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from s2s_zoo import distribution
from s2s_zoo.catalog import Preset, Recipe
from s2s_zoo.checkpoints import load_latest
from s2s_zoo.errors import UserError, named_path, writing
from s2s_zoo.models.assets import write_assets
from s2s_zoo.models.saving import preset_directory
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.models.transfer import (
    Transfer,
    copy_all_weights,
    copy_fitting_weights,
    is_for_another_task,
)
from s2s_zoo.registry import PRESETS, canonical
from s2s_zoo.workflows.flight_recorder import FlightRecorder
from s2s_zoo.workflows.preparation import prepare, updates_of
from s2s_zoo.workflows.reporting import Reporter, TrainingOutline, TrainingResult
from s2s_zoo.workflows.resume import limits, renewed
from s2s_zoo.workflows.run_directory import (
    RunDirectory,
    new_run,
)
from s2s_zoo.workflows.sources import AudioRoot
from s2s_zoo.workflows.training_loop import TrainingLoop


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
        init_from: run or preset directory whose weights training starts from; of a
            model for another task, those that fit.
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
    request: dict[str, Any] = {
        "preset": preset,
        "directory": str(Path.cwd()),
        "data": data,
        "settings": settings or {},
        "audio_root": [str(Path(root).expanduser().resolve()) for root in audio_root],
        "numerics": numerics,
        "init_from": None if init_from is None else str(init_from),
        "init_partly": init_partly,
    }
    before = None
    if resume:
        stored = run.read_request()
        before = _resolve(stored, preset)
        request = renewed(stored, request, before)
    chosen = _resolve(request, preset)
    _check(request, chosen.recipe)
    with run.held(), distribution.devices(chosen.recipe.devices):
        loop, outline = _prepared(chosen, request, run, before, reporter)
        if request["numerics"]:
            recorder = FlightRecorder(loop.model, run, reporter, loop.log.unwritten)
            loop.update.numerics = recorder
        reporter.started(outline)
        try:
            return loop.run_to_end()
        except UserError:
            if loop.update.numerics:
                loop.update.numerics.finish(loop.state.seconds)
            raise


def _check(request: dict[str, Any], recipe: Recipe) -> None:
    if request["init_partly"] and request["init_from"] is None:
        raise UserError("--init-partly needs --init-from RUN")
    if request["numerics"] and recipe.devices > 1:
        raise UserError(f"--numerics records on one device. Received: {recipe.devices}")


def _prepared(
    chosen: Preset[Any],
    request: dict[str, Any],
    run: RunDirectory,
    before: Preset[Any] | None,
    reporter: Reporter,
) -> tuple[TrainingLoop, TrainingOutline]:
    """The training as it begins or, where it was asked for `before`, goes on."""
    named = request["init_from"]
    start = None if named is None else preset_directory(named)
    loop, outline = prepare(chosen, request, run, start, reporter)
    if before is not None:
        outline = _restore(loop, outline, request["data"], reporter)
        _tell_length(loop, before.recipe, reporter)
    if start is not None and not outline.resumed_at:
        partly = request["init_partly"]
        loop.transfer = _start_from(start, loop.model, partly, reporter).described()
    if not outline.resumed_at:
        loop.adapt()
    if before is None or request != run.read_request():
        _keep(run, loop.preset, request)
    return loop, outline


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
    run = RunDirectory(named_path(run_dir))
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
    demo = found.task.demo_corpus
    if canonical(request["data"] or demo) == canonical(demo):
        found = found.with_settings(found.demo)
    found = found.with_settings(request["settings"])
    found.check()
    return found


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
    if state.plan != loop.plan.identity or state.position >= len(loop.plan):
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
    updates = updates_of(steps, len(loop.plan), recipe.accumulate)
    return float(recipe.rates(updates)(loop.model.optimizer.iterations))


def _rates_text(recipe: Recipe, old: float, new: float) -> str:
    if recipe.follows_length:
        return (
            f"The schedule ends with the training: the learning rate is now {new:.3g} "
            f"instead of {old:.3g}, and the result not that of a training that was "
            "asked for so many from the start"
        )
    return (
        f"The schedule does not depend on the length: the learning rate is {new:.3g}, "
        "as in a training that was asked for so many from the start"
    )


def _start_from(
    start: Path, model: Seq2Seq, partly: bool, reporter: Reporter
) -> Transfer:
    if not partly and not is_for_another_task(model, start):
        return copy_all_weights(model, start)
    found = copy_fitting_weights(model, start)
    reporter.note(str(found))
    return found

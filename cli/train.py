"""`s2s-zoo train`."""

import dataclasses
import shlex
from typing import Any

import click

from . import FAILED, INTERRUPTED, options


@click.command("train")
@click.argument("preset")
@click.option("--data", help="Corpus by name or path; by default the demo corpus.")
@click.option("--run-dir", type=click.Path(file_okay=False), help="Where the run goes.")
@options.audio_root
@options.settings
@click.option("--precision", metavar="POLICY|PART=POLICY,…", help="Dtype policy.")
@click.option(
    "--loss-scaling", metavar="backoff|logmax|none|NUMBER", help="For float16."
)
@click.option("--devices", type=click.IntRange(1), help="Share a step among so many.")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the data.")
@click.option("--max-steps", type=click.IntRange(1), help="Steps at most.")
@click.option("--seed", type=click.IntRange(0), help="Of weights, order, dropout.")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run in --run-dir; more --epochs or --max-steps: for longer.",
)
@click.option("--init-from", help="Run or preset directory to take weights from.")
@click.option("--init-partly", is_flag=True, help="Take those that fit.")
@click.option("--numerics", is_flag=True, help="Record exponents layer by layer.")
@options.backend
@options.as_json
def command(
    preset: str,
    data: str | None,
    run_dir: str | None,
    audio_root: tuple[str, ...],
    settings: tuple[str, ...],
    resume: bool,
    init_from: str | None,
    init_partly: bool,
    numerics: bool,
    backend: str | None,
    as_json: bool,
    **recipe: Any,
) -> int:
    """Train PRESET; without --data on its demo corpus, made on this machine."""
    chosen = options.start_backend(backend)
    from s2s_zoo.settings import parse_setting
    from s2s_zoo.workflows.train import train

    from .console import ConsoleReporter

    given = {f"recipe.{k}": v for k, v in recipe.items() if v is not None}
    if "recipe.loss_scaling" in given:
        given["recipe.loss_scaling.algorithm"] = given.pop("recipe.loss_scaling")
    with ConsoleReporter() as reporter:
        result = train(
            preset=preset,
            data=data,
            run_dir=run_dir,
            settings=given | dict(map(parse_setting, settings)),
            resume=resume,
            init_from=init_from,
            init_partly=init_partly,
            numerics=numerics,
            audio_root=audio_root,
            reporter=reporter,
        )
    if as_json:
        options.print_json(dataclasses.asdict(result))
    elif not result.interrupted:
        _tell(result)
    if result.unwritten:
        _tell_missing(result)
    if result.interrupted:
        parts = ["s2s-zoo", "train", preset, "--run-dir", result.run_dir, "--resume"]
        resume_command = shlex.join([*parts, "--backend", chosen])
        click.echo(f"Interrupted and saved. Go on with:\n  {resume_command}", err=True)
        return INTERRUPTED
    return FAILED if result.unwritten else 0


def _tell(result: Any) -> None:
    """What was reached, and where it is unless something of it could not be written."""
    click.echo(
        f"{_best_text(result)}, after {result.seconds / 60:.1f} minutes of training; "
        f"{result.data_wait_share:.1%} of it waiting for data."
    )
    if not result.unwritten:
        click.echo(
            f"Picture: {result.run_dir}/plots/example.png\n"
            f"Next: s2s-zoo evaluate, s2s-zoo infer INPUT, "
            f"s2s-zoo export --format savedmodel"
        )


def _tell_missing(result: Any) -> None:
    missing = "".join(f"\n  {what}" for what in result.unwritten)
    click.echo(
        f"Error: {result.run_dir} lacks{missing}\nMake room; --resume goes on from the "
        "newest checkpoint there is.",
        err=True,
    )


def _best_text(result: Any) -> str:
    from s2s_zoo.metrics.presentation import metric_text, metric_title

    if not result.best:
        return f"{result.steps} steps, of which no validation came out best"
    metric, value, step = (result.best[key] for key in ("metric", "value", "step"))
    return (
        f"Best {metric_title(metric)} {metric_text(metric, value)} at step {step} of "
        f"{result.steps}"
    )

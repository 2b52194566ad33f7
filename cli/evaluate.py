"""`s2s-zoo evaluate`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from . import options

if TYPE_CHECKING:
    from s2s_zoo.tasks.evaluation import Evaluation


@click.command("evaluate")
@options.run
@click.option("--data", help="Corpus by name or path; by default that of the run.")
@options.audio_root
@options.split
@click.option("--outputs", type=click.Path(dir_okay=False), help="TSV of every output.")
@click.option(
    "--plot", type=click.Path(dir_okay=False), help="PNG, such as of what is confused."
)
@click.option(
    "--by", metavar="COLUMN", help="Group by a column of the manifest, such as speaker."
)
@options.search
@click.option(
    "--tune",
    "tuned",
    is_flag=True,
    help="Find weights of the language model, by default on validation.",
)
@click.option(
    "--keep-search",
    "kept",
    is_flag=True,
    help="Let the model of RUN search so from now on; its files are stored with it.",
)
@click.option(
    "--judge",
    "recognizer",
    type=click.Path(file_okay=False),
    metavar="RUN",
    help="Let this recognizer hear what RUN speaks, and the recordings.",
)
@options.compiled
@options.backend
@options.as_json
def command(
    run: str | None,
    data: str | None,
    audio_root: tuple[str, ...],
    split: str | None,
    outputs: str | None,
    plot: str | None,
    by: str | None,
    search: str,
    tuned: bool,
    kept: bool,
    recognizer: str | None,
    compiled: bool,
    backend: str | None,
    as_json: bool,
) -> None:
    """Measure RUN (by default the newest under ./runs), with confidence intervals."""
    others = {"--outputs": outputs, "--plot": plot, "--by": by, "--compile": compiled}
    if tuned:
        _refuse_beside("--tune", {**others, "--judge": recognizer})
    if recognizer:
        _refuse_beside("--judge", {**others, "--keep-search": kept})
    options.start_backend(backend)
    if tuned:
        _tune(run, data, audio_root, split, search, kept, as_json)
        return
    if recognizer:
        _judge(run, recognizer, data, audio_root, split, search, as_json)
        return
    from s2s_zoo.workflows.evaluate import evaluate
    from s2s_zoo.workflows.tune import keep_search

    from .console import ConsoleReporter

    with ConsoleReporter() as reporter:
        result = evaluate(
            run=run,
            data=data,
            split=split,
            outputs=outputs,
            plot=plot,
            by=by,
            search=search,
            audio_root=audio_root,
            compiled=compiled,
            reporter=reporter,
        )
    if kept:
        keep_search(run, search)
    if as_json:
        options.print_json(_summary(result))
    else:
        _print(result, by or "")


def _refuse_beside(mode: str, others: Mapping[str, Any]) -> None:
    from s2s_zoo.errors import UserError

    given = [name for name, value in others.items() if value]
    if given:
        raise UserError(f"{mode} takes no {', '.join(given)}")


def _judge(
    run: str | None,
    recognizer: str,
    data: str | None,
    audio_root: tuple[str, ...],
    split: str | None,
    search: str,
    as_json: bool,
) -> None:
    """Print what a recognizer understood of synthesized speech."""
    from s2s_zoo.metrics.presentation import difference_text, metric_text
    from s2s_zoo.workflows.judge import METRIC, judge

    from .console import ConsoleReporter

    with ConsoleReporter() as reporter:
        found = judge(
            run=run,
            recognizer=recognizer,
            data=data,
            split=split,
            search=search,
            audio_root=audio_root,
            reporter=reporter,
        )
    summary = found.summary()
    if as_json:
        options.print_json(summary)
        return
    for name, value in summary[METRIC].items():
        low, high = summary["confidence"][name]
        text = metric_text(METRIC, value, (low, high))
        click.echo(f"word error rate, {name}: {text}")
    difference = difference_text(METRIC, found.difference)
    click.echo(f"difference: {difference}; {summary['examples']} sentences")


def _summary(result: "Evaluation") -> dict[str, Any]:
    groups = {value: group.summary() for value, group in result.groups.items()}
    return {
        "metrics": result.metrics,
        "confidence": result.confidence,
        "examples": result.examples,
        "signature": result.signature,
        **result.breakdown.summary,
        **({"groups": groups} if groups else {}),
    }


def _print(result: "Evaluation", by: str) -> None:
    from s2s_zoo.metrics.presentation import group_lines, metric_text, metric_title

    for name, value in result.metrics.items():
        text = f"{value:.4f}"
        if name in result.confidence:
            text = metric_text(name, value, result.confidence[name])
        click.echo(f"{metric_title(name)}: {text}")
    click.echo(f"{result.examples} examples, {result.signature}")
    for line in (*result.breakdown.lines, *group_lines(by, result.groups)):
        click.echo(line)


def _tune(
    run: str | None,
    data: str | None,
    audio_root: tuple[str, ...],
    split: str | None,
    search: str,
    kept: bool,
    as_json: bool,
) -> None:
    """Print the search that does best."""
    import shlex
    from dataclasses import asdict

    from s2s_zoo.metrics.presentation import metric_text, metric_title
    from s2s_zoo.workflows.tune import keep_search, tune

    from .console import ConsoleReporter

    with ConsoleReporter() as reporter:
        found = tune(
            run=run,
            data=data,
            split=split,
            search=search,
            audio_root=audio_root,
            reporter=reporter,
        )
    if kept:
        keep_search(run, found.search)
    if as_json:
        trials = [trial._asdict() for trial in found.trials]
        options.print_json(asdict(found) | {"trials": trials})
        return
    value, before = (
        metric_text(found.metric, number) for number in (found.value, found.before)
    )
    click.echo(
        f"{metric_title(found.metric)}: {value}, {before} before; "
        f"{found.examples} examples, {len(found.trials)} searches"
    )
    click.echo(f"--search {shlex.quote(found.search)}")

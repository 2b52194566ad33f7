"""`s2s-zoo evaluate`."""

import click

from . import options


@click.command("evaluate")
@options.run
@click.option("--data", help="Corpus by name or path; by default that of the run.")
@options.audio_root
@options.split
@click.option("--outputs", type=click.Path(dir_okay=False), help="TSV of every output.")
@options.search
@options.compiled
@options.backend
@options.as_json
def command(
    run: str | None,
    data: str | None,
    audio_root: tuple[str, ...],
    split: str | None,
    outputs: str | None,
    search: str,
    compiled: bool,
    backend: str | None,
    as_json: bool,
) -> None:
    """Measure RUN (by default the newest under ./runs), with confidence intervals."""
    options.start_backend(backend)
    from s2s_zoo.metrics.presentation import metric_text, metric_title
    from s2s_zoo.workflows.evaluate import evaluate

    from .console import ConsoleReporter

    with ConsoleReporter() as reporter:
        result = evaluate(
            run=run,
            data=data,
            split=split,
            outputs=outputs,
            search=search,
            audio_root=audio_root,
            compiled=compiled,
            reporter=reporter,
        )
    if as_json:
        options.print_json(
            {
                "metrics": result.metrics,
                "confidence": result.confidence,
                "examples": result.examples,
                "signature": result.signature,
            }
        )
        return
    for name, value in result.metrics.items():
        text = f"{value:.4f}"
        if name in result.confidence:
            text = metric_text(name, value, result.confidence[name])
        click.echo(f"{metric_title(name)}: {text}")
    click.echo(f"{result.examples} examples, {result.signature}")

"""`s2s-zoo benchmark`."""

import dataclasses

import click

from . import options


@click.command("benchmark")
@click.argument("preset")
@options.settings
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    metavar="POLICY|PART=POLICY,…",
    help="What to time, the first being the baseline; by default every policy.",
)
@click.option("--steps", type=click.IntRange(1), default=10, show_default=True)
@options.backend
@options.as_json
def command(
    preset: str,
    settings: tuple[str, ...],
    precisions: tuple[str, ...],
    steps: int,
    backend: str | None,
    as_json: bool,
) -> None:
    """Time training steps of PRESET on this machine, by precision."""
    options.start_backend(backend)
    from rich.console import Console
    from rich.table import Table

    from s2s_zoo.precision import POLICIES
    from s2s_zoo.registry import PRESETS
    from s2s_zoo.settings import parse_setting
    from s2s_zoo.workflows.benchmark import benchmark

    from .console import ConsoleReporter

    with ConsoleReporter() as reporter:
        timings = benchmark(
            preset=preset,
            precisions=precisions or POLICIES,
            settings=dict(map(parse_setting, settings)),
            steps=steps,
            reporter=reporter,
        )
    if as_json:
        rows = [dataclasses.asdict(timing) for timing in timings]
        options.print_json({"preset": preset, "precisions": rows})
        return
    unit = PRESETS.get(preset).task.unit.shown.strip()
    table = Table("precision", "seconds a step", unit, "ratio")
    for timing in timings:
        numbers = (timing.step_seconds, timing.units_per_second, timing.speed)
        table.add_row(timing.precision, *map(_three_digits, numbers))
    Console().print(table)


def _three_digits(number: float) -> str:
    return f"{number:.3g}" if number < 999.5 else f"{number:,.0f}"

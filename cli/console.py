"""What people see while something long runs: always on stderr."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from s2s_zoo.metrics.presentation import metric_text, metric_title
from s2s_zoo.tasks.evaluation import Evaluation
from s2s_zoo.workflows.reporting import Reporter, StepReport, TrainingOutline

SMOOTHING = 0.9
LOGGED_EVERY = 50
SHOWN_CHARACTERS = 240
SHORT = {"word_error_rate": "WER"}


class ConsoleReporter(Reporter, AbstractContextManager["ConsoleReporter"]):
    """Progress with loss, error rate, speed and time left."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
        )
        self.training: TaskID | None = None
        self.evaluation: TaskID | None = None
        self.loss = float("nan")
        self.speed = float("nan")
        self.speed_unit = ""
        self.metric = ""

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.progress.stop()

    def note(self, text: str) -> None:
        self.console.print(text, style="yellow", highlight=False, markup=False)

    def started(self, outline: TrainingOutline) -> None:
        self.speed_unit = outline.speed_unit
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        for name, value in _rows(outline):
            table.add_row(name, escape(value))
        self.console.print(table)
        self.training = self.progress.add_task(
            "training", total=outline.steps, completed=outline.resumed_at, status=""
        )

    def stepped(self, report: StepReport) -> None:
        assert self.training is not None
        speed = report.units / report.seconds
        self.loss = _smooth(self.loss, report.loss)
        self.speed = _smooth(self.speed, speed)
        speed_text = f"{self.speed:,.{1 if self.speed < 1000 else 0}f}"
        status = f"loss {self.loss:.2f}  {speed_text}{self.speed_unit}{self.metric}"
        self.progress.update(self.training, advance=1, status=status)
        if not self.console.is_terminal and report.step % LOGGED_EVERY == 0:
            self.console.print(f"step {report.step}: {status}", highlight=False)

    def evaluating(self, examples: int) -> None:
        self.evaluation = self.progress.add_task(
            "evaluating", total=examples, status=""
        )

    def evaluated(self, done: int) -> None:
        if self.evaluation is not None:
            self.progress.update(self.evaluation, advance=done)

    def validated(self, step: int, evaluation: Evaluation, best: bool) -> None:
        if self.evaluation is not None:
            self.progress.remove_task(self.evaluation)
        name, value = next(iter(evaluation.metrics.items()))
        title, text = SHORT.get(name, metric_title(name)), metric_text(name, value)
        self.metric = f"  {title} {text}"
        mark = "[green]best so far[/]" if best else ""
        self.console.print(f"step {step}: {title} [bold]{text}[/] {mark}")
        if evaluation.outputs:
            self._show_output(*evaluation.outputs[step % len(evaluation.outputs)][1:])

    def _show_output(self, reference: Any, output: Any) -> None:
        for label, shown in (("right", reference), ("output", output)):
            line = f"   {label:<6} {str(shown)[:SHOWN_CHARACTERS]}"
            self.console.print(line, style="dim", highlight=False, markup=False)

    def judged(self, lines: Sequence[str]) -> None:
        self.console.print("\n".join(lines), highlight=False, markup=False)

    def saved(self, path: Path) -> None:
        """Nothing to show: checkpoints are many."""


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar; yields what to call with (done, total)."""
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)


@contextmanager
def advancing(what: str, total: int) -> Iterator[Callable[[float], None]]:
    """A progress bar that vanishes at the end; yields what hears of each advance."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(what, total=total)
        yield lambda done: progress.advance(bar, done)


def _smooth(old: float, new: float) -> float:
    return new if old != old else SMOOTHING * old + (1 - SMOOTHING) * new


def _rows(outline: TrainingOutline) -> list[tuple[str, str]]:
    start = f", resumed at {outline.resumed_at}" if outline.resumed_at else ""
    return [
        ("preset", f"{outline.preset}, {outline.parameters:,} parameters"),
        ("runs on", f"{outline.backend}, {outline.precision}"),
        (
            "data",
            f"{outline.examples:,} examples to train on, {outline.amount}; "
            f"{outline.validation_examples:,} to validate",
        ),
        (
            "steps",
            f"{outline.steps:,}, {outline.steps_per_epoch:,} an epoch{start}",
        ),
        (
            "batches",
            f"{', '.join(outline.shapes)}; {outline.padding_share:.0%} padding",
        ),
        ("expect", outline.expect),
        ("goes to", str(outline.run_dir)),
    ]

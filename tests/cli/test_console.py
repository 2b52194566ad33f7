"""What people see while a training runs."""

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from s2s_zoo.cli.console import ConsoleReporter

from s2s_zoo.tasks.evaluation import Evaluation
from s2s_zoo.workflows.reporting import StepReport, TrainingOutline

OUTLINE = TrainingOutline(
    preset="deepspeech2_small",
    run_dir=Path("runs/x"),
    parameters=9_993_469,
    examples=80,
    amount="0.91 h",
    validation_examples=20,
    steps=100,
    steps_per_epoch=25,
    shapes=["4 x 64000"],
    padding_share=0.07,
    precision="float32",
    expect="WER under 10 %",
    backend="jax",
    speed_unit="x real time",
    resumed_at=0,
)


OUTPUTS = [("a.wav", "turn it on", "turn in on")]


def shown(terminal, steps, outputs=OUTPUTS):
    """What is on the screen after some steps of 0.5 s with 10 s of audio each."""
    reporter = ConsoleReporter()
    screen = io.StringIO()
    reporter.console = Console(file=screen, force_terminal=terminal, width=150)
    reporter.progress.live.console = reporter.console
    with reporter:
        reporter.started(OUTLINE)
        for step in range(1, steps + 1):
            reporter.stepped(StepReport(step, 0, 2.5, 1e-3, 0.5, 0.0, 10.0))
            if step == 50:
                found = {"word_error_rate": 0.123, "loss": 4.0}
                reporter.validated(50, Evaluation(found, {}, 1, "", outputs), True)
        reporter.progress.refresh()
    return screen.getvalue()


def test_a_terminal_shows_loss_error_speed_and_time_left():
    screen = shown(True, 60)
    for text in ("60/100", "loss 2.50", "20.0x real time", "WER 12.30%", "left"):
        assert text in screen
    for text in ("9,993,469 parameters", "0.91 h", "turn it on", "turn in on"):
        assert text in screen


def test_a_file_gets_a_line_now_and_then():
    lines = [x for x in shown(False, 100).splitlines() if x.startswith("step ")]
    assert lines[0].startswith("step 50: loss 2.50  20.0x real time")
    assert lines[-1] == "step 100: loss 2.50  20.0x real time  WER 12.30%"


def test_an_evaluation_without_outputs_shows_its_metric():
    screen = shown(False, 50, outputs=[])
    assert "step 50: WER 12.30% best so far" in screen
    assert "right" not in screen


def test_names_in_brackets_are_shown_as_they_are():
    reporter = ConsoleReporter()
    screen = io.StringIO()
    reporter.console = Console(file=screen, width=150)
    reporter.started(replace(OUTLINE, run_dir=Path("runs/[lr=1] [/b]")))
    reporter.note("take [final].wav left out")
    assert "runs/[lr=1] [/b]" in screen.getvalue()
    assert "take [final].wav left out" in screen.getvalue()

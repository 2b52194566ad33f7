"""Contestants of benchmarks: they answer, or their last error line is shown."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
PREFIX = f"import sys\nsys.path.insert(0, {str(BENCHMARKS)!r})\n"


@pytest.fixture(scope="module")
def turns():
    spec = importlib.util.spec_from_file_location("turns", BENCHMARKS / "turns.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def contestant(turns, tmp_path):
    """Start a contestant that is this code."""

    def start(code):
        script = tmp_path / "contestant.py"
        script.write_text(PREFIX + code)
        return turns.Contestant(str(script), ["--contestant", "jax"])

    return start


def test_a_contestant_steps_and_answers(contestant):
    found = contestant(
        "from turns import serve\nserve(lambda i: None, {'batches': lambda: 3})"
    )
    assert found.ask("batches") == "3"
    found.step(0)
    assert 0 < found.median < 1


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            "open('no such file')",
            "--contestant jax did not start: FileNotFoundError: [Errno 2] No such file "
            "or directory: 'no such file'",
        ),
        ("raise SystemExit(3)", "--contestant jax did not start: no reason given"),
        ("print('what?', file=sys.stderr)\nprint('not yet')", "did not start: what?"),
        ("sys.exit('é\\n\\n')", "did not start: é"),
        (
            "import atexit\natexit.register(print, 'bye', file=sys.stderr)\n1 / 0",
            "did not start: ZeroDivisionError: division by zero",
        ),
    ],
)
def test_one_that_does_not_start_says_why(contestant, code, told):
    with pytest.raises(SystemExit) as caught:
        contestant(code)
    assert str(caught.value).endswith(told)


def test_one_that_gives_up_says_why(contestant):
    found = contestant("from turns import serve\nserve(lambda i: 1 / (2 - i), {})")
    found.step(1)
    for _ in range(2):
        with pytest.raises(SystemExit, match="gave up: ZeroDivisionError: division"):
            found.step(2)


def test_much_that_is_said_on_the_way_holds_nobody_up(contestant):
    found = contestant(
        "from turns import serve\n"
        "serve(lambda i: print('x' * 99999, file=sys.stderr), {})"
    )
    found.step(0)
    found.step(1)


@pytest.mark.parametrize("mode", ["--decode", "--agree"])
def test_a_run_needs_lines_to_translate(mode):
    command = [sys.executable, BENCHMARKS / "translation.py", mode, "--run", "x"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "--run needs --input" in done.stderr

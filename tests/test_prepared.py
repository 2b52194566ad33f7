"""Processes that are forked behave as those that are started."""

import os
import signal
import subprocess
import sys

import pytest

from tests import prepared

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux")

SCRIPT = """
import os, sys
print(sys.argv[1:], os.environ["WHO"], os.getcwd(), __name__)
print("told", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def server():
    return prepared.Server(["colorsys"], ["this"])


@pytest.mark.parametrize(
    "command",
    [
        ("-c", SCRIPT, "0", "a b"),
        ("-c", SCRIPT, 3),
        ("-P", "script.py", "5"),
        ("-m", "script", "0"),
        ("-m", "json.tool", "missing"),
        ("-c", "import sys; sys.exit('gone')"),
        ("-c", "import os; os.kill(os.getpid(), 9)"),
    ],
)
def test_a_command_does_what_it_does_by_itself(server, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, *map(str, command)]
    environment = {**os.environ, "WHO": "me"}
    plain = subprocess.run(command, env=environment, capture_output=True, text=True)
    found = prepared.Process(server, command, environment)
    assert found.communicate() == (plain.stdout, plain.stderr)
    assert found.returncode == plain.returncode


def test_what_is_imported_and_what_is_absent(server):
    code = "import sys; print('colorsys' in sys.modules, sys.modules['this'])"
    process = prepared.Process(server, [sys.executable, "-c", code], os.environ)
    assert process.communicate()[0] == "True None\n"


def test_a_signal_ends_it(server):
    code = "print('on', flush=True); import time; time.sleep(99)"
    process = prepared.Process(server, [sys.executable, "-c", code], os.environ)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.communicate()[1] == ""
    assert process.returncode == -signal.SIGTERM

"""The judge of the fuzzer sees what it is there for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="bounds need /proc"
)

SCRIPT = """
import json, os, socket, sys
from pathlib import Path
from s2s_zoo.errors import UserError
from tests.fuzzing import watch

own, outside = Path("own").absolute(), Path("outside").absolute()
watch.SECONDS = 0.3
judge = watch.Watch((own,)).judge

def refuse(text):
    raise UserError(text)

def spin():
    while True:
        pass

def swallow():
    try:
        (outside / "a").read_bytes()
    except OSError:
        pass

print(json.dumps({
    "own": judge(lambda: (own / "new").write_bytes(b"")),
    "refused": judge(lambda: refuse("no")),
    "mute": judge(lambda: refuse(" ")),
    "KeyError": judge(lambda: {}["key"]),
    "TooSlow": judge(spin),
    "MemoryError": judge(lambda: bytes(2 * watch.BYTES)),
    "strays read": judge(swallow),
    "strays climb": judge(lambda: (own / "../outside/a").read_bytes()),
    "strays link": judge(lambda: (own / "link").read_bytes()),
    "strays list": judge(lambda: list(outside.iterdir())),
    "strays write": judge(lambda: (outside / "new").touch()),
    "strays remove": judge(lambda: os.unlink(outside / "a")),
    "strays move": judge(lambda: (own / "a").rename(outside / "b")),
    "strays run": judge(lambda: os.system("true")),
    "strays connect": judge(lambda: socket.getaddrinfo("localhost", 1)),
}))
"""


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    place = tmp_path_factory.mktemp("place")
    for name in ("own/a", "outside/a"):
        (place / name).parent.mkdir()
        (place / name).touch()
    (place / "own/link").symlink_to(place / "outside/a")
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n{SCRIPT}"],
        cwd=place,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_what_is_allowed(judged):
    assert judged["own"] == "loaded"
    assert judged["refused"] == "refused"


@pytest.mark.parametrize("wrong", ["KeyError", "TooSlow", "MemoryError"])
def test_errors_and_bounds(judged, wrong):
    assert judged[wrong].startswith(f"{wrong}: ")
    assert judged["mute"] == "an empty message"


def test_what_is_done_outside(judged):
    outcomes = {n: o for n, o in judged.items() if n.startswith("strays")}
    assert len(outcomes) == 9
    for name, outcome in outcomes.items():
        assert outcome.startswith("strays: "), name

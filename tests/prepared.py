"""Processes that begin where the libraries have been imported, which takes seconds.

A server imports them once and forks before anything has started a thread. What runs in
the fork is a process of its own: it has its own environment, is killed and limited, and
has seen nothing of the tests. Off Linux, and where not TensorFlow but JAX, which warns
of forks, or PyTorch is the backend, processes are started as ever.
"""

import functools
import importlib
import json
import os
import runpy
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

AS_TYPED = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}
"""What the command line asks of TensorFlow before it imports it."""
ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""What keeps NumPy from starting threads when it is imported."""
ROOM = 2**20
"""Bytes that a command with its environment takes, at most."""


class Server:
    """Forks processes one after another.

    Args:
        modules: what it imports.
        absent: what cannot be imported, neither there nor in the processes.
    """

    def __init__(self, modules: Sequence[str], absent: Sequence[str] = ()) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        what = json.dumps([theirs.fileno(), modules, absent])
        environment = {**os.environ, **AS_TYPED, **ALONE}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, what],
                pass_fds=[theirs.fileno()],
                env=environment,
            )

    def fork(self, request: Mapping[str, object], streams: Sequence[int]) -> int:
        """Begin a process that writes to `streams`; its number."""
        socket.send_fds(self._socket, [json.dumps(request).encode()], streams)
        return self.answer()

    def answer(self) -> int:
        """The next number it tells."""
        return int(self._socket.recv(ROOM))

    def has_answered(self) -> bool:
        """Whether the next number is there."""
        return bool(select.select([self._socket], [], [], 0)[0])


class Process:
    """As `subprocess.Popen` of a Python command, its output captured as text.

    Args:
        server: forks it; only one of its processes runs at a time.
        command: starts with `sys.executable`.
        env: its environment.
    """

    def __init__(
        self, server: Server, command: Sequence[str], env: Mapping[str, str]
    ) -> None:
        self.returncode: int | None = None
        self._server = server
        request = {"command": command[1:], "env": dict(env), "cwd": os.getcwd()}
        pipes = [os.pipe(), os.pipe()]
        self.pid = server.fork(request, [write for _, write in pipes])
        pool = ThreadPoolExecutor(len(pipes))
        self._said = [pool.submit(_read, read) for read, _ in pipes]
        for _, write in pipes:
            os.close(write)

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        if self.returncode is None and self._server.has_answered():
            self.returncode = self._server.answer()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self) -> tuple[str, str]:
        """What it said on both streams when it has ended."""
        if self.returncode is None:
            self.returncode = self._server.answer()
        out, err = (said.result() for said in self._said)
        return out, err


@functools.cache
def with_keras() -> Server:
    """Keras, its backend and what trains are imported."""
    return Server(["s2s_zoo.workflows.train", "matplotlib.pyplot", "tensorboardX"])


@functools.cache
def without_keras() -> Server:
    """TensorFlow is imported, and Keras and s2s-zoo cannot be."""
    return Server(["numpy", "tensorflow"], ["keras", "s2s_zoo"])


def popen(
    command: Sequence[object],
    env: Mapping[str, str] | None = None,
    server: Callable[[], Server] = with_keras,
) -> "Process | subprocess.Popen[str]":
    """Start a Python command."""
    import keras

    words = list(map(str, command))
    environment = {**AS_TYPED, **(os.environ if env is None else env)}
    if sys.platform == "linux" and keras.backend.backend() == "tensorflow":
        return Process(server(), words, environment)
    pipe = subprocess.PIPE
    return subprocess.Popen(words, env=environment, stdout=pipe, stderr=pipe, text=True)


def run(
    command: Sequence[object],
    env: Mapping[str, str] | None = None,
    server: Callable[[], Server] = with_keras,
    **_: object,
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` of a Python command, its output captured as text."""
    process = popen(command, env, server)
    out, err = process.communicate()
    assert process.returncode is not None
    return subprocess.CompletedProcess(list(command), process.returncode, out, err)


def on_two_devices(script: Path, *arguments: object) -> str:
    """What a script prints that imports `tests.virtual_devices` first."""
    import keras

    root = str(Path(__file__).parents[1])
    found = {"KERAS_BACKEND": keras.backend.backend(), "PYTHONPATH": root}
    done = run([sys.executable, script, *arguments], env={**os.environ, **found})
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def _read(descriptor: int) -> str:
    with open(descriptor, errors="replace") as file:
        return file.read()


def _serve(descriptor: int, modules: Sequence[str], absent: Sequence[str]) -> None:
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]  # import it and fail
    for name in modules:
        importlib.import_module(name)
    assert len(os.listdir("/proc/self/task")) == 1, "threads do not survive a fork"
    ours = socket.socket(fileno=descriptor)
    while True:
        request, streams, *_ = socket.recv_fds(ours, ROOM, 2)
        if not request:
            return
        child = os.fork()
        if not child:
            ours.close()
            _become(streams, **json.loads(request))
        for stream in streams:
            os.close(stream)
        ours.send(b"%d" % child)
        ours.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _become(
    streams: Sequence[int], command: list[str], env: dict[str, str], cwd: str
) -> None:
    """Run a command of Python as Python would, and exit."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    kind, *rest = [part for part in command if part != "-P"]
    script = not kind.startswith("-")
    sys.path[0] = str(Path(kind).parent) if script else "" if kind == "-c" else cwd
    added = env.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[1:1] = [place for place in added if place and place not in sys.path]
    if kind == "-c":
        sys.argv = [kind, *rest[1:]]
        main = sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), vars(main))
    elif kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [kind, *rest]
        runpy.run_path(kind, run_name="__main__")
    sys.exit()


if __name__ == "__main__":
    _serve(*json.loads(sys.argv[1]))

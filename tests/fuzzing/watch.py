"""What a piece of code may use and touch, and how it ended.

The bounds are those of a process that has been warmed up: memory beyond what it had,
seconds of its processor, and files.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

from s2s_zoo.errors import UserError

SECONDS = 10
"""Of processor time that a load may take."""

BYTES = 1 << 30
"""Of memory that a load may add."""

LOADED, REFUSED = "loaded", "refused"

_REPOSITORY = Path(__file__).parents[2]
_SYSTEM = ("/proc", "/sys", "/dev/null", "/dev/urandom", "/etc/localtime")
_FORBIDDEN = ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo")
_FORBIDDEN += ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork")
_FORBIDDEN += ("os.kill", "pickle.find_class", "ftplib.", "urllib.")
_READS = ("os.listdir", "os.scandir", "os.chdir")
_CHANGES = ("os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.link", "os.symlink")
_CHANGES += ("os.truncate", "os.chmod", "os.chown", "os.utime", "os.setxattr")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class TooSlow(BaseException):
    """More processor time than a load may take."""


class Watch:
    """Hears of every file that Python opens while it is armed.

    Args:
        own: the directories that may be read and written.
    """

    def __init__(self, own: tuple[Path, ...] = ()) -> None:
        self.own = own
        self.armed = False
        self.strayed: list[str] = []
        roots = {sys.prefix, sys.base_prefix, *sys.path, str(_REPOSITORY), *_SYSTEM}
        self._readable = tuple(os.path.realpath(root) for root in roots if root)
        sys.addaudithook(self._hear)

    def judge(self, load: Callable[[], Any]) -> str:
        """How a load ends: `LOADED`, `REFUSED`, or else what is wrong with it."""
        self.strayed = []
        outcome = self._outcome(load)
        return f"strays: {self.strayed[:3]}" if self.strayed else outcome

    def _outcome(self, load: Callable[[], Any]) -> str:
        try:
            with _bounded():
                self.armed = True
                load()
        except UserError as error:
            return _judged_message(str(error))
        except (Exception, TooSlow) as error:
            return f"{type(error).__name__}: {str(error)[:300]} {_place(error)}"
        finally:
            self.armed = False
        return LOADED

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        if event.startswith(_FORBIDDEN):
            self.strayed.append(f"{event} {arguments!r:.200}")
        elif event == "open":
            path, mode, flags = arguments
            writes = bool(flags & _WRITING) or bool(set(mode or "r") & set("wax+"))
            self._check(event, path, writes)
        elif event in _READS:
            self._check(event, arguments[0], False)
        elif event in _CHANGES:
            count = 2 if event in ("os.rename", "os.link") else 1
            folders = [a for a in arguments[count:] if isinstance(a, int)][-count:]
            for place, folder in zip_longest(arguments[:count], folders):
                self._check(event, _below(place, folder), True)

    def _check(self, event: str, path: Any, writes: bool) -> None:
        if not isinstance(path, str | bytes | os.PathLike) or path == "":
            return
        place = os.path.realpath(os.fsdecode(path))
        roots = tuple(map(str, self.own)) + (() if writes else self._readable)
        if not any(place == root or place.startswith(f"{root}/") for root in roots):
            self.strayed.append(f"{event} {place}{' to write' if writes else ''}")


def _below(path: Any, folder: int | None) -> Any:
    """A path, which may be relative to an open directory."""
    if folder is None or folder < 0 or isinstance(path, int):
        return path
    return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), os.fsdecode(path))


def _judged_message(message: str) -> str:
    """`REFUSED` where a message can be shown."""
    try:
        message.encode()
    except UnicodeEncodeError:
        return f"a message that cannot be printed: {message[:300]!r}"
    return REFUSED if message.strip() else "an empty message"


def _place(error: BaseException) -> str:
    """The innermost lines of the package that an error came through."""
    lines, trace = [], error.__traceback__
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if path.is_relative_to(_REPOSITORY) and "tests" not in path.parts:
            lines.append(f"{path.relative_to(_REPOSITORY)}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " < ".join(reversed(lines[-4:]))


@contextmanager
def _bounded() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TooSlow(f"more than {SECONDS} s of processor time")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, hard))
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))

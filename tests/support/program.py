"""The real program ``bwvisu`` as a person runs it: on a terminal of its own, or in a pipe."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select

from tests.support.small_api import SmallApi
from tests.support.waiting import until

PROGRAM = Path(sys.executable).with_name("bwvisu")


def environment(**changes: str) -> dict[str, str]:
    """Of a person without settings; ``changes`` on top."""
    ours = ("BWVISU_", "_BWVISU", "XDG_", "FORCE_COLOR", "NO_COLOR", "COLUMNS", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm-256color",
        **changes,
    }


def at(api: SmallApi) -> dict[str, str]:
    """Environment of a person whose API this is."""
    return {"BWVISU_URL": api.url, "BWVISU_TOKEN": "t", "BWVISU_USER": "alice", "HOME": "/nonexistent"}


class Terminal:
    """A program on a terminal."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self._process = process
        self._master = master
        self._decoder = getincrementaldecoder("utf-8")()  # a read may end in the middle of a character
        self.shown = ""
        """All that was sent to the terminal, with its control sequences."""

    def wait_for(self, text: str, times: int = 1) -> None:
        """Until it was shown."""
        until(lambda: self._read().count(text) >= times, 60, f"{text!r} is shown")

    def type(self, text: str) -> None:
        """Press keys; ``\\x03`` is Ctrl-C."""
        os.write(self._master, text.encode())

    def wait(self) -> int:
        """Its exit code."""
        until(lambda: (self._read(), self._process.poll())[1] is not None, 60, "it ends")
        self._read()
        return self._process.wait()

    def _read(self) -> str:
        with suppress(OSError):  # EIO: the last who had the terminal open has gone
            while select([self._master], [], [], 0)[0]:
                self.shown += self._decoder.decode(os.read(self._master, 1 << 16))
        return self.shown


@contextmanager
def on_terminal(argv: Sequence[str], changes: Mapping[str, str], columns: int = 120) -> Iterator[Terminal]:
    """Run the program on a terminal of 24 lines, which is its own: Ctrl-C reaches it."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(
        ["setsid", "--ctty", "--wait", PROGRAM, *argv],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment(**changes),
    ) as process:
        os.close(slave)
        try:
            yield Terminal(process, master)
        finally:
            process.kill()
            os.close(master)


def piped(*argv: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run the program where nothing is a terminal; it must end within two minutes."""
    return subprocess.run(
        [PROGRAM, *argv],
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )

"""How a command ends that has built something: by anything that wants it to end, and tidily."""

import signal
from types import FrameType
from typing import Final

ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a service manager, a terminal that was closed: all of them end the command, none ends its tidying up."""


def end_on_any() -> None:
    """From now on each of them is an interrupt, the first one; what follows it is tidying up."""
    for number in ENDINGS:
        signal.signal(number, _interrupt)


def be_deaf() -> None:
    """Nothing may cut the tidying up short: what is left of a cluster is hard to find by hand."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    be_deaf()
    raise KeyboardInterrupt

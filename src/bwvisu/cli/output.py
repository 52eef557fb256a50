"""How commands print: JSON for programs, lines and tables for people, and nothing that a terminal would obey."""

import json
import re
import sys
from typing import Annotated, Any, NoReturn, TextIO

import typer
from rich.console import Console
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

_C1 = "\x7f-\x9f"
_TURNING = "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
"""Line ends and what changes the direction of writing: a text could look like another one."""
_HALVES = "\ud800-\udfff"
"""Half characters, which JSON can carry and UTF-8 cannot."""
_SPACES = re.compile(r"[\t\n\v\f\r]+")
_UNSAFE = re.compile(f"[\x00-\x1f{_C1}{_TURNING}{_HALVES}]")
_UNSAFE_IN_JSON = re.compile(f"[{_C1}{_TURNING}{_HALVES}]")
"""What ``json.dumps`` leaves as it is."""


def plain(text: object) -> str:
    """One line that no terminal obeys: escapes, line ends and the like are shown, not sent."""
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), _SPACES.sub(" ", str(text)))


def print_lines(text: str) -> None:
    """Text of others: harmless on a terminal, as it is for a program."""
    if sys.stdout.isatty():
        text = "\n".join(plain(line) for line in text.splitlines())
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def print_json(value: Any, *, lines: bool = False) -> None:
    """One JSON document: indented, or with ``lines`` on one line and at once."""
    document = json.dumps(value, indent=None if lines else 2, ensure_ascii=False)
    typer.echo(_UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", document))


class Screen(Console):
    """Where tables and progress go.  Who no longer reads is told by `BrokenPipeError`, as with `typer.echo`."""

    def __init__(self, file: TextIO | None = None, *, width: int | None = None) -> None:
        super().__init__(file=file, width=width, highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> NoReturn:
        """Called where the error is at hand; rich would end the program with 1."""
        raise BrokenPipeError

    @property
    def is_live(self) -> bool:
        """Whether lines may be drawn over: a terminal that can, whatever colours somebody forced upon a pipe."""
        return self.is_terminal and self.file.isatty() and not self.is_dumb_terminal


def hint(text: str) -> None:
    """Words for a person at a terminal: on stderr, and nowhere else."""
    if sys.stderr.isatty():
        notice(text)


def notice(text: str) -> None:
    """A line on stderr."""
    Screen(sys.stderr).print(Text(plain(text), style="dim"), soft_wrap=True)

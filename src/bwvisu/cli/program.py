"""The program ``bwvisu``: its commands, and what becomes of an error."""

import errno
import os
import sys
import traceback
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version as version_of
from importlib.util import find_spec
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bwvisu import errors
from bwvisu.cli.exits import Exit, epilog, exit_code
from bwvisu.cli.output import Screen, plain

_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
_COMMANDS = {
    "demo": "demo",
    "serve": "serve",
    "job": "jobs",
    "app": "apps",
    "gateway": "gateways",
    "token": "tokens",
    "portal": "portal",
    "secrets": "vault",
    "config": "config",
    "state": "state",
    "doctor": "doctor",
    "sandbox": "sandbox",
    "openapi": "openapi",
    "profile": "profile",
}
"""Command -> module of this package, whose ``app`` it is; a part that is not installed is no command."""


class _Commands(TyperGroup):
    """Imports a command's module when the command is needed: by whoever runs it, and by the list of all."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 click's signature
        return [name for name, module in _COMMANDS.items() if find_spec(f"bwvisu.cli.{module}")]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.list_commands(ctx):
            return None
        command = typer.main.get_command(import_module(f"bwvisu.cli.{_COMMANDS[cmd_name]}").app)
        command.name = cmd_name
        return command

    def invoke(self, ctx: Any) -> Any:
        """Run a command.  Whoever no longer reads its output (``| head``) is no reason for words."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(Exit.UNREAD) from None
        return result


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Interactive HPC applications in the browser.",
    epilog=epilog(),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version_of("bwvisu"))
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Start, watch and stop interactive applications on HPC clusters, or serve those who do."""


def main() -> None:
    """Run the command line; the exit codes are `exits.MEANINGS`."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # an old locale is no defect
    try:
        app()
    except Exception as error:  # noqa: BLE001 the last word on any error
        if isinstance(error, OSError) and error.errno in _UNWRITABLE:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # it is flushed once more at the end
            error = errors.OperatorError(f"this cannot be written: {error.strerror}")
        sys.exit(tell(error))


def tell(error: Exception) -> int:
    """Say what went wrong, once for each cause, and return the exit code."""
    causes = list(_causes(error))
    known = [cause for cause in causes if isinstance(cause, errors.BwvisuError)]
    if len(known) < len(causes):
        traceback.print_exception(error)
        return Exit.DEFECT
    console = Screen(sys.stderr)
    for line in dict.fromkeys(line for cause in known for line in _lines(cause)):
        console.print(plain(line), style="red", soft_wrap=True)
    return exit_code(known[0])


def _causes(error: BaseException) -> Iterator[BaseException]:
    """A role runs several tasks, so its errors may come in groups."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    else:
        yield error


def _lines(error: errors.BwvisuError) -> list[str]:
    if isinstance(error, errors.InvalidInput):
        return [f"{fault.pointer or '/'}: {fault.detail}" for fault in error.faults]
    return str(error).splitlines() or [type(error).__name__]

"""``bwvisu profile``: keep the addresses and tokens of the services that one uses."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from bwvisu.cli import display, profiles
from bwvisu.cli.output import AsJson, plain, print_json
from bwvisu.errors import UserError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Keep addresses and tokens of services, for `bwvisu job`."
)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What to call it: letters, digits, - and _.")],
    url: Annotated[str, typer.Option(help="Address of the REST API.")],
    user: Annotated[str | None, typer.Option(help="For whom jobs are started.", show_default="you")] = None,
    ca_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Certificates of the authority to trust.")
    ] = None,
) -> None:
    """Add a profile; its token is read from standard input, or asked for.  The first one is the default."""
    if not re.fullmatch(profiles.NAME, name):
        raise typer.BadParameter("letters, digits, - and _, at most 64", param_hint="NAME")
    if not re.fullmatch(r"https?://[^\s?#@]+", url):
        raise typer.BadParameter("must be an http:// or https:// address", param_hint="--url")
    path = profiles.path_of()
    known = profiles.read(path)
    if name in known.profiles:
        raise UserError(f"{path} has a profile {name!r} already; edit it there")
    token = profiles.checked(_token(), "standard input")
    kept = path.parent / f"{name}.token"
    values = {
        "url": url,
        "token_file": kept.name,
        "user": user,
        "ca_file": str(ca_file.absolute()) if ca_file else None,
    }
    first = not path.exists()
    try:
        _write(kept, f"{token}\n", new=True)
        _write(path, _toml(name, values, first=first))
    except OSError as error:
        raise UserError(f"{path.parent}: {error}") from error
    typer.echo(f"{path}: {name} added" + ("; it is the default" if first else ""))


@app.command("list")
def list_profiles(*, as_json: AsJson = False) -> None:
    """List the profiles, without their tokens."""
    known = profiles.read(profiles.path_of())
    default = os.environ.get("BWVISU_PROFILE") or known.default
    found = [
        {"name": name, "url": profile.url, "user": profile.user, "default": name == default}
        for name, profile in known.profiles.items()
    ]
    if as_json:
        print_json(found)
        return
    shown = display.columns("", "Profile", "Address", "User")
    for each in found:
        cells = ("*" if each["default"] else "", each["name"], each["url"] or "", each["user"] or "")
        shown.add_row(*map(plain, cells))
    display.show(shown)


def _token() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Token", hide_input=True)).strip()
    return sys.stdin.read().strip()


def _toml(name: str, values: dict[str, str | None], *, first: bool) -> str:
    """A table to append.  A JSON string is a TOML basic string as well (TOML 1.0, section String)."""
    lines = [f"default = {_quoted(name)}"] if first else []
    lines += ["", f"[profiles.{name}]"]
    lines += [f"{key} = {_quoted(value)}" for key, value in values.items() if value is not None]
    return "\n".join(lines).lstrip("\n" if first else "") + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _write(path: Path, text: str, *, new: bool = False) -> None:
    """Append to a file that is nobody else's; ``new``: it must not be there, or hold something else."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    mode = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if new else os.O_APPEND)
    with os.fdopen(os.open(path, mode, 0o600), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)

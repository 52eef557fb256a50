"""``bwvisu token``: make tokens of the REST API; the settings hold only their SHA-256."""

import hashlib
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from bwvisu.cli.output import AsJson, print_json
from bwvisu.domain.principal import Scope

app = typer.Typer(no_args_is_help=True, help="Make tokens of the REST API.")

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)

Name = Annotated[str, typer.Option(help="Who holds it: lower-case letters, digits, hyphens.")]
User = Annotated[str | None, typer.Option(help="Bind it to this one person.")]


@app.command()
def create(
    name: Name,
    scope: Annotated[list[Scope], typer.Option(help="What it allows; may be given several times.")],
    user: User = None,
    days: Annotated[int | None, typer.Option(min=1, help="It expires after so many days (default: never).")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Draw a new token: shown once, stored nowhere.

    To change a holder's token, put the new line beside the old one, of the same name, and take the old one out later.
    """
    _check(name)
    token = f"bwv_{secrets.token_urlsafe(32)}"
    sha256 = hashlib.sha256(token.encode()).hexdigest()
    scopes = [str(each) for each in dict.fromkeys(scope)]
    expires = f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}" if days else None
    if as_json:
        made = {"name": name, "token": token, "sha256": sha256, "scopes": scopes, "user": user}
        print_json(made | ({"expires": expires} if expires else {}))
        return
    bound = (f", user: {user}" if user else "") + (f", expires: {expires}" if expires else "")
    typer.echo(f"Token (shown only now):\n\n  {token}\n\nInto the settings, below api.tokens:\n")
    typer.echo(f"  - {{name: {name}, sha256: {sha256}, scopes: [{', '.join(scopes)}]{bound}}}")


@app.command()
def create_basic(name: Name, user: User = None, *, as_json: AsJson = False) -> None:
    """Draw a password for the original's API (HTTP basic authentication): shown once, stored nowhere."""
    _check(name)
    password = secrets.token_urlsafe(32)
    sha256 = hashlib.sha256(password.encode()).hexdigest()
    if as_json:
        print_json({"name": name, "password": password, "password_sha256": sha256, "user": user})
        return
    bound = f", user: {user}" if user else ""
    typer.echo(f"Password of {name} (shown only now):\n\n  {password}\n\nInto the settings, below api.basic:\n")
    typer.echo(f"  - {{name: {name}, password_sha256: {sha256}{bound}}}")


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise typer.BadParameter("lower-case letters, digits and inner hyphens, at most 32", param_hint="--name")

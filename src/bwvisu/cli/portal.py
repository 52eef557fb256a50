"""``bwvisu portal``: what the portal's settings need and nobody should make by hand."""

from typing import Annotated

import typer
from cryptography.fernet import Fernet

app = typer.Typer(no_args_is_help=True, help="Make what the portal's settings need.")


@app.command()
def create_key() -> None:
    """Draw a key for `portal.session_key_file`.

    To change keys put the new one above the old: sessions go on, and the old one can go after a session's lifetime.
    """
    typer.echo(Fernet.generate_key().decode())


@app.command()
def hash_password(
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, hidden=True)],
) -> None:
    """Ask for a password and print its Argon2id hash, for `portal.auth.users`."""
    from bwvisu.portal.signin.local import hash_password as hashed  # noqa: PLC0415 slow to import

    typer.echo(hashed(password))

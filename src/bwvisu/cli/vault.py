"""``bwvisu secrets``: keys that seal the secrets of jobs in etcd, and sealing them anew."""

import asyncio

import typer

from bwvisu.cli.config import ConfigFile
from bwvisu.cli.output import AsJson, print_json

app = typer.Typer(no_args_is_help=True, help="Keys that seal the secrets of jobs in etcd.")


@app.command()
def create_key() -> None:
    """Draw a key for a file of `secrets.key_files`."""
    from bwvisu.adapters.vault import new_key  # noqa: PLC0415 cryptography takes a moment

    typer.echo(new_key())


@app.command()
def rotate(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Seal every stored secret with the first key of the settings; may be repeated, while the service runs.

    In etcd it needs the rights of the role api.  Exit code 3 where a secret is sealed with a key that is not in the
    settings: those before it are done.
    """
    from bwvisu.roles.secrets import rotate_secrets  # noqa: PLC0415
    from bwvisu.settings import load  # noqa: PLC0415

    anew, all_ = asyncio.run(rotate_secrets(load(config)))
    if as_json:
        print_json({"sealed": anew, "secrets": all_})
        return
    typer.echo(f"{anew} of {all_} secrets sealed anew; each is sealed with the first key now")

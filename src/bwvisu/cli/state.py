"""``bwvisu state``: back up what lies in etcd, and go on after a restore."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bwvisu.cli.config import ConfigFile
from bwvisu.cli.output import AsJson, plain, print_json

app = typer.Typer(no_args_is_help=True, help="Back up what lies in etcd, and go on after a restore.")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="A file that is not there yet; it will hold secrets.")],
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Write a snapshot of etcd to a file that only its owner reads; `etcdctl snapshot restore` takes it.

    All goes on meanwhile. Where etcd asks for passwords, its user must be root.
    """
    from bwvisu.roles.state import back_up  # noqa: PLC0415 the whole service
    from bwvisu.settings import load  # noqa: PLC0415

    size = asyncio.run(back_up(load(config), file))
    if as_json:
        print_json({"file": str(file), "bytes": size})
        return
    typer.echo(f"{plain(file)}: {size} bytes")


@app.command()
def restored(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """To be run once after etcd was restored from a backup, while no role runs; then start them.

    Gateways and event streams accept what is older than what they know, and no job of the backup is submitted twice.
    """
    from bwvisu.roles.state import after_restore  # noqa: PLC0415
    from bwvisu.settings import load  # noqa: PLC0415

    done = asyncio.run(after_restore(load(config)))
    if as_json:
        print_json(asdict(done))
        return
    typer.echo(f"generation: {done.before} -> {done.generation}; jobs that had not ended: {done.jobs}")
    for job_id in done.in_doubt:
        typer.echo(f"{plain(job_id)}: may have been submitted since; looked for by its name, not submitted again")
    for key in done.unreadable:
        typer.echo(f"{plain(key)}: cannot be read; its job is left alone")
    typer.echo("now start the roles")

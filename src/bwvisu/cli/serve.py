"""``bwvisu serve``: run one role, or all of them in one process."""

import asyncio
from enum import StrEnum
from typing import Annotated

import typer

from bwvisu.cli.config import ConfigFile


class Role(StrEnum):
    """What a process can be: `bwvisu.roles.Role`, without importing the whole service for ``--help``."""

    ALL = "all"
    API = "api"
    KEYHOLE = "keyhole"
    RECONCILER = "reconciler"
    PORTAL = "portal"


app = typer.Typer()


@app.command()
def serve(
    role: Annotated[Role, typer.Argument(help="Which part of the service this process is.")],
    config: ConfigFile = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    from bwvisu import roles  # noqa: PLC0415 the whole service
    from bwvisu.settings import load  # noqa: PLC0415

    asyncio.run(roles.serve(load(config), roles.Role(role.value)))

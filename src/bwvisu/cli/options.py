"""Options that several commands share: where the API is, and which job is meant."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from bwvisu.cli import complete
from bwvisu.cli.profiles import connection
from bwvisu.cli.rest import Rest

P = ParamSpec("P")

_PANEL = "Where and who"
ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile",
        help="A profile of the profile file; $BWVISU_PROFILE.",
        rich_help_panel=_PANEL,
        autocompletion=complete.profiles,
    ),
]
Url = Annotated[str | None, typer.Option("--url", help="Address of the REST API; $BWVISU_URL.", rich_help_panel=_PANEL)]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        help="File that holds the token; $BWVISU_TOKEN_FILE, or the token itself in $BWVISU_TOKEN.",
        rich_help_panel=_PANEL,
    ),
]
JobName = Annotated[
    str,
    typer.Argument(
        metavar="JOB",
        help="The job's id, or as much of its end or beginning as is unique.",
        autocompletion=complete.jobs,
    ),
]
Application = Annotated[str, typer.Argument(help="Name in the catalogue.", autocompletion=complete.applications)]
Cluster = Annotated[str | None, typer.Option("--cluster", help="Name of a cluster.", autocompletion=complete.clusters)]


def with_api(command: Callable[Concatenate[Rest, P], None]) -> Callable[..., None]:
    """Give a command the options of `connection`, and as its first argument the API that they lead to."""

    @wraps(command)
    def run(*args: Any, profile: str | None, url: str | None, token_file: Path | None, **given: Any) -> None:
        with Rest(connection(profile=profile, url=url, token_file=token_file)) as rest:
            command(rest, *args, **given)

    def option(name: str, kind: Any) -> inspect.Parameter:
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)

    _, *own = inspect.signature(command).parameters.values()
    shared = [option("profile", ProfileName), option("url", Url), option("token_file", TokenFile)]
    run.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in (*own, *shared)}
    return run

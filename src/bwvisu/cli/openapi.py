"""``bwvisu openapi``: the API's description."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def openapi(
    path: Annotated[Path | None, typer.Option(help="Write it there instead of to standard output.")] = None,
    *,
    check_only: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 where --path (docs/openapi.json) is stale.")
    ] = False,
) -> None:
    """Print the OpenAPI 3.1 document of the REST API."""
    from bwvisu.api.document import render  # noqa: PLC0415
    from bwvisu.cli.generated import keep  # noqa: PLC0415

    text = render()
    if path is None and not check_only:
        typer.echo(text, nl=False)
    else:
        keep(path or Path("docs/openapi.json"), text, check_only=check_only)

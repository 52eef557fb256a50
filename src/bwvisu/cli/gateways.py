"""``bwvisu gateway``: what administrators do with gateways, by the REST API."""

from typing import Annotated
from urllib.parse import quote

import typer

from bwvisu.cli import complete
from bwvisu.cli.exits import epilog
from bwvisu.cli.options import with_api
from bwvisu.cli.output import AsJson, plain, print_json
from bwvisu.cli.rest import Rest, persistently
from bwvisu.rest import Json

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Drain gateways, for administrators.", epilog=epilog()
)

Cluster = Annotated[str, typer.Argument(help="The cluster.", autocompletion=complete.clusters, show_default=False)]
Gateway = Annotated[str, typer.Argument(help="Its gateway.", show_default=False)]


@app.command()
@with_api
def drain(
    rest: Rest,
    cluster: Cluster,
    gateway: Gateway,
    *,
    move: Annotated[
        bool,
        typer.Option(
            "--move", help="What it carries moves to others: connections are cut, the jobs' addresses change."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Have a gateway take no new forwards; those that it carries stay, or move.  May be repeated."""
    _order(rest, "PUT", cluster, gateway, {"move": "true"} if move else {}, as_json=as_json)


@app.command()
@with_api
def undrain(rest: Rest, cluster: Cluster, gateway: Gateway, *, as_json: AsJson = False) -> None:
    """Have a gateway take new forwards again; nothing moves back by itself.  May be repeated."""
    _order(rest, "DELETE", cluster, gateway, {}, as_json=as_json)


def _order(rest: Rest, method: str, cluster: str, gateway: str, query: dict[str, str], *, as_json: bool) -> None:
    path = f"/clusters/{quote(cluster, safe='')}/gateways/{quote(gateway, safe='')}/drain"
    answer = persistently(lambda: rest.call(method, path, query=query))
    if as_json:
        print_json(answer)
        return
    known = next((each for each in answer["gateways"] if each["name"] == gateway), None)
    typer.echo(plain(f"{gateway}: {_told(known)}"))


def _told(gateway: Json | None) -> str:
    """A gateway in words; None: the leader has not met it yet."""
    if gateway is None:
        return "noted; the leader has not met it yet"
    use = "drained, what it carries moves" if gateway["vacated"] else "drained" if gateway["drained"] else "in use"
    return f"{use}; forwards: {gateway['forwards']}"

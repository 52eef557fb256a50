"""``bwvisu config``: check and show the settings, and what follows from them on a gateway."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bwvisu import errors
from bwvisu.cli.output import AsJson

app = typer.Typer(no_args_is_help=True, help="Check and show the settings.")

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Settings file (default: $BWVISU_CONFIG, else /etc/bwvisu/bwvisu.yaml)."),
]


@app.command()
def check(config: ConfigFile = None) -> None:
    """Read the settings and say of every fault where it is; exit code 4 where there is one.

    Files that cannot be read from here are warned of: the service may run elsewhere, or as somebody else.
    """
    from bwvisu.settings import load, settings_path, unreadable_files  # noqa: PLC0415 pydantic takes 0.3 s

    settings = load(config)
    for line in unreadable_files(settings):
        typer.secho(f"warning: {line}", fg="yellow", err=True)
    names = ", ".join(settings.clusters)
    typer.echo(f"{settings_path(config)}: good; clusters: {names}; tokens: {len(settings.api.tokens)}")


@app.command()
def show(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Print every setting as it takes effect, defaults and environment included."""
    import yaml  # noqa: PLC0415

    from bwvisu.settings import load  # noqa: PLC0415

    settings = load(config)
    if as_json:
        typer.echo(settings.model_dump_json(indent=2))
        return
    typer.echo(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, default_flow_style=None), nl=False)


@app.command("import-original")
def import_original(
    file: Annotated[Path, typer.Argument(help="The original runner's config.json.")],
    cluster: Annotated[str, typer.Option(help="What the cluster is to be called.")] = "main",
    compute_network: Annotated[
        list[str] | None, typer.Option(help="Network of compute nodes, e.g. 10.0.0.0/24; several times for several.")
    ] = None,
) -> None:
    """Print the original runner's settings as ours; comments say what is left to do, and what has no counterpart.

    Nothing is changed, and nobody is asked. See docs/migration.md.
    """
    from bwvisu.settings.original import cluster_name, imported  # noqa: PLC0415
    from keyhole.domain import network  # noqa: PLC0415

    if not cluster_name(cluster):
        raise typer.BadParameter("lower-case letters, digits, inner hyphens, at most 32", param_hint="--cluster")
    try:
        networks = [network(each) for each in compute_network or ()]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--compute-network") from error
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.OperatorError(f"{file} cannot be read: {error}") from error
    typer.echo(imported(text, cluster, networks), nl=False)


@app.command()
def haproxy(
    cluster: Annotated[str, typer.Option(help="The cluster, as the settings name it.")],
    gateway: Annotated[str, typer.Option(help="The gateway, as the settings name it.")],
    config: ConfigFile = None,
    *,
    bind: Annotated[str, typer.Option(help="ADDRESS:PORT to listen at (default: the gateway's external_ip).")] = "",
    group: Annotated[str, typer.Option(help="May open HAProxy's socket (default: the account's name).")] = "",
    folder: Annotated[str, typer.Option(help="Where certificate, public key and map lie.")] = "/etc/haproxy",
) -> None:
    """Print the HAProxy configuration of a gateway in single-port mode; exit code 4 where the settings name none.

    It asks the store for the installation's id, and holds no secret.
    """
    from bwvisu.roles.proxy import configuration  # noqa: PLC0415
    from bwvisu.settings import load  # noqa: PLC0415

    typer.echo(asyncio.run(configuration(load(config), cluster, gateway, bind, group, folder)), nl=False)

"""``bwvisu config``: check and show the settings, and what follows from them on a gateway."""

import asyncio
from datetime import UTC, datetime
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

    Files that cannot be read from here are warned of: the service may run elsewhere, or as somebody else.  So are
    tokens that have expired, or will within 30 days.
    """
    from bwvisu.settings import expired_tokens, load, settings_path, unreadable_files  # noqa: PLC0415 takes 0.3 s

    settings = load(config)
    for line in unreadable_files(settings):
        typer.secho(f"warning: {line}", fg="yellow", err=True)
    for line in expired_tokens(settings.api.tokens, datetime.now(UTC)):
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


@app.command()
def etcd_roles(
    config: ConfigFile = None,
    *,
    apply: Annotated[
        bool, typer.Option("--apply", help="Carry it out instead, as whoever the options below say.")
    ] = False,
    cert_file: Annotated[Path | None, typer.Option(help="Certificate of etcd's root, PEM.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Its key.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="Or: the password of etcd's root.")] = None,
    all_in_one: Annotated[
        bool, typer.Option("--all", help="Also for the role `all`, one process for everything.")
    ] = False,
) -> None:
    """Print what gives each role a user of etcd with just the rights that it needs; it changes no other user.

    The users are bwvisu-api, bwvisu-keyhole and bwvisu-reconciler, known by the common name of their certificates.
    May be repeated: rights that a role does not need any more are taken away by --apply.
    """
    from bwvisu.adapters.rights import Role  # noqa: PLC0415
    from bwvisu.roles import rights  # noqa: PLC0415
    from bwvisu.settings import load  # noqa: PLC0415

    if (cert_file is None) != (key_file is None):
        raise typer.BadParameter("--cert-file and --key-file go together")
    etcd = load(config).etcd
    roles = (*rights.SEPARATE, *((Role.ALL,) if all_in_one else ()))
    if not apply:
        typer.echo("\n".join(rights.commands(etcd.prefix, roles)))
        return
    changed = asyncio.run(rights.settle(rights.as_root(etcd, cert_file, key_file, password_file), roles))
    for role, number in changed.items():
        typer.echo(f"{rights.user_of(role)}: {number} rights changed")

"""``bwvisu sandbox``: a real small Slurm cluster on this machine.

Exit codes: 0 done; 2 it cannot be done, with a sentence on stderr; 3 from ``status`` when something is not up;
``exec`` passes on the code of what it ran.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bwvisu.sandbox import HostStatus, Options, Sandbox, SandboxError

app = typer.Typer(no_args_is_help=True, help="A real small Slurm cluster in namespaces of this machine (root only).")

Name = Annotated[str, typer.Option("--name", help="Which instance; several may be up side by side.")]
Target = Annotated[str, typer.Argument(help="A host (cmd1), a daemon of it (cmd1:sshd), slurmctld, munged, etcd1.")]
Node = Annotated[str, typer.Argument(help="A host; 'middleware' is this machine.")]
LegName = Annotated[str | None, typer.Argument(help="inner, outer or fabric; all where none is named.")]

_STYLES = {"up": "green", "paused": "yellow", "down": "red"}
_DEFAULTS = Options()


@contextmanager
def _errors() -> Iterator[None]:
    """One sentence instead of a traceback for what an administrator can mend."""
    try:
        yield
    except (SandboxError, ValueError) as error:
        typer.secho(str(error), fg="red", err=True)
        raise typer.Exit(2) from error


@app.command()
def up(
    name: Name = "default",
    etcd: Annotated[int, typer.Option(help="Members: 1 or 3.")] = _DEFAULTS.etcd,
    etcd_tls: Annotated[bool, typer.Option(help="TLS with client certificates.")] = _DEFAULTS.etcd_tls,
    etcd_auth: Annotated[bool, typer.Option(help="Users and passwords.")] = _DEFAULTS.etcd_auth,
    etcd_user: Annotated[list[str] | None, typer.Option(help="A user known by its certificate; repeatable.")] = None,
    min_job_age: Annotated[int, typer.Option(help="Slurm's MinJobAge, seconds.")] = _DEFAULTS.min_job_age,
    slurmd_timeout: Annotated[int, typer.Option(help="Slurm's SlurmdTimeout, seconds.")] = _DEFAULTS.slurmd_timeout,
    kill_wait: Annotated[int, typer.Option(help="Slurm's KillWait, seconds.")] = _DEFAULTS.kill_wait,
    message_timeout: Annotated[int, typer.Option(help="Slurm's MessageTimeout, seconds.")] = _DEFAULTS.message_timeout,
    forward_drop: Annotated[bool, typer.Option(help="Gateways drop forwarded packets by policy.")] = False,
    ipv6: Annotated[bool, typer.Option("--ipv6", help="IPv6 beside IPv4, on all networks.")] = _DEFAULTS.ipv6,
    install: Annotated[bool, typer.Option(help="Install missing Debian packages.")] = _DEFAULTS.install,
) -> None:
    """Bring a cluster up; what is up already stays as it is."""
    begin = time.monotonic()
    with _errors():
        options = Options(
            name=name,
            etcd=etcd,
            etcd_tls=etcd_tls,
            etcd_auth=etcd_auth,
            etcd_users=tuple(etcd_user or ()),
            min_job_age=min_job_age,
            slurmd_timeout=slurmd_timeout,
            kill_wait=kill_wait,
            message_timeout=message_timeout,
            forward_policy="drop" if forward_drop else "accept",
            ipv6=ipv6,
            install=install,
        )
        box = Sandbox.up(options, say=typer.echo)
    typer.echo(f"sandbox {name} is up after {time.monotonic() - begin:.1f} s; its files are in {box.folder}")


@app.command()
def down(name: Name = "default") -> None:
    """Remove a cluster without a trace; nothing to do where there is none."""
    with _errors():
        if name in Sandbox.names():
            Sandbox.load(name).down()


@app.command()
def status(
    name: Name = "default",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show each host with its addresses and daemons; exit code 3 when something is not up."""
    with _errors():
        hosts = Sandbox.load(name).status()
    if as_json:
        typer.echo(json.dumps([asdict(host) for host in hosts], indent=2))
    else:
        Console().print(_table(name, hosts))
    if not all(host.whole for host in hosts):
        raise typer.Exit(3)


def _table(name: str, hosts: list[HostStatus]) -> Table:
    table = Table(title=f"sandbox {name}")
    for heading in ("host", "state", "inner", "outer", "fabric", "daemons"):
        table.add_column(heading)
    for host in hosts:
        legs = [_leg(host, leg) for leg in ("inner", "outer", "fabric")]
        daemons = " ".join(_daemon(daemon, state) for daemon, state in host.daemons.items())
        table.add_row(host.name, _styled(host.state), *legs, daemons)
    return table


def _leg(host: HostStatus, leg: str) -> str:
    address = host.addresses.get(leg, "")
    return f"[red]{address} pulled[/red]" if leg in host.pulled else address


def _daemon(name: str, state: str) -> str:
    return name if state == "up" else f"{name} {_styled(state)}"


def _styled(state: str) -> str:
    return f"[{_STYLES[state]}]{state}[/{_STYLES[state]}]"


@app.command("exec")
def execute(
    node: Annotated[str, typer.Argument(help="A host.")],
    argv: Annotated[list[str], typer.Argument(help="A program and its arguments.")],
    user: Annotated[str | None, typer.Option(help="As whom; root by default.")] = None,
    name: Name = "default",
) -> None:
    """Run a program on a host: bwvisu sandbox exec cmd1 --user alice -- squeue -t all."""
    with _errors():
        command = Sandbox.load(name).command(node, argv, user=user)
    raise typer.Exit(subprocess.run(command, check=False).returncode)


@app.command()
def stop(target: Target, name: Name = "default") -> None:
    """Kill a host (all its processes and its network at once) or a daemon."""
    with _errors():
        Sandbox.load(name).stop(target)


@app.command()
def start(target: Target, name: Name = "default") -> None:
    """Boot a host or start a daemon that is not up."""
    with _errors():
        Sandbox.load(name).start(target)


@app.command()
def reboot(node: Annotated[str, typer.Argument(help="A host.")], name: Name = "default") -> None:
    """Stop and start a host: a new boot with an empty firewall."""
    with _errors():
        Sandbox.load(name).reboot(node)


@app.command()
def pause(target: Target, name: Name = "default") -> None:
    """Stop the processes of a host or daemon with SIGSTOP: it hangs, but accepts connections."""
    with _errors():
        Sandbox.load(name).pause(target)


@app.command()
def resume(target: Target, name: Name = "default") -> None:
    """Let them go on."""
    with _errors():
        Sandbox.load(name).resume(target)


@app.command()
def partition(node: Node, leg: LegName = None, name: Name = "default") -> None:
    """Pull a host's cables."""
    with _errors():
        Sandbox.load(name).partition(node, leg)


@app.command()
def heal(node: Node, leg: LegName = None, name: Name = "default") -> None:
    """Plug them in again."""
    with _errors():
        Sandbox.load(name).heal(node, leg)

"""``bwvisu demo``: a real small cluster, the whole service, a real application, seen from outside the cluster."""

import re
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer
from rich.console import Console

from bwvisu.cli.endings import be_deaf, end_on_any
from bwvisu.cli.local import LocalService, cluster, install_terminal, shipped_applications
from bwvisu.cli.local_portal import ADMINISTRATOR
from bwvisu.domain.address import place
from bwvisu.errors import TryAgain
from bwvisu.sandbox import Options, Sandbox

app = typer.Typer(help="A real small cluster, the whole service and a real application, on this machine.")
NAME = "demo"
console = Console(highlight=False)


@app.callback(invoke_without_command=True)
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the proof, exit code 0.")] = False,
    name: Annotated[str, typer.Option(help="Name of the sandbox; several demos may run side by side.")] = "demo",
) -> None:
    """Show everything at work; needs root on Debian 12.  Ctrl-C ends it and removes every trace."""
    end_on_any()
    console.print("[bold]bwVisu demo[/]: a Slurm cluster of eleven hosts in namespaces of this machine\n")
    began = time.monotonic()
    with ExitStack() as stack:
        box = stack.enter_context(cluster(Options(name=name, etcd=3), _detail))
        with _step("the terminal's server is installed where jobs find it"):
            install_terminal()
        service = stack.enter_context(_service(box, stack))
        stack.callback(be_deaf)
        with _step("all roles serve"):
            service.start()
            service.wait_until_ready()
        with service.client() as client:
            page, terminal = _prove(client, box)
            with _step("the portal: alice signs in and sees both sessions"):
                _see_in_portal(service, page, terminal)
            _say_where_to_look(service, client, page, terminal)
            console.print(f"\n[green]Proven in {time.monotonic() - began:.0f} s.[/]")
            if not once:
                console.print("Ctrl-C ends the demo and removes every trace of it.")
                _wait_for_interrupt()
            _stop(client, page, terminal)
        console.print("Taking everything down ...")


def _service(box: Sandbox, stack: ExitStack) -> LocalService:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bwvisu-demo-"))
    quick = {"forwards": {"quarantine": 5}}
    top = {"applications": {"path": str(shipped_applications())}}
    return LocalService(box, Path(folder), cluster=quick, top=top, people=("alice", "bob", ADMINISTRATOR))


def _prove(client: httpx2.Client, box: Sandbox) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two applications from POST to the first byte that somebody outside the cluster receives."""
    page = _submit(client, "page", {"text": "Hello from a compute node", "minutes": 60})
    terminal = _submit(client, "terminal", {"minutes": 60})
    page, terminal = _until_available(client, page), _until_available(client, terminal)
    for job in (page, terminal):
        with _step(f"{job['application']}: fetched from outside the cluster through {_address(job)}"):
            _fetch_from_outside(box, job)
    return page, terminal


def _submit(client: httpx2.Client, application: str, parameters: dict[str, Any]) -> dict[str, Any]:
    body = {"user": "alice", "application": application, "parameters": parameters}
    with _step(f"{application}: POST /api/v1/jobs"):
        return _checked(client.post("/api/v1/jobs", json=body))


def _until_available(client: httpx2.Client, job: dict[str, Any], seconds: float = 120) -> dict[str, Any]:
    """Follow a job, printing each state as it comes."""
    began, shown = time.monotonic(), job["state"]
    while job["state"] != "available":
        if job["state"] == "finished" or time.monotonic() - began > seconds:
            raise TryAgain(f"{job['application']} did not become available: {job['state']}, {job['reason']}")
        time.sleep(0.1)
        job = _checked(client.get(f"/api/v1/jobs/{job['id']}"))
        if job["state"] != shown:
            shown = job["state"]
            _done(f"{job['application']}: {shown}", time.monotonic() - began)
    return job


def _fetch_from_outside(box: Sandbox, job: dict[str, Any]) -> None:
    """A GET by a program on the host `outside`, which reaches the gateways' outer addresses and nothing else."""
    code = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=10).status)"
    result = box.run("outside", ["/usr/bin/python3", "-c", code, f"{_address(job)}/"])
    if result.stdout.strip() != "200":
        raise TryAgain(f"{_address(job)} did not answer: {result.stderr.strip()[-300:]}")


def _see_in_portal(service: LocalService, *jobs: dict[str, Any]) -> None:
    """As a browser would: the form's hidden token goes back with name and password."""
    with httpx2.Client(base_url=service.portal_url, timeout=30, follow_redirects=True) as browser:
        csrf = re.search(r'name="csrf" value="([^"]+)"', browser.get("/sign-in").text)
        form = {"csrf": csrf[1] if csrf else "", "name": "alice", "password": service.passwords["alice"]}
        shown = browser.post("/sign-in", data=form)
    if shown.is_error or any(job["id"] not in shown.text for job in jobs):
        raise TryAgain(f"the portal did not show the sessions: {shown.status_code} {shown.url}")


def _say_where_to_look(
    service: LocalService, client: httpx2.Client, page: dict[str, Any], terminal: dict[str, Any]
) -> None:
    access = _checked(client.get(f"/api/v1/jobs/{terminal['id']}/access"))
    console.print("\n[bold]Where to look[/] (addresses are reachable from this machine)")
    people = ", ".join(f"{name} / {password}" for name, password in service.passwords.items())
    for what, where in (
        ("the portal", service.portal_url),
        ("who may sign in there", f"{people} ({ADMINISTRATOR} administrates)"),
        ("a web page from a compute node", f"{_address(page)}/"),
        ("a shell on a compute node", f"{access['url']}   password: {access['password']}"),
        ("the REST API's description", f"{service.url}/openapi.json"),
        ("its token", service.token),
        ("the command line", f"BWVISU_URL={service.url} BWVISU_TOKEN={service.token} bwvisu job list"),
        ("the cluster", f"bwvisu sandbox status --name {service.box.topology.options.name}"),
        ("logs", str(service.folder)),
    ):
        console.print(f"  {what:<36} {where}", soft_wrap=True)


def _stop(client: httpx2.Client, *jobs: dict[str, Any]) -> None:
    with _step("both jobs stopped, nothing left in Slurm"):
        for job in jobs:
            _checked(client.delete(f"/api/v1/jobs/{job['id']}"))
        deadline = time.monotonic() + 60
        while any(_checked(client.get(f"/api/v1/jobs/{job['id']}"))["state"] != "finished" for job in jobs):
            if time.monotonic() > deadline:
                raise TryAgain("a stopped job did not end")
            time.sleep(0.2)


def _address(job: dict[str, Any]) -> str:
    service = job["services"][0]
    return f"http://{place(service['external_host'], service['external_port'])}"


def _checked(response: httpx2.Response) -> dict[str, Any]:
    if response.is_error:
        raise TryAgain(f"{response.request.method} {response.request.url}: {response.status_code} {response.text}")
    answer: dict[str, Any] = response.json()
    return answer


def _wait_for_interrupt() -> None:
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


@contextmanager
def _step(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    _done(what, time.monotonic() - began)


def _done(what: str, seconds: float) -> None:
    console.print(f"  [green]{seconds:6.1f} s[/]  {what}", soft_wrap=True)


def _detail(what: str) -> None:
    console.print(f"  [dim]sandbox: {what}[/]")

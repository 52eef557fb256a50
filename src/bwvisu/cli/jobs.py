"""``bwvisu job``: start, watch, enter and stop jobs by the REST API."""

import getpass
from itertools import islice
from typing import Annotated, Any
from urllib.parse import quote
from uuid import uuid4

import typer

from bwvisu.cli import complete, display, entry, parameters, sharing
from bwvisu.cli.exits import Exit, epilog
from bwvisu.cli.naming import find, short
from bwvisu.cli.options import Application, Cluster, JobName, with_api
from bwvisu.cli.output import AsJson, hint, notice, plain, print_json, print_lines
from bwvisu.cli.progress import now_utc
from bwvisu.cli.rest import Rest, persistently
from bwvisu.cli.watching import Goal, reached, watch_all, watch_until
from bwvisu.domain.lifecycle import State
from bwvisu.errors import TryAgain
from bwvisu.rest import NotAsRead

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Start, watch, enter and stop jobs.", epilog=epilog()
)

Json = dict[str, Any]
User = Annotated[str | None, typer.Option("--user", help="Only this person's.")]


@app.command()
@with_api
def submit(
    rest: Rest,
    application: Application,
    parameter: Annotated[
        list[str],
        typer.Option(
            "--param",
            "--parameter",
            "-p",
            metavar="NAME=VALUE",
            help="May be given several times; `bwvisu job applications NAME` lists them.",
            autocompletion=complete.parameters,
        ),
    ] = [],  # noqa: B006 typer copies it
    user: Annotated[
        str | None, typer.Option("--user", help="Whose job it will be; $BWVISU_USER.", show_default="you")
    ] = None,
    cluster: Cluster = None,
    key: Annotated[
        str | None, typer.Option("--idempotency-key", help="Again with the same key: no second job.")
    ] = None,
    idle_stop: Annotated[
        int | None,
        typer.Option(
            "--idle-stop",
            min=0,
            metavar="MINUTES",
            help="Stop it once nobody has used it for so long; 0: never.",
            show_default="as the application says",
        ),
    ] = None,
    *,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Stay until it is available.")] = False,
    enter: Annotated[bool, typer.Option("--open", "-o", help="Wait, then open it in the browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start an application, and print the job's id.

    What happens while it waits is told on stderr: stdout holds the id, or with --json the job.
    """
    schema = parameters.of(rest, application, cluster)
    body: Json = {"user": user or rest.connection.user or getpass.getuser(), "application": application}
    body["parameters"] = parameters.typed(parameter, schema["properties"])
    body |= {"cluster": cluster} if cluster else {}
    body |= {"idle_stop_minutes": idle_stop} if idle_stop is not None else {}
    with parameters.in_words(schema["properties"]):
        job = _start(rest, body, key or str(uuid4()))
    if not as_json:
        typer.echo(plain(job["id"]))
    if wait or enter:
        job = watch_until(rest, str(job["id"]), Goal.AVAILABLE, err=True)
    if as_json:
        print_json(job)
    if (wait or enter) and not reached(job, Goal.AVAILABLE):
        raise typer.Exit(Exit.NOT_REACHED)
    if enter:
        entry.enter(rest, str(job["id"]), err=True)
    elif not wait:
        hint(f"bwvisu job open --wait {short(job['id'])}")


def _start(rest: Rest, body: Json, key: str) -> Json:
    """One job, however often it is tried."""
    try:
        return persistently(lambda: rest.call("POST", "/jobs", json=body, headers={"Idempotency-Key": key}))
    except TryAgain:
        notice(f"It may have been accepted. Try again without a second job: --idempotency-key {key}")
        raise


@app.command("list")
@with_api
def list_jobs(
    rest: Rest,
    user: User = None,
    state: Annotated[State | None, typer.Option(help="Only in this state.")] = None,
    application: Annotated[
        str | None, typer.Option(help="Only of this application.", autocompletion=complete.applications)
    ] = None,
    cluster: Cluster = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 100,
    *,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Finished ones, too.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only their ids, one on a line.")] = False,
    as_json: AsJson = False,
) -> None:
    """List jobs that have not finished, newest first."""
    given = {"user": user, "state": state, "application": application, "cluster": cluster}
    query: dict[str, str | int] = {name: value for name, value in given.items() if value is not None}
    query["limit"] = min(max(limit, 100), 500)
    wanted = (job for job in rest.pages("/jobs", query) if everything or state or job["state"] != State.FINISHED)
    jobs = list(islice(wanted, limit))
    if as_json:
        print_json(jobs)
    elif quiet:
        typer.echo("".join(f"{plain(job['id'])}\n" for job in jobs), nl=False)
    elif not jobs and display.on_terminal():
        hint("No jobs." if everything or state else "No jobs; --all lists finished ones, too.")
    else:
        display.show(display.table(jobs, now_utc(), short=display.on_terminal()))


@app.command()
@with_api
def show(rest: Rest, job: JobName, *, as_json: AsJson = False) -> None:
    """Show one job."""
    _print(rest.call("GET", f"/jobs/{find(rest, job)}"), as_json=as_json)


@app.command()
@with_api
def watch(
    rest: Rest,
    job: Annotated[
        str | None,
        typer.Argument(metavar="[JOB]", help="The job; none: all of them.", autocompletion=complete.jobs),
    ] = None,
    until: Annotated[Goal, typer.Option(help="What to wait for, of one job.")] = Goal.FINISHED,
    user: User = None,
    cluster: Cluster = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show what happens to a job, until it is where it is awaited.

    Without a JOB: what happens to all of them, until Ctrl-C. With --json the job is one line of JSON, first as it is,
    then after every change. Exit code 5: the job ended before it got there, or ended badly.
    """
    if job is None:
        given = {"user": user, "cluster": cluster}
        watch_all(rest, {name: value for name, value in given.items() if value}, as_json=as_json)
    elif not reached(watch_until(rest, find(rest, job), until, as_json=as_json), until):
        raise typer.Exit(Exit.NOT_REACHED)


@app.command()
@with_api
def cancel(rest: Rest, job: JobName, *, as_json: AsJson = False) -> None:
    """Stop a job; may be repeated."""
    job_id = find(rest, job)
    stopped = persistently(lambda: rest.call("DELETE", f"/jobs/{job_id}"))
    if as_json:
        print_json(stopped)
    else:
        typer.echo(f"{job_id}: {display.line(stopped, now_utc())}")


@app.command()
@with_api
def extend(
    rest: Rest,
    job: JobName,
    minutes: Annotated[int, typer.Option("--minutes", "-m", min=1, help="Its run time from start to end, in all.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Give a job more time, or less, where the site allows it."""
    job_id = find(rest, job)
    try:
        status, changed = _extend(rest, job_id, minutes)
    except NotAsRead:  # it has moved on meanwhile: its leader writes, too
        status, changed = _extend(rest, job_id, minutes)
    if as_json:
        print_json(changed)
    else:
        told = "asked for; the cluster has not answered yet" if status == 202 else display.line(changed, now_utc())
        typer.echo(f"{job_id}: {told}")


@app.command()
@with_api
def keep(rest: Rest, job: JobName, *, as_json: AsJson = False) -> None:
    """Keep a job that would be stopped because nobody uses it: its time begins anew."""
    job_id = find(rest, job)
    kept = persistently(lambda: rest.call("POST", f"/jobs/{job_id}/keep"))
    if as_json:
        print_json(kept)
    else:
        typer.echo(f"{job_id}: {display.line(kept, now_utc())}")


def _extend(rest: Rest, job_id: str, minutes: int) -> tuple[int, Json]:
    read = persistently(lambda: rest.answer("GET", f"/jobs/{job_id}"))
    headers = {"If-Match": read.headers["etag"]}
    answer = rest.answer("PATCH", f"/jobs/{job_id}", json={"minutes": minutes}, headers=headers)
    return answer.status_code, answer.json()


@app.command()
@with_api
def log(rest: Rest, job: JobName, *, as_json: AsJson = False) -> None:
    """Print the last lines that a job has reported."""
    job_id = find(rest, job)
    text = rest.answer("GET", f"/jobs/{job_id}/log").text
    if as_json:
        print_json({"id": job_id, "log": text})
    else:
        print_lines(text)


@app.command("open")
@with_api
def open_job(
    rest: Rest,
    job: JobName,
    *,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait until it is available.")] = False,
    told: Annotated[
        bool, typer.Option("--print", "--no-browser", help="Print address and password; open nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Enter an available job: in the browser, or by the command that its own client wants.

    What is secret reaches the browser by a file that nobody else can read and that is removed after a minute.
    """
    job_id = find(rest, job)
    if wait and not reached(watch_until(rest, job_id, Goal.AVAILABLE, err=True), Goal.AVAILABLE):
        raise typer.Exit(Exit.NOT_REACHED)
    entry.enter(rest, job_id, told=told, as_json=as_json)


for command in (sharing.admit, sharing.admissions, sharing.share, sharing.shares):
    app.command()(command)


@app.command()
@with_api
def applications(
    rest: Rest,
    name: Annotated[
        str | None, typer.Argument(help="One of them.", autocompletion=complete.applications, show_default=False)
    ] = None,
    cluster: Annotated[
        str | None, typer.Option("--cluster", help="As this cluster has it.", autocompletion=complete.clusters)
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List what can be started, or the parameters of one application."""
    if name is None:
        found = rest.call("GET", "/applications")["items"]
        shown = parameters.catalogue(found)
    else:
        found = rest.call("GET", f"/applications/{quote(name, safe='')}")
        shown = parameters.table(parameters.on(found, cluster))
    if as_json:
        print_json(found)
    else:
        display.show(shown)


def _print(job: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(job)
    else:
        display.show(display.facts(job, now_utc()))

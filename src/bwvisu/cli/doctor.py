"""``bwvisu doctor``: try everything that the service asks of other machines, and say what mends each fault."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from bwvisu.cli.config import ConfigFile
from bwvisu.cli.exits import Exit, epilog
from bwvisu.cli.output import AsJson, Screen, hint, plain, print_json
from bwvisu.doctor.findings import HERE, ROOT, SETTINGS, Finding, Report, Subject, Verdict
from bwvisu.rest import Json

app = typer.Typer(help="Try everything that the service asks of other machines.", epilog=epilog())

_STYLES = {Verdict.OK: "green", Verdict.FAULT: "bold red", Verdict.UNKNOWN: "yellow", Verdict.SKIPPED: "dim"}
_CODES = {Verdict.FAULT: Exit.OPERATOR, Verdict.UNKNOWN: Exit.TRY_AGAIN}
VERSION = 1
"""Of the JSON's shape: grows when something is renamed or taken away."""


@app.callback(invoke_without_command=True)
def doctor(
    config: ConfigFile = None,
    *,
    user: Annotated[
        str | None, typer.Option(help="Run a test job as this person, in their home, for some seconds.")
    ] = None,
    on: Annotated[
        list[str] | None, typer.Option(help="A compute node for a test job; may be given several times.")
    ] = None,
    outside: Annotated[
        str | None,
        typer.Option(
            help="From where gateways' ports are tried: `here`, or USER@HOST[:PORT] by the cluster's SSH key."
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="NODE or NODE/CHECK, as shell patterns; a kind (gateway) means all its nodes."),
    ] = None,
    wait: Annotated[float, typer.Option(help="Seconds that a test job may wait for its start.", min=1)] = 60,
    users_group: Annotated[
        str, typer.Option(help="Group of those whose jobs may be started, for lines of sudoers.")
    ] = "bwvisu-users",
    print_sudoers: Annotated[
        bool, typer.Option("--print-sudoers", help="Print the files for sudo instead, as small as can be; ask nobody.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Examine etcd, every command node, every gateway and, by a test job, compute nodes; name the line for each fault.

    Nothing stays changed.  Exit code 4: a fault was found; 3: none, but something could not be looked at.
    """
    from bwvisu.doctor.cluster import Wanted  # noqa: PLC0415 these take half a second
    from bwvisu.doctor.examine import Examination  # noqa: PLC0415
    from bwvisu.doctor.findings import Choice  # noqa: PLC0415
    from bwvisu.doctor.outside import Outside  # noqa: PLC0415
    from bwvisu.doctor.sudoers import text  # noqa: PLC0415
    from bwvisu.settings import load  # noqa: PLC0415

    settings = load(config)
    if print_sudoers:
        typer.echo(text(settings, users_group), nl=False)
        return
    place = None if outside is None else Outside.parse(outside)
    wanted = Wanted(user, tuple(on or ()), place, users_group, wait)
    examination = Examination(settings, wanted, Choice(tuple(only or ())))
    report = asyncio.run(until_told_to_end(lambda: examination.make(lambda name: hint(f"examined: {name}"))))
    if as_json:
        print_json(document(report))
    else:
        _show(report)
    raise typer.Exit(_CODES.get(report.verdict, Exit.DONE))


async def until_told_to_end(work: Callable[[], Awaitable[Report]]) -> Report:
    """Whatever ends the doctor, what it has made for its trials is taken away first; a second signal ends not that."""
    task, loop = asyncio.ensure_future(work()), asyncio.get_running_loop()

    def listen(react: Callable[[], object]) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, react)

    def end() -> None:
        listen(lambda: hint("taking away what was made for trials"))
        task.cancel()

    listen(end)
    try:
        return await task
    except asyncio.CancelledError:
        raise typer.Exit(Exit.INTERRUPTED) from None


def document(report: Report) -> Json:
    """For programs; docs/operations.md shows it."""
    findings = [(each.subject, one) for each in report.examined for one in each.findings]
    return {"version": VERSION, "verdict": str(report.verdict), "findings": [_row(*each) for each in findings]}


def _row(subject: Subject, finding: Finding) -> Json:
    mend = finding.mend
    return {
        "cluster": subject.cluster or None,
        "kind": subject.kind,
        "node": subject.name,
        "check": finding.check,
        "verdict": str(finding.verdict),
        "detail": finding.detail,
        "mend": {"where": mend.where, "lines": list(mend.lines)} if mend else None,
    }


def _show(report: Report) -> None:
    screen = Screen()
    table = Table("node", "check", "verdict", "detail", box=None, pad_edge=False)
    for each in report.examined:
        for one in each.findings:
            verdict = Text(str(one.verdict), style=_STYLES[one.verdict])
            table.add_row(plain(each.subject.name), one.check, verdict, Text(plain(one.detail), overflow="fold"))
    screen.print(table)
    for subject, finding in report.with_verdict(Verdict.FAULT):
        screen.print(Text(f"\n{_place(subject, finding)}: {plain(finding.detail)}"), soft_wrap=True)
        for line in finding.mend.lines if finding.mend else ():
            screen.print(Text(f"    {plain(line)}", style="bold"), soft_wrap=True)
    screen.print(Text(f"\n{_summary(report)}"))


def _place(subject: Subject, finding: Finding) -> str:
    where = finding.mend.where if finding.mend else ""
    words = {ROOT: f"as root on {subject.name}", HERE: "here", SETTINGS: "in the settings"}
    return f"{subject.name}/{finding.check}, {words.get(where, f'{where} on {subject.name}')}"


def _summary(report: Report) -> str:
    counts = {verdict: len(report.with_verdict(verdict)) for verdict in Verdict}
    words = {
        Verdict.OK: "well",
        Verdict.FAULT: "to mend",
        Verdict.UNKNOWN: "could not be looked at",
        Verdict.SKIPPED: "not asked for",
    }
    return ", ".join(f"{count} {words[verdict]}" for verdict, count in counts.items() if count)

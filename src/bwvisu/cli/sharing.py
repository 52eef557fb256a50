"""``bwvisu job admit``, ``admissions``, ``share``, ``shares``: who else may enter a job, and from where."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, NamedTuple
from urllib.parse import quote

import typer
from rich.text import Text

from bwvisu.cli import display
from bwvisu.cli.exits import Exit
from bwvisu.cli.naming import find
from bwvisu.cli.options import JobName, with_api
from bwvisu.cli.output import AsJson, hint, notice, plain, print_json
from bwvisu.cli.progress import now_utc
from bwvisu.cli.rest import Rest, persistently
from bwvisu.domain.origin import read_network
from bwvisu.errors import UserError
from bwvisu.rest import Json

Minutes = Annotated[
    int | None,
    typer.Option("--minutes", "-m", min=1, help="How long.", show_default="as long as the site lets it"),
]


@with_api
def admit(
    rest: Rest,
    job: JobName,
    address: Annotated[
        str | None,
        typer.Argument(
            metavar="[ADDRESS]",
            help="An IPv4 or IPv6 address, or where the site allows it a network.",
            show_default="the one that you ask from",
        ),
    ] = None,
    minutes: Minutes = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Let connections to a job pass from an address, where the cluster lets admitted ones pass only.

    May be repeated: an address that is admitted already is for longer then.
    """
    body: Json = {"address": address, "minutes": minutes}
    entry = persistently(lambda: rest.call("POST", f"/jobs/{find(rest, job)}/admissions", json=body))
    if as_json:
        print_json(entry)
    else:
        typer.echo(f"{plain(entry['address'])} is admitted until {_clock(entry)}")


@with_api
def admissions(
    rest: Rest,
    job: JobName,
    revoke: Annotated[
        list[str],
        typer.Option("--revoke", metavar="ADDRESS", help="Cut what comes from there; an address or an entry's id."),
    ] = [],  # noqa: B006 typer copies it
    *,
    as_json: AsJson = False,
) -> None:
    """List from where a job may be entered, or revoke addresses."""
    path = f"/jobs/{find(rest, job)}/admissions"
    missing = _revoke(rest, path, revoke, lambda wanted, each: wanted == each["id"] or _same(wanted, each["address"]))
    for wanted in missing:
        notice(f"{wanted} is not admitted")
    entries = _Entries("No address is admitted.", ("ID", "Address", "User", "Until", "Note"), _admission_cells)
    _list(rest, path, entries, as_json=as_json)
    if missing:
        raise typer.Exit(Exit.REFUSED)


@with_api
def share(
    rest: Rest,
    job: JobName,
    user: Annotated[
        str | None,
        typer.Option("--with", metavar="USER", help="The person.", show_default="a link, for whoever opens it"),
    ] = None,
    minutes: Minutes = None,
    *,
    view_only: Annotated[bool, typer.Option("--view-only", help="They see, and do nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let somebody else into a job: a person, or whoever opens a link after signing in at the portal.

    A link's code is printed once, here: it opens at the portal under /shared.
    """
    body: Json = {"user": user, "view_only": view_only, "minutes": minutes}
    made = rest.call("POST", f"/jobs/{find(rest, job)}/shares", json=body)
    if as_json:
        print_json(made)
    elif made["token"]:
        typer.echo(plain(made["token"]))
        hint(f"At the portal: /shared#{made['token']}, until {_clock(made)}. Whoever has it comes in.")
    else:
        typer.echo(f"{plain(made['user'])} may enter until {_clock(made)}")


@with_api
def shares(
    rest: Rest,
    job: JobName,
    revoke: Annotated[
        list[str],
        typer.Option("--revoke", metavar="SHARE", help="Let them in no more; a share's id, or a person."),
    ] = [],  # noqa: B006 typer copies it
    *,
    as_json: AsJson = False,
) -> None:
    """List whom a job is shared with, or share it no more."""
    path = f"/jobs/{find(rest, job)}/shares"
    missing = _revoke(rest, path, revoke, lambda wanted, each: wanted in (each["id"], each["user"]))
    for wanted in missing:
        notice(f"it is not shared with {wanted}")
    _list(
        rest,
        path,
        _Entries("It is shared with nobody.", ("ID", "With", "Until", "Note"), _share_cells),
        as_json=as_json,
    )
    if missing:
        raise typer.Exit(Exit.REFUSED)


def admit_where_needed(rest: Rest, job_id: str, access: Json) -> Json:
    """Have our own address admitted before the browser knocks; the access as it is then.

    Where the gateway has an address of the other family only, that is told: another way may lead there.
    """
    needs = access.get("admission", "open")
    if needs == "other-family":
        notice("The job's gateway cannot be reached from the address that you ask from: its IP version is another one.")
    if needs not in {"needed", "admitted"}:
        return access
    try:
        persistently(lambda: rest.call("POST", f"/jobs/{job_id}/admissions", json={}))
    except UserError as error:
        if error.slug != "too-many" or needs != "admitted":  # it comes in as it is
            raise
    return {**access, "admission": "admitted"}


class _Entries(NamedTuple):
    """How a list is shown."""

    none: str
    """What is said where it is empty."""
    columns: Sequence[str]
    cells: Callable[[Json], Sequence[str]]
    """Of one entry, as the columns have them."""


def _list(rest: Rest, path: str, entries: _Entries, *, as_json: bool) -> None:
    found = rest.call("GET", path)["items"]
    if as_json:
        print_json(found)
    elif not found and display.on_terminal():
        hint(entries.none)
    else:
        shown = display.columns(*entries.columns)
        for each in found:
            shown.add_row(*(Text(plain(cell)) for cell in entries.cells(each)))
        display.show(shown)


def _admission_cells(entry: Json) -> Sequence[str]:
    came = "by a share" if entry["share"] else ""
    return entry["id"], entry["address"], entry["user"], _clock(entry), came


def _share_cells(entry: Json) -> Sequence[str]:
    note = "sees only" if entry["view_only"] else ""
    return entry["id"], entry["user"] or "whoever has the link", _clock(entry), note


def _revoke(rest: Rest, path: str, names: Sequence[str], means: Callable[[str, Json], bool]) -> list[str]:
    """Have gone what is meant by these names; those that mean nothing come back."""
    missing = []
    for wanted in names:
        ids = [each["id"] for each in rest.call("GET", path)["items"] if means(wanted, each)]
        for each in ids:
            persistently(lambda each=each: rest.answer("DELETE", f"{path}/{quote(each, safe='')}"))  # type: ignore[misc]
        if not ids:
            missing.append(wanted)
    return missing


def _same(wanted: str, address: str) -> bool:
    """Whether both mean the same addresses, however they are written."""
    try:
        return read_network(wanted) == read_network(address)
    except ValueError:
        return False


def _clock(entry: Json) -> str:
    return display.clock(datetime.fromisoformat(entry["expires_at"]), now_utc())

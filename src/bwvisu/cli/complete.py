"""What the shell offers when Tab is pressed: quick, and silent where the API does not answer."""

from collections.abc import Callable, Iterator
from pathlib import Path

import typer

from bwvisu.cli.display import SHORT_ID
from bwvisu.cli.output import plain
from bwvisu.cli.parameters import choices, on
from bwvisu.cli.profiles import connection, path_of, read
from bwvisu.cli.rest import Rest
from bwvisu.rest import Json

PATIENCE = 1.5
"""Seconds for each step of the one call: who presses Tab waits."""
MOST = 100
"""Jobs that are offered."""


def applications(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Names of the catalogue, with titles."""
    found = _ask(ctx, lambda rest: rest.call("GET", "/applications")["items"])
    return [(str(each["name"]), str(each["title"])) for each in found if str(each["name"]).startswith(incomplete)]


def clusters(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Names of clusters, with titles."""
    found = _ask(ctx, lambda rest: rest.call("GET", "/clusters")["items"])
    return [(str(each["name"]), str(each["title"])) for each in found if str(each["name"]).startswith(incomplete)]


def jobs(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Jobs that have not finished: by the short id as lists show it, or whole where it was begun so."""
    return list(_jobs(_ask(ctx, lambda rest: rest.call("GET", "/jobs", query={"limit": MOST})["items"]), incomplete))


def _jobs(found: list[Json], incomplete: str) -> Iterator[tuple[str, str]]:
    for job in found:
        if job["state"] != "finished":
            job_id, told = str(job["id"]), f"{job['application']}, {job['state']}"
            offered = next((each for each in (job_id[-SHORT_ID:], job_id) if each.startswith(incomplete)), None)
            if offered:
                yield offered, told


def parameters(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """``NAME=`` of the application that is named already, and its choices once that is typed."""
    # After an option without its value nothing is parsed, and the application is still among the words.
    application = str(ctx.params.get("application") or next(iter(ctx.args), ""))
    schema = _ask(ctx, lambda rest: [rest.call("GET", f"/applications/{application}")]) if application else []
    properties = on(schema[0], ctx.params.get("cluster"))["properties"] if schema else {}
    offered = {f"{name}=": str(each.get("title", "")) for name, each in properties.items()}
    for name, each in properties.items():
        if incomplete.startswith(f"{name}="):
            offered = {f"{name}={choice}": "" for choice in choices(each)}
    return [(text, told) for text, told in offered.items() if text.startswith(incomplete)]


def profiles(incomplete: str) -> list[str]:
    """Names of the profile file."""
    try:
        return [name for name in read(path_of()).profiles if name.startswith(incomplete)]
    except Exception:  # noqa: BLE001 a word on stderr would land in the line that is being typed
        return []


def _ask(ctx: typer.Context, call: Callable[[Rest], list[Json]]) -> list[Json]:
    profile, url, token_file = (ctx.params.get(name) for name in ("profile", "url", "token_file"))
    try:
        where = connection(profile=profile, url=url, token_file=Path(token_file) if token_file else None)
        with Rest(where, timeout=PATIENCE) as rest:
            return [_plain(each) for each in call(rest)]
    except Exception:  # noqa: BLE001 as above
        return []


def _plain(found: Json) -> Json:
    return {key: plain(value) if isinstance(value, str) else value for key, value in found.items()}

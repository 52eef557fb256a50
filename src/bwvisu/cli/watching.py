"""Stay with a job until it is where it is awaited.  Who leaves before does it no harm."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from enum import StrEnum

import typer

from bwvisu.cli import display
from bwvisu.cli.naming import short
from bwvisu.cli.output import notice, plain, print_json
from bwvisu.cli.progress import Teller, now_utc, teller
from bwvisu.cli.rest import Rest
from bwvisu.cli.stream import follow
from bwvisu.errors import NotFound, TryAgain
from bwvisu.rest import Json, Removed


class Goal(StrEnum):
    """What is waited for."""

    AVAILABLE = "available"
    FINISHED = "finished"


class _JsonLines:
    """One line of JSON for each change."""

    def job(self, job: Json) -> None:
        print_json(job, lines=True)
        sys.stdout.flush()

    def note(self, text: str) -> None:
        if text:
            notice(text)


def reached(job: Json, goal: Goal) -> bool:
    """Whether the job is where it was awaited."""
    if goal is Goal.AVAILABLE:
        return bool(job["state"] == "available")
    return job["outcome"] in ("completed", "cancelled")


def watch_until(rest: Rest, job_id: str, goal: Goal, *, as_json: bool = False, err: bool = False) -> Json:
    """The job when it got there, or ended; meanwhile what happens is told.  Raises what `follow` does, NotFound."""
    with _harmless(job_id), _telling(as_json=as_json, err=err) as told:
        return _until(rest, job_id, goal, told)


def _until(rest: Rest, job_id: str, goal: Goal, told: Teller) -> Json:
    with closing(follow(rest, f"/jobs/{job_id}/events", {}, lost=_lost(told))) as changes:
        for job in changes:
            if isinstance(job, Removed):
                raise NotFound("the job has been forgotten", slug="job-not-found")
            told.job(job)
            if job["state"] in (goal, Goal.FINISHED):
                return job
    raise AssertionError("unreachable")


def watch_all(rest: Rest, query: Mapping[str, str | int], *, as_json: bool) -> None:
    """Tell what happens to all jobs, until somebody ends it; people are spared what had finished before."""
    known: set[str] = set()
    with closing(follow(rest, "/events", query, lost=_lost(_JsonLines()))) as changes:
        for job in changes:
            match job:
                case Removed(id=gone) if as_json:
                    print_json({"id": gone, "removed": True}, lines=True)
                case Removed():
                    pass
                case _ if as_json:
                    print_json(job, lines=True)
                case _ if job["id"] in known or job["state"] != Goal.FINISHED:
                    known.add(job["id"])
                    _tell_one_of_many(job)
            sys.stdout.flush()


def _tell_one_of_many(job: Json) -> None:
    now = now_utc()
    who = f"{short(plain(job['id']))} {plain(job['user'])} {plain(job['application'])}"
    typer.echo(f"{now.astimezone():%H:%M:%S} {who} {display.line(job, now)}")


@contextmanager
def _telling(*, as_json: bool, err: bool) -> Iterator[Teller]:
    if as_json:
        yield _JsonLines()
    else:
        with teller(err=err) as told:
            yield told


def _lost(told: Teller) -> Callable[[TryAgain | None], None]:
    return lambda error: told.note(f"{error}; trying again" if error else "")


@contextmanager
def _harmless(job_id: str) -> Iterator[None]:
    """Ctrl-C ends the watching, and says that it ended nothing else."""
    try:
        yield
    except KeyboardInterrupt:
        name = short(job_id)
        notice(f"The job goes on: bwvisu job watch {name}; to stop it: bwvisu job cancel {name}")
        raise

"""Follow jobs by the API's event streams: a snapshot, then every change, across lost connections.

``id:`` of an event is sent back as ``Last-Event-ID``, so that nothing that happened meanwhile is missed; where the API
cannot resume it sends ``resync`` and a new snapshot, and what became of the jobs in between is told from that.
"""

import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from bwvisu.cli.rest import Json, Rest
from bwvisu.errors import OperatorError, TryAgain

PATIENCE = 300.0
"""Seconds without an event stream until watching is given up: a service may be upgraded meanwhile."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""Seconds between two tries to connect, which grow."""


@dataclass(frozen=True, slots=True)
class Removed:
    """The API has forgotten this job."""

    id: str


@dataclass(slots=True)
class Picture:
    """The jobs of one stream as they were last told: what is told twice is no news."""

    jobs: dict[str, Json] = field(default_factory=dict)
    _snapshot: dict[str, Json] = field(default_factory=dict)

    def news(self, event: str, data: Json) -> Iterator[Json | Removed]:
        """What an event changes; a kind of event that we do not know changes nothing."""
        match event:
            case "snapshot":
                self._snapshot.update({str(job["id"]): job for job in data["jobs"]})
                if data["complete"]:
                    yield from self._replace()
            case "job":
                yield from self._see(data)
            case "removed":
                if self.jobs.pop(str(data["id"]), None) is not None:
                    yield Removed(str(data["id"]))
            case "resync":
                self._snapshot.clear()

    def reconnected(self) -> None:
        """Half a snapshot is none."""
        self._snapshot.clear()

    def _see(self, job: Json) -> Iterator[Json]:
        if self.jobs.get(str(job["id"])) != job:
            self.jobs[str(job["id"])] = job
            yield job

    def _replace(self) -> Iterator[Json | Removed]:
        whole, self._snapshot = self._snapshot, {}
        for gone in [job_id for job_id in self.jobs if job_id not in whole]:
            del self.jobs[gone]
            yield Removed(gone)
        for job in whole.values():
            yield from self._see(job)


def follow(
    rest: Rest,
    path: str,
    query: Mapping[str, str | int],
    *,
    lost: Callable[[TryAgain | None], None],
    wait: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Generator[Json | Removed]:
    """Jobs as they are, then as they change, for ever.

    ``lost`` is told when a connection ends, and with None when there is one again.  Raises what `Rest` raises,
    `TryAgain` only once ``PATIENCE`` is over.
    """
    picture, last_id, pause, heard = Picture(), "", FIRST_PAUSE, now()
    while True:
        try:
            with rest.events(path, query, last_id) as events:
                for event in events:
                    if pause > FIRST_PAUSE:
                        lost(None)
                    yield from picture.news(event.event, _data(event))
                    last_id, pause, heard = event.id or last_id, FIRST_PAUSE, now()
            error = TryAgain(f"{rest.connection.url} has ended the connection", after=0)
        except TryAgain as caught:
            error = caught
        if now() - heard > PATIENCE:
            raise error
        picture.reconnected()
        lost(error)
        wait(max(pause, min(error.after, LONGEST_PAUSE)))
        pause = min(2 * pause, LONGEST_PAUSE)


def _data(event: httpx2.ServerSentEvent) -> Json:
    try:
        data: Any = json.loads(event.data or "{}")
    except ValueError as error:
        raise OperatorError("the event stream does not speak JSON") from error
    if not isinstance(data, dict):
        raise OperatorError("the event stream is not what a bwVisu API says")
    return data

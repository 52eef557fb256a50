"""Follow jobs by the API's event streams: a snapshot, then every change, across lost connections.

``id:`` of an event is sent back as ``Last-Event-ID``, so that nothing that happened meanwhile is missed; where the API
cannot resume it sends ``resync`` and a new snapshot, and what became of the jobs in between is told from that.
"""

import json
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any

import httpx2

from bwvisu.cli.rest import Rest
from bwvisu.errors import OperatorError, TryAgain
from bwvisu.rest import Json, Picture, Removed

PATIENCE = 300.0
"""Seconds without an event stream until watching is given up: a service may be upgraded meanwhile."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""Seconds between two tries to connect, which grow."""


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

"""Cards that move by themselves: the API's event stream, as pieces of HTML that htmx puts in their places."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Sequence
from weakref import WeakSet

import structlog
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response, StreamingResponse

from bwvisu.errors import BwvisuError, TryAgain
from bwvisu.portal.api import Api
from bwvisu.portal.documents import Application, Job
from bwvisu.portal.look import Look
from bwvisu.portal.metrics import STREAM
from bwvisu.portal.pages.sessions import cards, titles
from bwvisu.portal.session import seconds_left
from bwvisu.portal.web import Pages, TheApi, family_of
from bwvisu.rest import Json, Picture, Removed
from bwvisu.settings import PortalSettings

log = structlog.get_logger(__name__)
router = APIRouter()
LONGEST = 3600.0
"""Seconds that a stream lasts, more or less: then the browser comes again, and must still be signed in."""
HEARTBEAT = 10.0
"""Seconds between comments, which tell proxies and browsers that the line stands."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""Seconds between two tries to reach the API again, which grow."""


@router.get(STREAM)
async def events(request: Request, api: TheApi, look: Pages, job: str = "") -> Response:
    """What happens to one's sessions, or to one of them, for as long as the page is open and its owner signed in."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    stream = Stream(request, api, look, job)
    open_streams: WeakSet[Stream] = request.app.state.streams
    open_streams.add(stream)
    return StreamingResponse(_lines(stream, _lasts(request)), media_type="text/event-stream", headers=headers)


def _lasts(request: Request) -> float:
    """Seconds until the stream ends; not the same for all pages, or they would all come back at once."""
    settings: PortalSettings = request.app.state.settings
    now = request.app.state.sealer.clock()
    left = seconds_left(request.session, now, settings.session_lifetime, settings.session_limit)
    # a second more: in its last one the session would still be good for another stream
    return min(left + 1, LONGEST * random.uniform(0.9, 1.1))  # noqa: S311 nothing is guarded by it


def close(app: FastAPI) -> None:
    """End all streams of a process that stops: their pages come back to another one."""
    for stream in list(app.state.streams):
        stream.close()


class Stream:
    """One open page."""

    def __init__(self, request: Request, api: Api, look: Look, job: str) -> None:
        self._request = request
        self._api = api
        self._look = look
        self._family = family_of(request)
        self._job = job
        """The only one that the page shows; empty: all."""
        self._picture = Picture()
        self._troubled = False
        self._shown: set[str] | None = None
        """What the page shows; None: not known, since it was opened or cut off some time ago."""
        self._applications: dict[str, Application] = {}
        self.queue: asyncio.Queue[str] = asyncio.Queue(maxsize=100)
        self.closed = False

    def close(self) -> None:
        """No more is told; who waits for the next piece hears so at once."""
        self.closed = True
        if self.queue.empty():
            self.queue.put_nowait("")

    async def run(self) -> None:
        """Follow the API across lost connections, and put into the queue what the browser is to be told."""
        pause = FIRST_PAUSE
        while True:
            try:
                async with self._api.events({"user": self._api.user or ""}) as news:
                    self._applications = await titles(self._api)
                    async for event, data in news:
                        pause = FIRST_PAUSE
                        await self._trouble(False)
                        changes = [*self._picture.news(event, data)]
                        await self._tell(changes, whole=event == "snapshot" and bool(data.get("complete")))
                after = 0.0
            except TryAgain as error:
                after = float(error.after)
            except BwvisuError:
                after = LONGEST_PAUSE
            self._picture.reconnected()
            if after:  # the API ends each stream after an hour, without an error: the next try tells
                await self._trouble(True)
            await asyncio.sleep(max(pause, min(after, LONGEST_PAUSE)))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _trouble(self, now: bool) -> None:
        if now != self._troubled:
            self._troubled = now
            await self._say("trouble", self._look.text(self._request, "part_trouble.html", trouble=now))

    async def _tell(self, changes: Sequence[Json | Removed], *, whole: bool) -> None:
        if not changes and not (whole and self._shown is None):
            return
        now = set(self._picture.jobs)
        if not self._job and (now != self._shown or any(isinstance(change, Removed) for change in changes)):
            self._shown = now
            await self._say("sessions", self._whole())
            return
        for change in changes:
            if isinstance(change, dict) and self._job in {"", change["id"]}:
                await self._say("sessions", await self._one(Job.model_validate(change)))

    async def _one(self, job: Job) -> str:
        shown = cards([job], self._applications, self._family)[0]
        card = self._look.text(self._request, "part_card.html", card=shown, oob=True, alone=bool(self._job))
        if not self._job:
            return card
        try:
            lines = await self._api.text(job.id, "log")
        except BwvisuError:  # the card matters more, and what the page shows of the log is better than nothing
            return card
        return card + self._look.text(self._request, "part_facts.html", card=shown, log=lines, oob=True)

    def _whole(self) -> str:
        jobs = [Job.model_validate(job) for job in self._picture.jobs.values()]
        return self._look.text(
            self._request, "part_cards.html", cards=cards(jobs, self._applications, self._family), oob=True
        )

    async def _say(self, event: str, html: str) -> None:
        # a log may hold any of the three line ends, and must not end our event
        lines = "".join(f"data: {line}\n" for line in re.split(r"\r\n|\r|\n", html))
        await self.queue.put(f"event: {event}\n{lines}\n")


async def _lines(stream: Stream, seconds: float) -> AsyncIterator[str]:
    following = asyncio.create_task(stream.run())
    now = asyncio.get_running_loop().time
    end = now() + seconds
    try:
        yield "retry: 1000\n\n"
        while (left := end - now()) > 0 and not (following.done() or stream.closed):
            try:
                yield await asyncio.wait_for(stream.queue.get(), min(HEARTBEAT, left))
            except TimeoutError:
                yield ":\n\n"
    finally:
        following.cancel()
        if following.done() and not following.cancelled() and (error := following.exception()):
            log.error("an event stream failed", error=repr(error))

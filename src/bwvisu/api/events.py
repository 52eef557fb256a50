"""``/api/v1/events`` and ``/api/v1/jobs/{id}/events``: server-sent events.

The framing is that of the HTML standard (https://html.spec.whatwg.org/multipage/server-sent-events.html); a document is
rendered once, however many streams carry it.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from bwvisu.api.auth import JobReader
from bwvisu.api.models import Document, JobView
from bwvisu.api.routing import Services, errors
from bwvisu.services.events import Event, Lapse, Part, Quiet, Resync, Snapshot
from bwvisu.services.feed import Feed
from bwvisu.services.following import Stream, follow_job, follow_jobs

router = APIRouter(tags=["jobs"])

MEDIA_TYPE = "text/event-stream"
_BEGIN = b"retry: 1000\n\n"
"""A client that loses us comes back after a second; this also tells proxies that the answer has begun."""


class SnapshotData(Document):
    """Data of `snapshot`: jobs as they are now, up to 200 at a time."""

    jobs: tuple[JobView, ...]
    complete: bool
    """True with the last part, which alone has an `id`: now these are all jobs that the stream is about."""


class RemovedData(Document):
    """Data of `removed`: the job was forgotten, a while after it had finished."""

    id: str
    revision: int


class ResyncData(Document):
    """Data of `resync`: forget what you have; a snapshot follows."""

    reason: Lapse
    """`too-slow`: you fell behind; else what you resumed from is not known any more."""


DATA: Mapping[str, type[Document]] = {
    "snapshot": SnapshotData,
    "job": JobView,
    "removed": RemovedData,
    "resync": ResyncData,
}
"""Event -> what its data is."""


def frame(part: Part, generation: int) -> bytes:
    """A part of a stream as it goes over the wire."""
    match part:
        case Event(document=bytes(document)):
            return b"event: job\ndata: %b\n%b\n" % (document, _id(part.last, generation, part.revision))
        case Event():
            data = RemovedData(id=part.job_id, revision=part.revision).model_dump_json().encode()
            return b"event: removed\ndata: %b\n%b\n" % (data, _id(part.last, generation, part.revision))
        case Snapshot(documents, revision):
            complete = revision is not None
            data = b'{"jobs":[%b],"complete":%b}' % (b",".join(documents), b"true" if complete else b"false")
            return b"event: snapshot\ndata: %b\n%b\n" % (data, _id(complete, generation, revision or 0))
        case Resync(reason):
            return b"event: resync\ndata: %b\n\n" % ResyncData(reason=reason).model_dump_json().encode()
        case Quiet(revision):
            return b":\n%b\n" % _id(True, generation, revision)


def _id(told: bool, generation: int, revision: int) -> bytes:
    return b"id: %d.%d\n" % (generation, revision) if told else b""


class EventStream(StreamingResponse):
    """The answer that carries a stream, and leaves it whatever happens."""

    media_type = MEDIA_TYPE

    def __init__(self, stream: Stream) -> None:
        super().__init__(_frames(stream), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the stream or its reader ends."""
        with self._stream:
            await super().__call__(scope, receive, send)


async def _frames(stream: Stream) -> AsyncIterator[bytes]:
    yield _BEGIN
    async for parts in stream.parts():
        yield b"".join([frame(part, stream.generation) for part in parts])


def _answers(*slugs: str) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a stream.

    What each event is has a place only in OpenAPI 3.2, ``itemSchema``; in 3.1 it is an extension of the same meaning.
    ``schema`` names no type: to some readers of 3.1 it is about the whole text, to others about each event.
    """
    items = {"type": "object", "required": ["event", "data"], "oneOf": [_item(event) for event in DATA]}
    content = {MEDIA_TYPE: {"schema": {"contentMediaType": MEDIA_TYPE}, "x-itemSchema": items}}
    return {200: {"description": _STREAM, "content": content}, **errors(*slugs)}


def _item(event: str) -> dict[str, Any]:
    data = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"$ref": f"#/components/schemas/{DATA[event].__name__}"},
    }
    return {"properties": {"event": {"const": event}, "data": data, "id": {"type": "string"}}}


_STREAM = """\
Server-sent events without end; each event's data is a JSON document.

| event | data | says |
| --- | --- | --- |
| `snapshot` | `SnapshotData` | the jobs as they are now, in parts; comes first |
| `job` | `JobView` | a job after a change: put it in the place of the one that you have |
| `removed` | `RemovedData` | a job was forgotten; a stream of one job ends here |
| `resync` | `ResyncData` | forget what you have; a `snapshot` follows |

Reconnect with the last `id` as `Last-Event-ID`: what happened meanwhile follows, each change once and in order, from
any replica. A comment comes after 10 s of silence, with the newest `id`; after 25 s the connection is dead."""


async def _feed(request: Request) -> Feed:
    feed: Feed = request.app.state.feed
    return feed


_Feed = Annotated[Feed, Depends(_feed)]


async def _last_event_id(
    header: Annotated[
        str | None, Header(alias="Last-Event-ID", description="Go on after this `id`, instead of with a snapshot.")
    ] = None,
    query: Annotated[str | None, Query(alias="lastEventId", include_in_schema=False)] = None,
) -> str | None:
    """Scripts that stand in for a browser's own EventSource, since that sends no token, may only set the address."""
    return query if header is None else header


LastEventId = Annotated[str | None, Depends(_last_event_id)]


@router.get(
    "/api/v1/jobs/{job_id}/events",
    operation_id="watchJob",
    summary="Follow a job",
    status_code=200,
    response_class=Response,  # FastAPI would call the text of any other a string
    responses=_answers("job-not-found"),
)
async def watch_job(
    context: Services, feed: _Feed, principal: JobReader, job_id: str, last_event_id: LastEventId
) -> EventStream:
    """A snapshot of the job, then every change of it; ends when the job is forgotten."""
    return EventStream(await follow_job(context, feed, principal, job_id, last_event_id))


@router.get(
    "/api/v1/events",
    operation_id="watchJobs",
    summary="Follow many jobs",
    status_code=200,
    response_class=Response,  # FastAPI would call the text of any other a string
    responses=_answers(),
)
async def watch_jobs(
    _: Services,
    feed: _Feed,
    principal: JobReader,
    last_event_id: LastEventId,
    user: Annotated[str | None, Query(max_length=256)] = None,
    cluster: Annotated[str | None, Query(max_length=256)] = None,
) -> EventStream:
    """A snapshot of all jobs, or of those of a user or cluster, then every change of them."""
    return EventStream(await follow_jobs(feed, principal, user=user, cluster=cluster, since=last_event_id))

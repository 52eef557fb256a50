"""A small API on loopback that says what a test has written down: for the command line's own behaviour.

It speaks HTTP and ``text/event-stream`` for real, in a thread of its own, and keeps what it was asked.
"""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.support.waiting import until

JOB_ID = "01jd0000000000000000abcdef"
Act = str | threading.Event
"""Part of an event stream: what is sent, or what is waited for before it goes on."""


def job(**changes: Any) -> dict[str, Any]:
    """A job as the API tells it."""
    plain: dict[str, Any] = {
        "id": JOB_ID,
        "user": "alice",
        "application": "terminal",
        "cluster": "main",
        "parameters": {"minutes": 60},
        "wanted": "running",
        "state": "accepted",
        "outcome": None,
        "reason": None,
        "services": [],
        "slurm": None,
        "timeline": [{"state": "accepted", "at": "2026-11-22T12:00:00Z"}],
        "created_at": "2026-11-22T12:00:00Z",
        "exit_code": None,
        "revision": 1,
    }
    return {**plain, **changes}


def event(kind: str, data: Any, last_id: str = "") -> str:
    """One event as it is sent."""
    return f"event: {kind}\ndata: {json.dumps(data)}\n" + (f"id: {last_id}\n" if last_id else "") + "\n"


def snapshot(*jobs: dict[str, Any], last_id: str = "1.1", complete: bool = True) -> str:
    """What a stream begins with."""
    return event("snapshot", {"jobs": jobs, "complete": complete}, last_id if complete else "")


def problem(status: int, slug: str, detail: str, **more: Any) -> Response:
    """An error as the API tells it; ``after``: its Retry-After."""
    after = more.pop("after", None)
    return JSONResponse(
        {"type": f"/problems/{slug}", "title": slug, "status": status, "detail": detail, **more},
        status,
        headers={} if after is None else {"Retry-After": str(after)},
        media_type="application/problem+json",
    )


@dataclass
class SmallApi:
    """What it says, and what it was asked."""

    url: str = ""
    streams: list[Sequence[Act] | Response] = field(default_factory=list)
    """One for each connection, in turn; then the address is not there any more."""
    answers: dict[str, list[Response]] = field(default_factory=dict)
    """``METHOD /path`` below ``/api/v1`` -> answers, in turn; the last one stays."""
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """``METHOD /path``, headers, body."""
    queries: list[str] = field(default_factory=list)
    """What stood behind the question mark of each."""

    def says(self, call: str, *answers: Response | dict[str, Any]) -> None:
        """Answer a call."""
        self.answers[call] = [each if isinstance(each, Response) else JSONResponse(each) for each in answers]

    def headers(self, call: str) -> list[dict[str, str]]:
        """The headers of all such calls."""
        return [headers for asked, headers, _ in self.asked if asked == call]

    async def answer(self, request: Request) -> Response:
        """Answer."""
        path = request.url.path.removeprefix("/api/v1")
        call = f"{request.method} {path}"
        self.queries.append(request.url.query)
        self.asked.append((call, dict(request.headers), await request.body()))
        if path.endswith("/events") and call not in self.answers:
            return self._stream()
        answers = self.answers.get(call, [])
        if not answers:
            return problem(404, "not-found", "there is no such address")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def _stream(self) -> Response:
        if not self.streams:
            return problem(404, "job-not-found", "there is no such job")
        acts = self.streams.pop(0)
        if isinstance(acts, Response):
            return acts
        return StreamingResponse(_play(acts), media_type="text/event-stream")


async def _play(acts: Sequence[Act]) -> AsyncIterator[str]:
    for act in acts:
        if isinstance(act, str):
            yield act
        else:
            while not act.is_set():  # noqa: ASYNC110 it is set by another thread
                await asyncio.sleep(0.01)


@contextmanager
def small_api(**tls: Any) -> Iterator[SmallApi]:
    """Serve it; ``tls``: uvicorn's ``ssl_certfile`` and ``ssl_keyfile``."""
    api = SmallApi()
    app = Starlette(routes=[Route("/{path:path}", api.answer, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])])
    with socket.create_server(("127.0.0.1", 0)) as bound:
        config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1, **tls)
        server = uvicorn.Server(config)
        serving = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        serving.start()
        try:
            until(lambda: server.started, what="the small API listens")
            api.url = f"{'https' if tls else 'http'}://127.0.0.1:{bound.getsockname()[1]}"
            yield api
        finally:
            server.should_exit = True
            serving.join()

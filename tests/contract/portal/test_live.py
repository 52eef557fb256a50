"""What an open page is told, while the API comes and goes."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from bwvisu.portal.api import Api, connect
from bwvisu.portal.look import Look
from bwvisu.portal.pages.live import Stream
from bwvisu.settings import SiteSettings
from tests.support.small_api import JOB_ID, SmallApi, event, job, problem, small_api, snapshot

OTHER = "01jd0000000000000000abcdeg"
PERSON = {"user": "alice", "name": "Alice"}


@pytest.fixture
def api() -> Iterator[SmallApi]:
    with small_api() as running:
        running.says("GET /applications", {"items": [], "broken": []})
        yield running


class Page:
    """An open page."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def next(self) -> tuple[str, str]:
        """Event and HTML of what is told next."""
        lines = (await asyncio.wait_for(self._stream.queue.get(), 20)).split("\n")  # as browsers do
        assert lines[0].startswith("event: ")
        assert all(line.startswith("data: ") for line in lines[1:] if line)
        return lines[0].removeprefix("event: "), "\n".join(line.removeprefix("data: ") for line in lines[1:])


@pytest.fixture
async def page(api: SmallApi, only: str) -> AsyncIterator[Page]:
    scope = {"type": "http", "method": "GET", "path": "/events", "query_string": b"", "headers": []}
    request = Request({**scope, "session": {"person": PERSON}, "scheme": "http", "server": ("portal.test", 80)})
    async with connect(api.url, "token", None) as client:
        stream = Stream(request, Api(client, "alice"), Look(SiteSettings()), only)
        following = asyncio.create_task(stream.run())
        yield Page(stream)
        following.cancel()


@pytest.fixture
def only() -> str:
    return ""


async def test_a_page_is_told_all_cards_then_each_that_changes(api: SmallApi, page: Page) -> None:
    go_on = threading.Event()
    api.streams = [[snapshot(job()), event("job", job(state="available", revision=2), "1.2"), go_on]]
    kind, html = await page.next()
    assert kind == "sessions"
    assert 'id="cards" hx-swap-oob="morph"' in html
    assert html.count('hx-swap-oob="morph"') == 1  # the list as a whole, not its cards once more
    assert f'id="job-{JOB_ID}"' in html
    kind, html = await page.next()
    assert html.lstrip().startswith("<article")
    assert 'data-state="available"' in html
    assert "Connect" in html
    go_on.set()


async def test_a_new_and_a_forgotten_job_change_the_whole_list(api: SmallApi, page: Page) -> None:
    go_on = threading.Event()
    new, gone = job(id=OTHER), {"id": JOB_ID, "revision": 3}
    api.streams = [[snapshot(job()), event("job", new, "1.2"), event("removed", gone, "1.3"), go_on]]
    assert OTHER not in (await page.next())[1]
    assert OTHER in (await page.next())[1]
    assert JOB_ID not in (await page.next())[1]
    go_on.set()


async def test_a_page_that_comes_back_is_told_also_that_there_is_nothing_any_more(api: SmallApi, page: Page) -> None:
    go_on = threading.Event()
    api.streams = [[snapshot(), go_on]]
    kind, html = await page.next()
    assert (kind, "Nothing runs at the moment." in html) == ("sessions", True)
    go_on.set()


async def test_while_the_api_is_away_the_page_says_so_and_then_is_whole_again(api: SmallApi, page: Page) -> None:
    go_on = threading.Event()
    away = problem(503, "unavailable", "not now", after=1)
    api.streams = [[snapshot(job())], away, [snapshot(job(), job(id=OTHER)), go_on]]
    assert (await page.next())[0] == "sessions"
    kind, html = await page.next()
    assert kind == "trouble"
    assert "does not answer" in html
    told = html
    while kind == "trouble":
        told = html
        kind, html = await page.next()
    assert OTHER in html
    assert '<div id="trouble" hx-swap-oob="innerHTML"></div>' in told
    go_on.set()


@pytest.mark.parametrize("only", [JOB_ID])
async def test_a_page_of_one_job_is_told_of_this_one(api: SmallApi, page: Page) -> None:
    go_on = threading.Event()
    api.streams = [
        [snapshot(job()), event("job", job(id=OTHER), "1.2"), event("job", job(state="running"), "1.3"), go_on]
    ]
    for state in ("accepted", "running"):
        _, html = await page.next()
        assert f'id="job-{JOB_ID}" hx-swap-oob="morph"' in html
        assert f'data-state="{state}"' in html
    go_on.set()


async def test_what_a_job_says_is_text_on_the_page(api: SmallApi, page: Page) -> None:
    go_on = threading.Event()
    reason = {"code": "failed", "message": "<script>alert(1)</script>\n\nevent: x"}
    api.streams = [[snapshot(job(reason=reason)), go_on]]
    _, html = await page.next()
    assert "&lt;script&gt;" in html
    assert "<script" not in html
    go_on.set()


@pytest.mark.parametrize("only", [JOB_ID])
async def test_a_page_of_one_job_moves_its_times_and_its_log_whatever_the_log_holds(api: SmallApi, page: Page) -> None:
    go_on = threading.Event()
    log = "one\n\ntwo\revent: sessions\rdata: <script>\x85\x0c\u2028three"
    api.answers[f"GET /jobs/{JOB_ID}/log"] = [PlainTextResponse(log)]
    api.streams = [[snapshot(job()), go_on]]
    kind, html = await page.next()
    assert kind == "sessions"
    assert '<div id="facts" hx-swap-oob="morph">' in html
    assert "Accepted" in html
    assert "one\n\ntwo\nevent: sessions\ndata: &lt;script&gt;\x85\x0c\u2028three" in html

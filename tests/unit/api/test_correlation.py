"""One id for each request: drawn, or taken where it has the form of one; and never left behind."""

import asyncio
import uuid

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bwvisu.correlation import HEADER, RequestIds, request_id


def client(at_once: int = 1) -> httpx2.AsyncClient:
    """Of an application that answers with the id, when so many requests are there."""
    barrier = asyncio.Barrier(at_once)

    async def own(_: Request) -> Response:
        before = request_id()
        await barrier.wait()
        assert request_id() == before
        return PlainTextResponse(request_id() or "none")

    app = RequestIds(Starlette(routes=[Route("/", own)]))
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://role")


async def test_each_request_has_its_own_also_beside_others() -> None:
    async with client(at_once=20) as role:
        answers = await asyncio.gather(*(role.get("/") for _ in range(20)))
    assert all(answer.headers[HEADER] == answer.text for answer in answers)
    assert len({answer.text for answer in answers}) == 20
    assert {len(answer.text) for answer in answers} == {32}
    assert request_id() is None


@pytest.mark.parametrize("given", ["0123456789abcdef0123456789abcdef", str(uuid.UUID(int=7))])
async def test_one_from_in_front_is_kept(given: str) -> None:
    async with client() as role:
        assert (await role.get("/", headers={HEADER: given})).text == given.replace("-", "")


@pytest.mark.parametrize("given", ["", "alice", "x" * 32, "0123456789ABCDEF0123456789abcdef", "a" * 33, '{"event":1}'])
async def test_other_words_are_not_let_into_the_log(given: str) -> None:
    async with client() as role:
        answer = await role.get("/", headers={HEADER: given})
    assert answer.text != given
    assert len(answer.text) == 32

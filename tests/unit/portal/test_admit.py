"""From the name of the sign-in to a person on the clusters."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bwvisu.errors import TryAgain
from bwvisu.portal.api import Api
from bwvisu.portal.session import Person
from bwvisu.portal.signin import Claim, NotAdmitted, admit
from bwvisu.settings import UserMapping
from tests.support.small_api import problem

KNOWN = {"one": {"alice", "hd_alice"}, "two": {"alice"}}


@pytest.fixture
async def away() -> set[str]:
    """Clusters that do not answer."""
    return set()


@pytest.fixture
async def api(away: set[str]) -> AsyncIterator[Api]:
    async def clusters(_: Request) -> Response:
        if "api" in away:
            return problem(503, "unavailable", "not now")
        return JSONResponse({"items": [{"name": name, "title": name} for name in KNOWN]})

    async def user(request: Request) -> Response:
        cluster, name = request.path_params["cluster"], request.path_params["user"]
        if cluster in away:
            return problem(503, "unavailable", "not now")
        if name not in KNOWN[cluster]:
            return problem(404, "not-found", "there is no such user")
        return JSONResponse({})

    app = Starlette(routes=[Route("/clusters", clusters), Route("/clusters/{cluster}/users/{user:path}", user)])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://api.test") as client:
        yield Api(client)


async def person(api: Api, claim: Claim, **mapping: str) -> Person:
    return await admit(claim, UserMapping.model_validate(mapping), ["admins", "cn=operators,dc=example"], api)


@pytest.mark.parametrize("name", ["alice", "Alice", "alice@example.org"])
async def test_a_name_becomes_a_user_name(api: Api, name: str) -> None:
    assert await person(api, Claim(name, "Alice of Example"), pattern="(?P<user>[^@]+)(@example.org)?") == Person(
        user="alice", name="Alice of Example", clusters=("one", "two")
    )


async def test_a_prefix_of_the_home_organisation(api: Api) -> None:
    found = await person(api, Claim("alice", ""), prefix="hd_")
    assert (found.user, found.name, found.clusters) == ("hd_alice", "hd_alice", ("one",))


@pytest.mark.parametrize(
    "name",
    ["@example.org", "", "alice@evil.example", "alice/../bob", "a b", "\u212aate", "al\u0131ce", "root\n", "älice"],
)
async def test_names_that_no_cluster_could_know(api: Api, name: str) -> None:
    """Among them letters that become others in lower case: the Kelvin sign is no k."""
    with pytest.raises(NotAdmitted, match="not one that the clusters could know"):
        await person(api, Claim(name, ""), pattern="(?P<user>[^@]+)(@example.org)?")


async def test_by_default_a_name_of_another_realm_is_nobodys(api: Api) -> None:
    with pytest.raises(NotAdmitted):
        await person(api, Claim("alice@evil.example", ""))


async def test_who_has_no_account_is_told_the_name_that_was_looked_for(api: Api) -> None:
    with pytest.raises(NotAdmitted, match="no account “bob”"):
        await person(api, Claim("Bob", ""))


@pytest.mark.parametrize(
    ("groups", "administrator"),
    [((), False), (("users",), False), (("admins",), True), (("Admins",), False), (("cn=operators,dc=example",), True)],
)
async def test_administrators_are_in_a_mapped_group(api: Api, groups: tuple[str, ...], administrator: bool) -> None:
    assert (await person(api, Claim("alice", "", groups))).administrator is administrator


async def test_a_cluster_that_does_not_answer_keeps_nobody_out(api: Api, away: set[str]) -> None:
    away.add("two")
    assert (await person(api, Claim("hd_alice", ""))).clusters == ("one", "two")
    away.add("api")
    with pytest.raises(TryAgain):
        await person(api, Claim("alice", ""))

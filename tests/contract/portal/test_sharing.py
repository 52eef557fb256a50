"""Other people in a session, and addresses that it is bound to, on the portal's pages."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from fastapi import FastAPI

from bwvisu.adapters.records import decode
from bwvisu.domain.access import access_password, view_password
from bwvisu.domain.admission import Admissions
from bwvisu.errors import TryAgain
from bwvisu.portal.api import Api
from tests.contract.api.bound import available, bound_service
from tests.contract.api.service import Service
from tests.support.etcd import EtcdCluster
from tests.support.markup import unbalanced
from tests.support.portal import Visitor

Arrive = Callable[[str, str], Awaitable[Visitor]]


@pytest.fixture
async def api(etcd: EtcdCluster, tmp_path: Path) -> AsyncIterator[Service]:
    async with bound_service(etcd.endpoints, tmp_path / "applications") as running:
        yield running


@pytest.fixture
async def arrive(portal: FastAPI) -> AsyncIterator[Arrive]:
    """Somebody who comes from an address and signs in."""
    visitors: list[Visitor] = []

    async def come(name: str, address: str) -> Visitor:
        visitors.append(Visitor(portal, address))
        await visitors[-1].sign_in(name)
        return visitors[-1]

    yield come
    for each in visitors:
        await each.http.aclose()


async def admitted(api: Service, job_id: str) -> list[tuple[str, str]]:
    entry = (await api.records("admissions")).get(job_id)
    return [(each.network, each.user) for each in decode(Admissions, entry.value).entries] if entry else []


async def secret_of(api: Service, job_id: str) -> bytes:
    return (await api.records("secrets"))[job_id].value


async def link_of(owner: Visitor, job_id: str, **form: str) -> str:
    answer = await owner.post(f"/sessions/{job_id}/shares", {"do": "link", **form})
    found = re.search(r'<pre class="log" id="link" tabindex="0">([^<]+)</pre>', answer.text)
    assert found, answer.text
    assert not unbalanced(answer.text)
    return found[1]


async def test_connect_admits_where_the_visitor_comes_from(api: Service, arrive: Arrive) -> None:
    job, alice = await available(api), await arrive("alice", "192.0.2.7")
    answer = await alice.post(f"/sessions/{job}/connect")
    assert access_password(await secret_of(api, job)) in answer.text
    assert await admitted(api, job) == [("192.0.2.7/32", "alice")]
    page = (await alice.get(f"/sessions/{job}")).text
    assert not unbalanced(page)
    assert "<code>192.0.2.7</code>" in page
    entry = re.search(rf"/sessions/{job}/admissions/(\w+)/revoke", page)
    assert entry
    gone = await alice.post(f"/sessions/{job}/admissions/{entry[1]}/revoke")
    assert "The address is not admitted any more." in gone.text
    assert await admitted(api, job) == []
    typed = await alice.post(f"/sessions/{job}/admissions", {"address": "192.0.2.9"})
    assert "The address is admitted." in typed.text
    wrong = await alice.post(f"/sessions/{job}/admissions", {"address": "there"})
    assert "That is no IP address." in wrong.text


async def test_another_ip_version_is_told_before_connect_and_asked_for_then(api: Service, arrive: Arrive) -> None:
    job, alice = await available(api), await arrive("alice", "2001:db8::7")
    for path in ("/", f"/sessions/{job}"):
        assert "This session is reached by IPv4 only" in (await alice.get(path)).text
    answer = await alice.post(f"/sessions/{job}/connect")
    assert (answer.status_code, "You come from 2001:db8::7" in answer.text) == (409, True)
    assert not unbalanced(answer.text)
    secret = access_password(await secret_of(api, job))
    assert secret not in answer.text
    wrong = await alice.post(f"/sessions/{job}/connect", {"address": "127.0.0.1"})
    assert "is no IP address" in wrong.text or "Nobody reaches a session from that address." in wrong.text
    right = await alice.post(f"/sessions/{job}/connect", {"address": "192.0.2.7"})
    assert (right.status_code, secret in right.text) == (200, True)
    assert await admitted(api, job) == [("192.0.2.7/32", "alice")]
    assert "is reached by" not in (await (await arrive("alice", "192.0.2.7")).get("/")).text


async def test_where_forwards_are_open_nobody_is_asked_from_where(api: Service, arrive: Arrive) -> None:
    job, alice = await available(api, cluster="open"), await arrive("alice", "127.0.0.1")
    page = (await alice.get(f"/sessions/{job}")).text
    assert "Admitted addresses" not in page
    assert "who has the password already keeps it" in page
    assert (await alice.post(f"/sessions/{job}/connect")).status_code == 200
    assert "admissions" not in await api.stored()


async def test_a_person_finds_what_is_shared_and_comes_in(api: Service, arrive: Arrive) -> None:
    job, alice, bob = await available(api), await arrive("alice", "192.0.2.7"), await arrive("bob", "192.0.2.8")
    assert "Shared with you" not in (await bob.get("/")).text
    assert (await bob.post(f"/shared/{job}/connect")).status_code == 404
    told = await alice.post(f"/sessions/{job}/shares", {"do": "person", "user": " bob "})
    assert "bob may enter it now." in told.text
    page = (await bob.get("/")).text
    assert not unbalanced(page)
    assert "Shared with you" in page
    assert "of alice" in page
    opened = await bob.post(f"/shared/{job}/connect")
    assert access_password(await secret_of(api, job)) in opened.text
    assert await admitted(api, job) == [("192.0.2.8/32", "bob")]
    assert (await bob.get(f"/sessions/{job}")).status_code == 404
    share = re.search(rf"/sessions/{job}/shares/(\w+)/revoke", (await alice.get(f"/sessions/{job}")).text)
    assert share
    assert "It is shared so no more." in (await alice.post(f"/sessions/{job}/shares/{share[1]}/revoke")).text
    assert await admitted(api, job) == []
    assert "Shared with you" not in (await bob.get("/")).text


async def test_a_link_lets_in_whoever_opens_it(api: Service, arrive: Arrive) -> None:
    job, alice, bob = await available(api), await arrive("alice", "192.0.2.7"), await arrive("bob", "192.0.2.8")
    link = await link_of(alice, job)
    assert link.startswith("http://portal.test/shared#")
    token = link.partition("#")[2]
    assert token not in (await alice.get(f"/sessions/{job}")).text
    form = (await bob.get("/shared")).text
    assert not unbalanced(form)
    for code in (token, f"  {link} "):
        opened = await bob.post("/shared/open", {"token": code})
        assert access_password(await secret_of(api, job)) in opened.text
        assert token not in str(opened.url)
        assert 'action="/shared/open"' not in opened.text
    assert await admitted(api, job) == [("192.0.2.8/32", "bob")]
    elsewhere = await arrive("carol", "2001:db8::9")
    asked = await elsewhere.post("/shared/open", {"token": token})
    assert (asked.status_code, f'name="token" value="{token}"' in asked.text) == (409, True)
    assert "The session is reached by IPv4 only" in asked.text
    dead = await bob.post("/shared/open", {"token": token[:-1]})
    assert (dead.status_code, "This link is not valid, or not any more." in dead.text) == (404, True)


async def test_a_link_that_is_opened_too_early_is_given_back(api: Service, arrive: Arrive) -> None:
    job = (await api.submit(cluster="open"))["id"]
    alice, bob = await arrive("alice", "192.0.2.7"), await arrive("bob", "192.0.2.8")
    token = (await link_of(alice, job)).partition("#")[2]
    early = await bob.post("/shared/open", {"token": token})
    assert (early.status_code, "The session is not ready." in early.text) == (409, True)
    assert f'value="{token}"' in early.text
    assert not unbalanced(early.text)


async def test_who_is_admitted_already_comes_in_though_there_is_no_room(api: Service, arrive: Arrive) -> None:
    job, alice = await available(api), await arrive("alice", "192.0.2.7")
    for number in (7, 8, 9):
        await alice.post(f"/sessions/{job}/admissions", {"address": f"192.0.2.{number}"})
    await alice.post(f"/sessions/{job}/shares", {"do": "person", "user": "bob"})
    for address, status in (("192.0.2.8", 200), ("192.0.2.10", 409)):
        bob = await arrive("bob", address)
        assert (await bob.post(f"/shared/{job}/connect")).status_code == status


async def test_onlookers_are_told_that_they_are(api: Service, arrive: Arrive) -> None:
    job = await available(api, cluster="open", application="screen")
    alice, bob = await arrive("alice", "192.0.2.7"), await arrive("bob", "192.0.2.8")
    assert 'name="view_only"' in (await alice.get(f"/sessions/{job}")).text
    token = (await link_of(alice, job, view_only="true")).partition("#")[2]
    opened = (await bob.post("/shared/open", {"token": token})).text
    secret = await secret_of(api, job)
    assert view_password(secret) in opened
    assert access_password(secret) not in opened
    assert "You see this session, and cannot act in it." in opened


async def test_what_cannot_be_shared_is_told_with_the_reason(api: Service, arrive: Arrive) -> None:
    job, private = await available(api, cluster="open"), await available(api, cluster="private")
    alice = await arrive("alice", "192.0.2.7")
    assert 'name="view_only"' not in (await alice.get(f"/sessions/{job}")).text
    for form, words in (
        ({"do": "person", "user": ""}, "Whom? Type a user name, or make a link."),
        ({"do": "person", "user": "alice"}, "The session is yours already."),
        ({"do": "person", "user": "no body"}, "No cluster has such a user name."),
        ({"do": "link", "view_only": "true"}, "Probe cannot let people in who only see."),
    ):
        assert words in (await alice.post(f"/sessions/{job}/shares", form)).text
    assert 'id="sharing"' not in (await alice.get(f"/sessions/{private}")).text
    told = await alice.post(f"/sessions/{private}/shares", {"do": "link"})
    assert "This site does not let sessions be shared." in told.text


async def test_a_link_waits_for_the_sign_in(portal: FastAPI) -> None:
    stranger = Visitor(portal, "192.0.2.8")
    answer = await stranger.get("/shared")
    assert str(answer.url).endswith("/sign-in?to=%2Fshared")
    refused = await stranger.http.post("/shared/open", data={"token": "x"})
    assert "to=%2Fshared" in str(refused.url)
    await stranger.http.aclose()


async def test_forms_of_other_sites_share_nothing(api: Service, arrive: Arrive) -> None:
    job, alice = await available(api, cluster="open"), await arrive("alice", "192.0.2.7")
    for path in (f"/sessions/{job}/shares", f"/sessions/{job}/admissions", "/shared/open", f"/shared/{job}/connect"):
        assert (await alice.http.post(path, data={"csrf": "x", "do": "link"})).status_code == 400
    assert "shares" not in await api.stored()


@pytest.mark.parametrize("late", [False, True])
async def test_what_the_api_does_not_say_in_time_is_not_shown_as_nothing(
    api: Service, arrive: Arrive, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    async def silent(*_: object) -> None:
        if late:
            await asyncio.Event().wait()
        raise TryAgain("The service does not answer at the moment.", after=2)

    job, alice = await available(api), await arrive("alice", "192.0.2.7")
    for call in ("shares", "admissions", "shared"):
        monkeypatch.setattr(Api, call, silent)
    first, page = await alice.get("/"), await alice.get(f"/sessions/{job}")
    assert "What others share with you is not known at the moment." in first.text
    assert "Who else comes in, and from where, is not known at the moment." in page.text
    assert "None yet" not in page.text
    for each in (first, page):
        assert each.status_code == 200
        assert not unbalanced(each.text)

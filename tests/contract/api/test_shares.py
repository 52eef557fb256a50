"""Other people in a job, over HTTP: by name, by a link, seeing only, and no more."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bwvisu.adapters.etcd import Put
from bwvisu.adapters.records import decode, encode
from bwvisu.domain.access import access_password, view_password
from bwvisu.domain.admission import Admissions
from bwvisu.domain.share import Shares
from tests.contract.api.bound import ask, available, bound_service
from tests.contract.api.service import Service
from tests.contract.api.test_bad_input import problem
from tests.support.etcd import EtcdCluster


@pytest.fixture
async def api(etcd: EtcdCluster, tmp_path: Path) -> AsyncIterator[Service]:
    async with bound_service(etcd.endpoints, tmp_path / "applications") as running:
        yield running


async def shared(api: Service, job_id: str, **wanted: Any) -> dict[str, Any]:
    answer = await ask(api, "POST", f"/jobs/{job_id}/shares", "alice", **wanted)
    assert answer.status_code == 201, answer.text
    share: dict[str, Any] = answer.json()
    return share


async def redeemed(api: Service, token: str, person: str = "bob", **sent: Any) -> httpx2.Response:
    return await ask(api, "POST", "/shares/redeem", person, token=token, **sent)


async def secret_of(api: Service, job_id: str) -> bytes:
    return (await api.records("secrets"))[job_id].value


async def networks(api: Service, job_id: str) -> list[tuple[str, str]]:
    entry = (await api.records("admissions")).get(job_id)
    return [(each.network, each.user) for each in decode(Admissions, entry.value).entries] if entry else []


async def test_a_person_enters_and_learns_nothing_else(api: Service) -> None:
    job = await available(api)
    assert (await ask(api, "GET", "/shares", "bob")).json() == {"items": []}
    share = await shared(api, job, user="bob")
    assert (share["user"], share["view_only"], share["token"]) == ("bob", False, None)
    (seen,) = (await ask(api, "GET", "/shares", "bob")).json()["items"]
    known = {"id": job, "user": "alice", "application": "probe", "cluster": "main", "state": "available"}
    assert seen == {**known, "view_only": False, "expires_at": share["expires_at"]}
    assert (await ask(api, "GET", "/shares", "carol")).json() == {"items": []}

    access = await ask(api, "GET", f"/jobs/{job}/access?address=192.0.2.8", "bob")
    assert access.json()["password"] == access_password(await secret_of(api, job))
    assert (access.json()["admission"], access.json()["view_only"]) == ("needed", False)
    entry = await ask(api, "POST", f"/jobs/{job}/admissions", "bob", address="192.0.2.8")
    assert (entry.status_code, entry.json()["user"], entry.json()["share"]) == (201, "bob", share["id"])
    for method, path in (
        ("GET", ""), ("GET", "/log"), ("GET", "/script"), ("DELETE", ""), ("GET", "/admissions"), ("GET", "/shares"),
        ("DELETE", f"/admissions/{entry.json()['id']}"), ("DELETE", f"/shares/{share['id']}"), ("POST", "/shares"),
    ):  # fmt: skip
        answer = await ask(api, method, f"/jobs/{job}{path}", "bob")
        assert (answer.status_code, problem(answer)["type"]) == (404, "/problems/job-not-found"), path
    assert (await ask(api, "GET", f"/jobs/{job}/access", "carol")).status_code == 404


async def test_who_is_shared_with_no_more_is_out_with_all_addresses(api: Service) -> None:
    job = await available(api)
    share = await shared(api, job, user="bob")
    await ask(api, "POST", f"/jobs/{job}/admissions", "bob", address="192.0.2.8")
    await ask(api, "POST", f"/jobs/{job}/admissions", "alice", address="192.0.2.7")
    again = await shared(api, job, user="bob", minutes=5)
    assert again["id"] == share["id"], "one person, one share: what came by it goes with it"
    for _ in range(2):
        assert (await ask(api, "DELETE", f"/jobs/{job}/shares/{share['id']}", "alice")).status_code == 204
    assert await networks(api, job) == [("192.0.2.7/32", "alice")]
    assert (await ask(api, "GET", f"/jobs/{job}/access", "bob")).status_code == 404
    refused = await ask(api, "POST", f"/jobs/{job}/admissions", "bob", address="192.0.2.8")
    assert problem(refused)["type"] == "/problems/job-not-found"


async def test_a_link_admits_who_opens_it_until_it_is_revoked(api: Service) -> None:
    job = await available(api)
    share = await shared(api, job)
    token = share["token"]
    stored = (await api.records("shares"))[job].value.decode()
    assert token not in stored
    assert token.partition("-")[2] not in stored
    listed = (await ask(api, "GET", f"/jobs/{job}/shares", "alice")).json()["items"]
    assert listed == [{**share, "token": None}]

    opened = await redeemed(api, token, address="192.0.2.8")
    assert opened.status_code == 200, opened.text
    assert opened.headers["cache-control"] == "no-store"
    assert (opened.json()["job"]["id"], opened.json()["access"]["admission"]) == (job, "admitted")
    assert opened.json()["access"]["password"] == access_password(await secret_of(api, job))
    assert await networks(api, job) == [("192.0.2.8/32", "bob")]
    assert (await ask(api, "GET", "/shares", "bob")).json()["items"] == [], "a link names nobody"
    nowhere = await redeemed(api, token)
    assert nowhere.json()["errors"][0]["pointer"] == "/address"
    wrong = await redeemed(api, token, address="2001:db8::8")
    assert problem(wrong)["type"] == "/problems/address-family"

    await ask(api, "DELETE", f"/jobs/{job}/shares/{share['id']}", "alice")
    assert await networks(api, job) == []
    dead = await redeemed(api, token, address="192.0.2.8")
    assert (dead.status_code, problem(dead)["type"]) == (404, "/problems/share-not-found")


async def test_where_forwards_are_open_a_link_needs_no_address(api: Service) -> None:
    job = await available(api, cluster="open")
    token = (await shared(api, job))["token"]
    opened = (await redeemed(api, token)).json()
    assert (opened["access"]["admission"], opened["access"]["view_only"]) == ("open", False)
    assert "admissions" not in await api.stored()


async def test_onlookers_get_a_password_of_their_own(api: Service) -> None:
    job = await available(api, cluster="open", application="screen")
    token = (await shared(api, job, view_only=True))["token"]
    await shared(api, job, user="bob", view_only=True)
    secret = await secret_of(api, job)
    assert view_password(secret) != access_password(secret)
    by_link, by_name = (
        (await redeemed(api, token)).json()["access"],
        await ask(api, "GET", f"/jobs/{job}/access", "bob"),
    )
    for opened in (by_link, by_name.json()):
        assert (opened["password"], opened["view_only"]) == (view_password(secret), True)
        assert opened["url"].endswith(f"#password={view_password(secret)}")
        assert access_password(secret) not in str(opened)
    own = (await ask(api, "GET", f"/jobs/{job}/access", "alice")).json()
    assert (own["password"], own["view_only"]) == (access_password(secret), False)


async def test_an_application_that_knows_no_onlookers_says_so(api: Service) -> None:
    job = await available(api)
    answer = await ask(api, "POST", f"/jobs/{job}/shares", "alice", view_only=True)
    assert (answer.status_code, problem(answer)["type"]) == (409, "/problems/view-only-impossible")
    assert answer.json()["detail"] == "Probe cannot let somebody in who shall only see"
    applications = (await api.client().get("/api/v1/applications")).json()["items"]
    assert {each["name"]: each["view_only"] for each in applications} == {"probe": False, "screen": True}


async def test_what_cannot_be_shared_is_refused_with_the_reason(api: Service) -> None:
    job, private = await available(api, cluster="open"), await available(api, cluster="private")
    for body, why in (
        ({"user": "alice"}, "owns the job"),
        ({"user": "root"}, "is not a user name"),
        ({"user": "../bob"}, "is not a user name"),
        ({"minutes": 121}, "must be at most 120"),
    ):
        answer = await ask(api, "POST", f"/jobs/{job}/shares", "alice", **body)
        assert (answer.status_code, why in problem(answer)["errors"][0]["detail"]) == (422, True), body
    for _ in range(2):
        await shared(api, job)
    full = await ask(api, "POST", f"/jobs/{job}/shares", "alice")
    assert (full.status_code, problem(full)["type"]) == (409, "/problems/too-many")
    forbidden = await ask(api, "POST", f"/jobs/{private}/shares", "alice", user="bob")
    assert (forbidden.status_code, problem(forbidden)["type"]) == (403, "/problems/forbidden")
    unnamed = await ask(api, "GET", "/shares")
    assert problem(unnamed)["type"] == "/problems/forbidden"


async def test_a_stop_ends_all(api: Service) -> None:
    job = await available(api, cluster="open")
    token = (await shared(api, job))["token"]
    await shared(api, job, user="bob")
    await ask(api, "DELETE", f"/jobs/{job}", "alice")
    assert problem(await redeemed(api, token))["type"] == "/problems/job-over"
    assert (await ask(api, "GET", "/shares", "bob")).json()["items"] == []
    answer = await ask(api, "POST", f"/jobs/{job}/shares", "alice", user="carol")
    assert problem(answer)["type"] == "/problems/job-over"


async def test_an_expired_share_opens_nothing(api: Service) -> None:
    job = await available(api, cluster="open")
    token = (await shared(api, job))["token"]
    await shared(api, job, user="bob")
    state = api.context.state
    record = decode(Shares, (await api.records("shares"))[job].value)
    past = datetime.now(UTC) - timedelta(seconds=1)
    aged = record.model_copy(
        update={"entries": tuple(each.model_copy(update={"expires_at": past}) for each in record.entries)}
    )
    await state.store.commit([], [Put(state.keys.shares(job), encode(aged))])
    assert (await redeemed(api, token)).status_code == 404
    assert (await ask(api, "GET", f"/jobs/{job}/access", "bob")).status_code == 404
    assert (await ask(api, "GET", f"/jobs/{job}/shares", "alice")).json()["items"] == []


async def test_where_sharing_is_switched_off_what_was_shared_opens_nothing(api: Service) -> None:
    job = await available(api)
    token = (await shared(api, job))["token"]
    await shared(api, job, user="bob")
    main = api.context.clusters["main"]
    off = main.model_copy(update={"sharing": main.sharing.model_copy(update={"allowed": False})})
    for clusters in ({**api.context.clusters, "main": off}, {"open": api.context.clusters["open"]}):
        object.__setattr__(api.context, "clusters", clusters)
        assert problem(await redeemed(api, token, address="192.0.2.9"))["type"] == "/problems/share-not-found"
        assert (await ask(api, "GET", "/shares", "bob")).json()["items"] == []
        assert (await ask(api, "GET", f"/jobs/{job}/shares", "alice")).json()["items"] == []
        for method, path in (("GET", "access"), ("POST", "admissions")):
            answer = await ask(api, method, f"/jobs/{job}/{path}", "bob", address="192.0.2.8")
            assert problem(answer)["type"] == "/problems/job-not-found"


async def test_who_came_by_a_share_stays_no_longer_than_it_and_leaves_where_it_allows_less(api: Service) -> None:
    job = await available(api, application="screen")
    await shared(api, job, user="bob")
    for address, person in (("192.0.2.7", "alice"), ("192.0.2.8", "bob")):
        await ask(api, "POST", f"/jobs/{job}/admissions", person, address=address)
    shorter = await shared(api, job, user="bob", minutes=1)
    entries = (await ask(api, "GET", f"/jobs/{job}/admissions", "alice")).json()["items"]
    ends = {each["user"]: each["expires_at"] for each in entries}
    assert ends["bob"] == shorter["expires_at"] < ends["alice"]
    await shared(api, job, user="bob", view_only=True)
    assert await networks(api, job) == [("192.0.2.7/32", "alice")]


async def test_guessing_is_slowed_and_every_wrong_token_is_answered_alike(api: Service) -> None:
    job = await available(api, cluster="open")
    token = (await shared(api, job))["token"]
    wrong = [f"{job}-{'a' * 32}", token[:-1], token.upper(), "x", f"{job.replace('0', '1')}-{'a' * 32}"]
    answers = [await redeemed(api, guess) for guess in wrong]
    assert {(each.status_code, each.text) for each in answers} == {(404, answers[0].text)}
    while (answer := await redeemed(api, wrong[0])).status_code == 404:
        pass
    assert (answer.status_code, problem(answer)["type"]) == (429, "/problems/rate-limited")
    assert int(answer.headers["retry-after"]) >= 1
    assert (await redeemed(api, token, "carol")).status_code == 200, "others are not slowed"


async def test_a_guest_who_moves_on_uses_up_nothing(api: Service) -> None:
    job = await available(api, cluster="wide")
    await shared(api, job, user="bob")
    for number in range(6):
        answer = await ask(api, "POST", f"/jobs/{job}/admissions", "bob", address=f"192.0.2.{number}")
        assert answer.status_code == 201
    assert await networks(api, job) == [(f"192.0.2.{number}/32", "bob") for number in range(2, 6)]


async def test_guests_lock_no_owner_out(api: Service) -> None:
    job = await available(api)
    token = (await shared(api, job))["token"]
    for number in range(3):
        assert (await redeemed(api, token, address=f"192.0.2.{number}")).status_code == 200
    full = await redeemed(api, token, "carol", address="192.0.2.9")
    assert problem(full)["type"] == "/problems/too-many"
    there = await redeemed(api, token, "carol", address="192.0.2.2")
    assert there.json()["access"]["admission"] == "admitted", "that address passes already: nothing is wrong"
    for number in (7, 8, 9):
        answer = await ask(api, "POST", f"/jobs/{job}/admissions", "alice", address=f"198.51.100.{number}")
        assert answer.status_code == 201
    assert {user for _, user in await networks(api, job)} == {"alice"}
    answer = await ask(api, "POST", f"/jobs/{job}/admissions", "alice", address="198.51.100.10")
    assert problem(answer)["type"] == "/problems/too-many"

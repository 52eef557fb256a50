"""From where a job may be entered, over HTTP: what is admitted, renewed, refused and revoked."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bwvisu.adapters.etcd import Put
from bwvisu.adapters.records import decode, encode
from bwvisu.domain.admission import Admissions
from bwvisu.domain.job import JobStatus
from bwvisu.domain.lifecycle import Phase
from tests.contract.api.bound import ask, available, bound_service
from tests.contract.api.service import Service
from tests.contract.api.test_bad_input import problem
from tests.contract.api.test_jobs import AVAILABLE, FINISHED, seen
from tests.support.etcd import EtcdCluster


@pytest.fixture
async def api(etcd: EtcdCluster, tmp_path: Path) -> AsyncIterator[Service]:
    async with bound_service(etcd.endpoints, tmp_path / "applications") as running:
        yield running


async def record(api: Service, job_id: str) -> Admissions:
    return decode(Admissions, (await api.records("admissions"))[job_id].value)


async def admit(api: Service, job_id: str, person: str | None = "alice", **body: Any) -> dict[str, Any]:
    answer = await ask(api, "POST", f"/jobs/{job_id}/admissions", person, **body)
    assert answer.status_code in {200, 201}, answer.text
    entry: dict[str, Any] = answer.json()
    return entry


async def admitted(api: Service, job_id: str) -> list[str]:
    answer = await ask(api, "GET", f"/jobs/{job_id}/admissions", "alice")
    return [each["address"] for each in answer.json()["items"]]


async def test_an_address_is_admitted_renewed_listed_and_revoked(api: Service) -> None:
    job = await available(api)
    before = datetime.now(UTC)
    first = await ask(api, "POST", f"/jobs/{job}/admissions", "alice", address="192.0.2.7", minutes=5)
    entry = first.json()
    assert (first.status_code, entry["address"], entry["user"], entry["share"]) == (201, "192.0.2.7", "alice", None)
    again = await ask(api, "POST", f"/jobs/{job}/admissions", "alice", address=" ::ffff:192.0.2.7")
    assert (again.status_code, again.json()["id"]) == (200, entry["id"])
    ends = datetime.fromisoformat(again.json()["expires_at"])
    assert before + timedelta(minutes=59) < ends < datetime.now(UTC) + timedelta(minutes=61)
    (kept,) = (await record(api, job)).entries
    assert (kept.network, kept.user, kept.by) == ("192.0.2.7/32", "alice", "portal")
    assert await admitted(api, job) == ["192.0.2.7"]
    for _ in range(2):
        gone = await ask(api, "DELETE", f"/jobs/{job}/admissions/{entry['id']}", "alice")
        assert (gone.status_code, gone.content) == (204, b"")
    assert await admitted(api, job) == []
    assert (await record(api, job)).entries == ()


async def test_without_an_address_the_askers_own_is_meant_and_a_frontends_never(api: Service) -> None:
    job = await available(api)
    own = await ask(api, "POST", f"/jobs/{job}/admissions", holder="alices-own")
    assert (own.status_code, own.json()["type"]) == (422, "/problems/invalid-input"), "tests ask from loopback"
    assert own.json()["errors"][0]["detail"].startswith("is or holds a loopback address")
    forwarded = {"X-Forwarded-For": "192.0.2.50"}  # believed: the tests' server trusts loopback
    path, client = f"/api/v1/jobs/{job}", api.client("alices-own")
    assert (await client.get(f"{path}/access", headers=forwarded)).json()["admission"] == "needed"
    mine = await client.post(f"{path}/admissions", json={}, headers=forwarded)
    assert (mine.status_code, mine.json()["address"]) == (201, "192.0.2.50")
    assert (await client.get(f"{path}/access", headers=forwarded)).json()["admission"] == "admitted"
    frontends = await ask(api, "POST", f"/jobs/{job}/admissions", "alice")
    assert "a frontend's own address is another one" in frontends.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("there", "is not an IP address"),
        ("192.0.2.7%eth0", "is not an IP address"),
        ("fe80::1%eth0", "is not an IP address"),
        ("192.0.2.0/33", "is neither an IP address nor a network"),
        ("192.0.2.0/24", "is a network; this site lets single IPv4 addresses be admitted"),
        ("2001:db8::/64", "is a network; this site lets single IPv6 addresses be admitted"),
        ("0.0.0.0", "the unspecified address"),  # noqa: S104 nobody listens there
        ("::", "the unspecified address"),
        ("127.0.0.1", "a loopback address"),
        ("::1", "a loopback address"),
        ("224.0.0.1", "a multicast or reserved address"),
        ("ff02::1", "a multicast address"),
        ("fe80::1", "a link-local address"),
        ("0.0.0.0/0", "is or holds"),
    ],
)
async def test_what_cannot_be_admitted_is_refused_with_the_reason(api: Service, address: str, why: str) -> None:
    job = await available(api)
    answer = await ask(api, "POST", f"/jobs/{job}/admissions", "alice", address=address)
    (fault,) = problem(answer)["errors"]
    assert (answer.status_code, fault["pointer"]) == (422, "/address")
    assert why in fault["detail"]
    assert "admissions" not in await api.stored()


async def test_networks_are_admitted_where_the_site_lets_them_and_as_wide_as_it_does(api: Service) -> None:
    job = await available(api, cluster="wide")
    assert (await admit(api, job, address="192.0.2.9/24"))["address"] == "192.0.2.0/24"
    answer = await ask(api, "POST", f"/jobs/{job}/admissions", "alice", address="192.0.0.0/16")
    assert "is too wide: this site lets IPv4 networks from /24" in answer.json()["errors"][0]["detail"]
    mapped = await ask(api, "POST", f"/jobs/{job}/admissions", "alice", address="::ffff:192.0.2.0/120")
    assert "write them as IPv4" in mapped.json()["errors"][0]["detail"]
    inside = await ask(api, "GET", f"/jobs/{job}/access?address=192.0.2.200", "alice")
    outside = await ask(api, "GET", f"/jobs/{job}/access?address=192.0.3.1", "alice")
    assert (inside.json()["admission"], outside.json()["admission"]) == ("admitted", "needed")


async def test_an_address_of_the_other_family_is_told_before_anything_is_admitted(api: Service) -> None:
    job = await available(api)
    answer = await ask(api, "POST", f"/jobs/{job}/admissions", "alice", address="2001:db8::7")
    assert (answer.status_code, problem(answer)["type"]) == (409, "/problems/address-family")
    assert "the job's gateway has an IPv4 address only" in answer.json()["detail"]
    access = await ask(api, "GET", f"/jobs/{job}/access?address=2001:db8::7", "alice")
    assert access.json()["admission"] == "other-family"
    sixth = await api.submit(cluster="sixth")  # it has no gateway yet: all that it may be given are IPv6
    refused = await ask(api, "POST", f"/jobs/{sixth['id']}/admissions", "alice", address="192.0.2.7")
    assert "has an IPv6 address only" in problem(refused)["detail"]
    assert (await admit(api, sixth["id"], address="2001:DB8::7"))["address"] == "2001:db8::7"
    status = (await api.client().get("/api/v1/clusters/sixth")).json()
    assert (status["admission"], [each["address_family"] for each in status["gateways"]]) == ("owner-address", [6])


async def test_access_says_what_the_address_needs(api: Service) -> None:
    job, free = await available(api), await available(api, cluster="open")
    path = f"/jobs/{job}/access?address=192.0.2.7"
    assert (await ask(api, "GET", path, "alice")).json()["admission"] == "needed"
    entry = await admit(api, job, address="192.0.2.7")
    assert (await ask(api, "GET", path, "alice")).json()["admission"] == "admitted"
    await ask(api, "DELETE", f"/jobs/{job}/admissions/{entry['id']}", "alice")
    assert (await ask(api, "GET", path, "alice")).json()["admission"] == "needed"
    assert (await ask(api, "GET", f"/jobs/{free}/access", "alice")).json()["admission"] == "open"
    sixth = await available(api, cluster="sixth")
    frontends = await ask(api, "GET", f"/jobs/{sixth}/access", "alice")
    assert frontends.json()["admission"] == "needed", "a frontend's own family says nothing of its user's"
    wrong = await ask(api, "GET", f"/jobs/{job}/access?address=there", "alice")
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/address")


async def test_there_are_so_many_entries_and_expired_ones_do_not_count(api: Service) -> None:
    job = await available(api)
    for number in range(3):
        await admit(api, job, address=f"192.0.2.{number + 1}")
    full = await ask(api, "POST", f"/jobs/{job}/admissions", "alice", address="192.0.2.9")
    assert (full.status_code, problem(full)["type"]) == (409, "/problems/too-many")
    assert (await ask(api, "POST", f"/jobs/{job}/admissions", "alice", address="192.0.2.3")).status_code == 200
    found = await record(api, job)
    past = datetime.now(UTC) - timedelta(seconds=1)
    aged = found.entries[0].model_copy(update={"expires_at": past})
    state = api.context.state
    value = encode(found.model_copy(update={"entries": (aged, *found.entries[1:])}))
    await state.store.commit([], [Put(state.keys.admissions(job), value)])
    assert aged.network not in await admitted(api, job)
    await admit(api, job, address="192.0.2.9")
    assert len((await record(api, job)).entries) == 3


async def test_too_long_is_refused(api: Service) -> None:
    job = await available(api)
    answer = await ask(api, "POST", f"/jobs/{job}/admissions", "alice", address="192.0.2.7", minutes=61)
    assert problem(answer)["errors"] == [{"pointer": "/minutes", "detail": "must be at most 60"}]


@pytest.mark.parametrize("status", [FINISHED, JobStatus(phase=Phase.ENDING)])
async def test_nobody_is_admitted_to_what_is_over(api: Service, status: JobStatus) -> None:
    job = await api.submit()
    await seen(api, job["id"], status)
    answer = await ask(api, "POST", f"/jobs/{job['id']}/admissions", "alice", address="192.0.2.7")
    assert (answer.status_code, problem(answer)["type"]) == (409, "/problems/job-over")


async def test_a_stopped_job_and_an_open_cluster_take_none(api: Service) -> None:
    job, free = await available(api), await available(api, cluster="open")
    await ask(api, "DELETE", f"/jobs/{job}", "alice")
    stopped = await ask(api, "POST", f"/jobs/{job}/admissions", "alice", address="192.0.2.7")
    assert problem(stopped)["type"] == "/problems/job-over"
    for body in ({"address": "192.0.2.7"}, {}):
        answer = await ask(api, "POST", f"/jobs/{free}/admissions", "alice", **body)
        assert (answer.status_code, problem(answer)["type"]) == (409, "/problems/forwards-open")
    assert "whoever knows the job's address" in answer.json()["detail"]


async def test_other_peoples_jobs_do_not_exist(api: Service) -> None:
    job = await available(api)
    entry = await admit(api, job, address="192.0.2.7")
    for method, tail in (("POST", ""), ("GET", ""), ("DELETE", f"/{entry['id']}")):
        answer = await ask(api, method, f"/jobs/{job}/admissions{tail}", "bob")
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/job-not-found")
    named = await ask(api, "POST", f"/jobs/{job}/admissions", "bob", address="192.0.2.8")
    assert (named.status_code, problem(named)["type"]) == (404, "/problems/job-not-found")
    assert await admitted(api, job) == ["192.0.2.7"]
    reader = await ask(api, "GET", f"/jobs/{job}/admissions", holder="reader")
    assert problem(reader)["type"] == "/problems/scope-missing"


async def test_many_at_once_lose_nothing(api: Service) -> None:
    job = await available(api)
    await seen(api, job, AVAILABLE)
    await asyncio.gather(*(admit(api, job, address=f"192.0.2.{number + 1}") for number in range(3)))
    assert sorted(await admitted(api, job)) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


async def test_a_damaged_record_is_the_administrators(api: Service) -> None:
    job = await available(api)
    state = api.context.state
    await state.store.commit([], [Put(state.keys.admissions(job), b"{")])
    answer = await ask(api, "POST", f"/jobs/{job}/admissions", "alice", address="192.0.2.7")
    assert (answer.status_code, problem(answer)["type"]) == (503, "/problems/out-of-order")

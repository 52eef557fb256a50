"""The administrators' pages, over a real API."""

import asyncio
import html
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bwvisu.adapters.etcd import Put
from bwvisu.adapters.records import decode, encode
from bwvisu.domain.cluster import ClusterView, Drain, GatewayView, NodeView, PartitionView
from bwvisu.domain.job import JobSpec, JobStatus, SlurmView
from bwvisu.domain.lifecycle import Phase
from tests.contract.api.conftest import APP, make_bundle
from tests.contract.api.service import Service, cluster_settings, service
from tests.contract.api.test_drain import GATEWAY, ordered, shows
from tests.support.etcd import EtcdCluster
from tests.support.portal import Visitor, portal_over
from tests.support.waiting import eventually_true


@pytest.fixture
async def api(etcd: EtcdCluster, tmp_path: Path) -> AsyncIterator[Service]:
    make_bundle(tmp_path / "applications" / "probe", APP)
    slurm = {"extend": {"allowed": True, "maximum": 7200}}
    limits = {"running_per_user": 2, "waiting_per_user": 1}
    first = cluster_settings(gateways=[GATEWAY], compute_networks=["10.1.0.0/16"], slurm=slurm, limits=limits)
    clusters = {"main": first, "other": cluster_settings(title="The other one")}
    async with service(etcd.endpoints, tmp_path / "applications", clusters=clusters) as running:
        running.leader.knows("alice", "bob", "admin")
        yield running


@pytest.fixture
async def admin(visitor: Callable[[], Visitor]) -> Visitor:
    person = visitor()
    await person.sign_in("admin")
    return person


async def see(person: Visitor, path: str, **query: str) -> str:
    """The words of a page, tags left out."""
    answer = await person.get(path, **query)
    assert answer.status_code == 200, answer.text
    return words(answer.text)


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


async def told(api: Service) -> None:
    """What a leader saw of the cluster."""
    view = ClusterView(
        name="main",
        command_nodes=(NodeView(name="cmd1", reachable=False, detail="no route to host"),),
        gateways=(GatewayView(name="gw1", reachable=True, forwards=3),),
        looked_at=api.context.now(),
        partitions=(
            PartitionView(name="batch", state="up", is_default=True, time_limit=86400, nodes=120),
            PartitionView(name="gpu", state="down", nodes=8),
        ),
    )
    store, key = api.context.state.store, api.context.state.keys.cluster("main")
    committed = await store.commit([], [Put(key, encode(view))])
    await api.context.state.until(lambda: api.context.state.clusters.revision >= committed.revision, 10)


async def test_an_administrator_sees_what_is_known_of_each_cluster(api: Service, admin: Visitor) -> None:
    await told(api)
    job = await api.submit()
    await api.leader.sees(job["id"], JobStatus(phase=Phase.QUEUED))
    await api.submit()

    async def shown() -> bool:
        return "alice 1 / 2 1 / 1" in await see(admin, "/admin")

    await eventually_true(shown)
    page = await see(admin, "/admin")
    for words in (
        "cmd1 not reachable no route to host",
        "gw1 in use 3 – Drain",
        "batch default up 120 24 hours",
        "gpu down 8 no limit",
        "In Slurm at once 2 Waiting for those 1 More time up to 2 hours in all",
        "The other one Never seen",
        "More time not possible",
        "Nobody has sessions here",
    ):
        assert words in page, page


async def test_draining_a_gateway_is_shown_and_signed(api: Service, admin: Visitor) -> None:
    await shows(api, drained=False)
    pressed = asyncio.create_task(admin.post("/admin/gateways/main/gw1", {"do": "drain"}))
    await eventually_true(lambda: ordered(api))
    await shows(api, drained=True)
    page = words((await pressed).text)
    assert "The gateway takes no new connections." in page
    assert "gw1 drained 3 – Put to use gw1 Drain and move gw1" in page
    audit = await see(admin, "/admin/audit")
    assert "admin portal · 127.0.0.1 Drain a gateway main · gw1 done" in audit


async def test_a_drained_gateway_can_be_emptied_too(api: Service, admin: Visitor) -> None:
    await shows(api, drained=True)
    pressed = asyncio.create_task(admin.post("/admin/gateways/main/gw1", {"do": "move"}))

    async def moves() -> bool:
        order = (await api.records("gateways")).get("main/gw1")
        return order is not None and decode(Drain, order.value).move

    await eventually_true(moves)
    await shows(api, drained=True, vacated=True)
    page = words((await pressed).text)
    assert "its sessions move to others." in page
    assert "gw1 drained, its sessions move 3 – Put to use gw1" in page
    assert "Drain and move" not in page


async def test_everybodys_sessions_are_found_by_whatever_is_known_of_them(api: Service, admin: Visitor) -> None:
    mine = await api.submit(user="alice")
    theirs = await api.submit(user="bob", cluster="other")
    seen = JobStatus(phase=Phase.QUEUED, slurm=SlurmView(job_id=4711, state="PENDING"))
    await api.leader.sees(theirs["id"], seen)

    async def found(**query: str) -> set[str]:
        page = await see(admin, "/admin/sessions", **query)
        return {job["id"] for job in (mine, theirs) if job["id"] in page.partition("Since")[2]}

    async def known() -> bool:
        return await found(q="4711") == {theirs["id"]}

    await eventually_true(known)
    assert await found() == {mine["id"], theirs["id"]}
    for query in ({"q": " alice "}, {"q": mine["id"].upper()}, {"cluster": "main"}, {"state": "accepted"}):
        assert await found(**query) == {mine["id"]}, query
    assert await found(application="probe") == {mine["id"], theirs["id"]}
    for query in ({"q": "4712"}, {"q": "0" * 26}, {"q": "nobody"}, {"application": "other"}):
        assert await found(**query) == set(), query


async def test_a_session_that_an_administrator_stops_says_so(api: Service, admin: Visitor) -> None:
    job = await api.submit()
    here = f"/admin/sessions?q={job['id']}"
    assert f'value="{here}"' in (await admin.get(here)).text
    page = words((await admin.post(f"/admin/sessions/{job['id']}/stop", {"back": here})).text)
    assert "The session is being stopped." in page
    assert "Stopping" in page
    spec = decode(JobSpec, (await api.records("specs"))[job["id"]].value)
    assert (spec.wanted, spec.stopped_by) == ("stopped", "admin")
    audit = await see(admin, "/admin/audit", user="alice", action="cancelJob")
    assert f"admin portal · 127.0.0.1 Stop a session alice {job['id']} done" in audit


async def test_without_the_scope_of_administrators_the_pages_say_what_the_portal_lacks(api: Service) -> None:
    async with portal_over(api.url, "bwv_plain") as app:
        admin = Visitor(app)
        await admin.sign_in("admin")
        answers = [await admin.get("/admin"), await admin.get("/admin/audit")]
        answers.append(await admin.post("/admin/gateways/main/gw1", {"do": "drain"}))
        for answer in answers:
            assert answer.status_code == 502
            assert "The portal's token lacks the scope “admin”, which this page needs" in words(answer.text)
        await admin.http.post("/look", data={"csrf": await admin.csrf(), "language": "de"})
        assert "Dem Token des Portals fehlt das Recht (Scope) „admin“" in words((await admin.get("/admin")).text)
        await admin.http.aclose()


async def test_nobody_else_sees_or_does_any_of_it(api: Service, alice: Visitor) -> None:
    job = await api.submit(user="bob")
    answers = [await alice.get(path) for path in ("/admin", "/admin/sessions", "/admin/audit")]
    posts = ("/admin/gateways/main/gw1", f"/admin/sessions/{job['id']}/stop")
    answers += [await alice.post(path, {"do": "drain"}) for path in posts]
    assert [answer.status_code for answer in answers] == [403] * 5
    assert all("Only administrators may see this page." in answer.text for answer in answers)
    assert 'href="/admin"' not in (await alice.get("/")).text
    assert (await alice.post(f"/sessions/{job['id']}/stop")).status_code == 404
    assert await api.records("gateways") == {}
    assert (await api.client().get(f"/api/v1/jobs/{job['id']}")).json()["wanted"] == "running"

"""Stopping jobs that nobody uses, over HTTP: what may be asked for, what is told, and keeping one.

The test plays the leader.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bwvisu.adapters.etcd import Put
from bwvisu.adapters.records import decode, encode
from bwvisu.domain.cluster import ClusterView, GatewayView
from bwvisu.domain.job import Idleness, JobSpec, JobStatus
from bwvisu.domain.lifecycle import Phase
from tests.contract.api.conftest import APP, make_bundle
from tests.contract.api.service import Service, cluster_settings, service
from tests.contract.api.test_bad_input import problem
from tests.contract.api.test_jobs import AVAILABLE, seen, show
from tests.support.etcd import EtcdCluster
from tests.support.waiting import eventually_true

NOW = datetime(2100, 1, 1, tzinfo=UTC)
WARNED = Idleness(warned_at=NOW - timedelta(minutes=5), stops_at=NOW)
READY = AVAILABLE.model_copy(update={"idle": WARNED})


@pytest.fixture
async def api(etcd: EtcdCluster, bundles: Path) -> AsyncIterator[Service]:
    clusters = {
        "main": cluster_settings(),
        "never": cluster_settings(limits={"idle_stop": {"allowed": False}}),
        "bounded": cluster_settings(limits={"idle_stop": {"minimum": 1200, "maximum": 7200}}),
    }
    async with service(etcd.endpoints, bundles, clusters=clusters) as running:
        running.leader.knows("alice", "bob")
        yield running


def refused(answer: httpx2.Response, status: int, slug: str) -> dict[str, Any]:
    told = problem(answer)
    assert (told["status"], told["type"]) == (status, f"/problems/{slug}")
    return told


async def stored(api: Service, job_id: str) -> JobSpec:
    return decode(JobSpec, (await api.records("specs"))[job_id].value)


async def watched(api: Service, status: JobStatus = READY) -> dict[str, Any]:
    job = await api.submit(idle_stop_minutes=60)
    return await seen(api, job["id"], status)


async def test_what_was_asked_for_is_stored_in_seconds_and_shown(api: Service) -> None:
    job = await api.submit(idle_stop_minutes=60)
    assert (await stored(api, job["id"])).idle_stop == 3600
    assert job["idle"] == {"stop_after_minutes": 60, "since": None, "warned": False, "stops_at": None}
    for plain in (await api.submit(), await api.submit(idle_stop_minutes=0)):
        assert plain["idle"] is None


@pytest.mark.parametrize(
    ("cluster", "minutes"),
    [("main", 9), ("main", 10081), ("main", -1), ("never", 60), ("bounded", 19), ("bounded", 121)],
)
async def test_what_the_site_does_not_allow_is_refused_with_a_pointer(api: Service, cluster: str, minutes: int) -> None:
    body = {"user": "alice", "application": "probe", "cluster": cluster, "idle_stop_minutes": minutes}
    answer = await api.client().post("/api/v1/jobs", json=body)
    assert refused(answer, 422, "invalid-input")["errors"][0]["pointer"] == "/idle_stop_minutes"


async def test_another_wish_with_the_same_key_is_another_request(api: Service) -> None:
    body = {"user": "alice", "application": "probe"}
    client, key = api.client(), {"Idempotency-Key": "one"}
    first = await client.post("/api/v1/jobs", json={**body, "idle_stop_minutes": 60}, headers=key)
    again = await client.post("/api/v1/jobs", json={**body, "idle_stop_minutes": 60}, headers=key)
    assert (first.status_code, again.status_code, first.json()["id"]) == (201, 200, again.json()["id"])
    other = await client.post("/api/v1/jobs", json={**body, "idle_stop_minutes": 30}, headers=key)
    refused(other, 422, "idempotency-key-reused")


async def test_a_warned_job_is_kept_and_the_warning_is_gone_at_once(api: Service) -> None:
    # The warning lies in the future, as this test's other times: `keep` must be later than it.
    status = READY.model_copy(
        update={"idle": WARNED.model_copy(update={"warned_at": datetime(2020, 1, 1, tzinfo=UTC)})}
    )
    job = await watched(api, status)
    assert (job["idle"]["warned"], job["idle"]["stops_at"]) == (True, "2100-01-01T00:00:00Z")
    answer = await api.client().post(f"/api/v1/jobs/{job['id']}/keep")
    assert answer.status_code == 200
    kept = answer.json()["idle"]
    assert (kept["warned"], kept["stops_at"]) == (False, None)
    at = (await stored(api, job["id"])).kept_at
    assert at is not None
    assert datetime.fromisoformat(kept["since"]) == at
    assert (await api.client().post(f"/api/v1/jobs/{job['id']}/keep")).status_code == 200
    assert (await stored(api, job["id"])).kept_at == at  # once within a few seconds is enough


async def test_keeping_what_is_not_stopped_writes_nothing(api: Service) -> None:
    job = await seen(api, (await api.submit())["id"], AVAILABLE)
    answer = await api.client().post(f"/api/v1/jobs/{job['id']}/keep")
    assert (answer.status_code, answer.json()["revision"]) == (200, job["revision"])


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        (AVAILABLE.model_copy(update={"phase": Phase.FINISHED}), "It is over."),
        (AVAILABLE.model_copy(update={"phase": Phase.ENDING}), "It is ending."),
        (AVAILABLE.model_copy(update={"idle": WARNED.model_copy(update={"stopped_at": NOW})}), "It was told to stop."),
    ],
)
async def test_what_is_over_or_being_stopped_cannot_be_kept(api: Service, status: JobStatus, detail: str) -> None:
    job = await watched(api, status)
    answer = await api.client().post(f"/api/v1/jobs/{job['id']}/keep")
    assert refused(answer, 409, "not-keepable")["detail"] == detail


async def test_only_who_may_write_keeps_and_strangers_learn_nothing(api: Service) -> None:
    job = await seen(api, (await api.submit("bob", idle_stop_minutes=60))["id"], READY)
    refused(await api.client("reader").post(f"/api/v1/jobs/{job['id']}/keep"), 403, "scope-missing")
    refused(await api.client("alices").post(f"/api/v1/jobs/{job['id']}/keep"), 404, "job-not-found")


async def test_where_it_cannot_be_told_since_is_null(api: Service) -> None:
    job = await watched(api, AVAILABLE.model_copy(update={"idle": Idleness(known=False)}))
    assert (job["idle"]["since"], job["idle"]["warned"]) == (None, False)


async def test_metrics_show_what_the_leader_published_and_leave_out_what_is_not_known(api: Service) -> None:
    gateways = (
        GatewayView(name="gw1", reachable=True, connections=3, bytes_in=70, bytes_out=900),
        GatewayView(name="gw2", reachable=False),
    )
    store, keys = api.context.state.store, api.context.state.keys
    await store.commit([], [Put(keys.cluster("main"), encode(ClusterView(name="main", gateways=gateways)))])

    async def shown() -> bool:
        return "bwvisu_gateway_connections{" in (await api.client().get("/metrics")).text

    await eventually_true(shown)
    text = (await api.client().get("/metrics")).text
    assert 'bwvisu_gateway_connections{cluster="main",gateway="gw1"} 3.0' in text
    assert 'bwvisu_gateway_received_bytes_total{cluster="main",gateway="gw1"} 70.0' in text
    assert 'bwvisu_gateway_sent_bytes_total{cluster="main",gateway="gw1"} 900.0' in text
    assert 'bwvisu_gateway_usable{cluster="main",gateway="gw2"} 0.0' in text
    assert [line for line in text.splitlines() if 'gateway="gw2"' in line and "usable" not in line] == [
        'bwvisu_gateway_forwards{cluster="main",gateway="gw2"} 0.0'
    ]


async def test_who_is_connected_is_told_of_each_service(api: Service) -> None:
    (web,) = AVAILABLE.services
    used = web.model_copy(update={"connections": 2, "bytes_in": 5, "bytes_out": 6, "last_active_at": NOW})
    job = await watched(api, AVAILABLE.model_copy(update={"services": (used,)}))
    shown = (await show(api, job["id"]))["services"][0]
    told = {name: shown[name] for name in ("connections", "bytes_in", "bytes_out", "last_active_at")}
    assert told == {"connections": 2, "bytes_in": 5, "bytes_out": 6, "last_active_at": "2100-01-01T00:00:00Z"}


async def test_an_application_tells_after_how_long_its_jobs_are_stopped_on_each_cluster(
    api: Service, bundles: Path
) -> None:
    make_bundle(bundles / "costly", APP.replace("summary:", "idle_stop: 900\nsummary:"))
    api.context.catalogue.refresh()
    shown = {each["name"]: each for each in (await api.client().get("/api/v1/applications")).json()["items"]}
    assert shown["costly"]["idle_stop_minutes"] == {"main": 15, "bounded": 20}
    assert shown["probe"]["idle_stop_minutes"] == {}

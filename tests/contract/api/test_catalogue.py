"""Applications, clusters, users, health and metrics."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from bwvisu.adapters.etcd import Put
from bwvisu.adapters.records import encode
from bwvisu.domain.cluster import ClusterView, NodeView
from tests.contract.api.conftest import APP, make_bundle
from tests.contract.api.service import Service
from tests.contract.api.test_bad_input import problem
from tests.support.waiting import eventually_true


async def test_the_catalogue_shows_parameters_as_json_schema(api: Service) -> None:
    listed = (await api.client().get("/api/v1/applications")).json()["items"]
    shown = (await api.client().get("/api/v1/applications/probe")).json()
    assert listed == [shown]
    assert (shown["name"], shown["title"], shown["clusters"]) == ("probe", "Probe", ["main"])
    assert shown["ports"] == [{"name": "web", "protocol": "http", "path": "/lab"}]
    assert list(shown["parameters"]["properties"]) == ["minutes", "text", "colour", "flag"]
    assert shown["parameters"]["properties"]["minutes"]["maximum"] == 60


async def test_what_is_asked_only_sometimes_or_is_narrower_on_a_cluster(api: Service, bundles: Path) -> None:
    gpus = (
        "gpus: {type: integer, minimum: 1, maximum: 8, default: 1, when: {flag: true}, clusters: {main: {maximum: 2}}}"
    )
    make_bundle(bundles / "cards", APP + f"  {gpus}\n")
    api.context.catalogue.refresh()
    shown = (await api.client().get("/api/v1/applications/cards")).json()
    assert shown["parameters"]["allOf"][0]["if"] == {"properties": {"flag": {"enum": [True]}}, "required": ["flag"]}
    assert shown["parameters"]["properties"]["gpus"]["maximum"] == 8
    assert shown["cluster_parameters"]["main"]["properties"]["gpus"]["maximum"] == 2
    for given, told in (
        ({"gpus": 2}, "gpus is asked only where flag is true"),
        ({"flag": True, "gpus": 3}, "gpus must be at most 2"),
    ):
        body = {"user": "alice", "application": "cards", "parameters": given}
        answer = await api.client().post("/api/v1/jobs", json=body)
        assert answer.status_code == 422
        assert problem(answer)["errors"] == [{"pointer": "/parameters/gpus", "detail": told}]
    job = await api.submit(application="cards")
    again = await api.submit(application="cards", parameters=job["parameters"])
    assert again["parameters"] == job["parameters"]
    assert (job["parameters"]["flag"], job["parameters"]["gpus"]) == (False, 1)


async def test_a_new_application_appears_without_a_restart(api: Service, bundles: Path) -> None:
    make_bundle(bundles / "another", APP)

    async def there() -> bool:
        return (await api.client().get("/api/v1/applications/another")).status_code == 200

    await eventually_true(there)


async def test_a_broken_bundle_is_reported_while_its_last_good_version_stays(api: Service, bundles: Path) -> None:
    make_bundle(bundles / "never", "title: [")
    good = (bundles / "probe" / "job.sh.j2").read_text()
    with capture_logs() as logs:
        (bundles / "probe" / "job.sh.j2").write_text("no shell\n")
        await eventually_true(lambda: counted(api, (1, 2)))
        listed = (await api.client().get("/api/v1/applications")).json()
        assert [each["name"] for each in listed["items"]] == ["probe"]
        assert [(each["name"], each["served"]) for each in listed["broken"]] == [("never", False), ("probe", True)]
        assert "begins with #!" in listed["broken"][1]["problems"][0]
        assert (await api.client("reader").get("/api/v1/applications")).json()["broken"] == []
        await api.submit()
        (bundles / "probe" / "job.sh.j2").write_text(good)
        await eventually_true(lambda: counted(api, (1, 1)))
        await eventually_true(lambda: said(logs, "application is not broken any more"))
    broken = [each for each in logs if each["event"] == "application is broken"]
    assert sorted((each["application"], each["last_good_version_stays"]) for each in broken) == [
        ("never", False),
        ("probe", True),
    ]


async def counted(api: Service, wanted: tuple[int, int]) -> bool:
    text = (await api.client().get("/metrics")).text
    found = {family.name: family.samples[0].value for family in text_string_to_metric_families(text) if family.samples}
    return (found["bwvisu_applications"], found["bwvisu_broken_applications"]) == wanted


async def said(logs: Sequence[Mapping[str, object]], event: str) -> bool:
    return any(each["event"] == event for each in logs)


async def test_an_application_of_another_cluster_does_not_run_here(api: Service, bundles: Path) -> None:
    make_bundle(bundles / "elsewhere", APP + "clusters: [north]\n")
    api.context.catalogue.refresh()
    for cluster, slug in ((None, "unknown-cluster"), ("main", "invalid-input"), ("north", "unknown-cluster")):
        body = {"user": "alice", "application": "elsewhere", "cluster": cluster}
        answer = await api.client().post("/api/v1/jobs", json=body)
        assert (answer.status_code, problem(answer)["type"]) == (422, f"/problems/{slug}")
    assert (await api.client().get("/api/v1/applications/elsewhere")).json()["clusters"] == []


async def test_a_cluster_nobody_has_looked_at_is_not_said_to_be_reachable(api: Service) -> None:
    cluster = (await api.client().get("/api/v1/clusters/main")).json()
    assert cluster["command_nodes"] == [{"name": "cmd1", "reachable": False, "detail": "nobody has looked yet"}]
    assert (cluster["looked_at"], cluster["look_age_seconds"], cluster["partitions"]) == (None, None, None)


async def test_a_cluster_is_shown_as_the_leader_saw_it(api: Service) -> None:
    looked_at = datetime.now(UTC) - timedelta(seconds=60)
    view = ClusterView(
        name="main", command_nodes=(NodeView(name="cmd1", reachable=True),), gateways=(), looked_at=looked_at
    )
    await api.context.state.store.commit([], [Put(api.context.state.keys.cluster("main"), encode(view))])

    async def shown() -> bool:
        items = (await api.client().get("/api/v1/clusters")).json()["items"]
        return bool(items[0]["command_nodes"][0]["reachable"] and 60 <= items[0]["look_age_seconds"] < 90)

    await eventually_true(shown)


async def shown_with(api: Service, partitions: Any) -> Any:
    """What is shown where the leader has written these; "absent": it is an earlier version."""
    view = {"name": "main", "detail": str(partitions), "partitions": partitions}
    if partitions == "absent":
        del view["partitions"]
    key = api.context.state.keys.cluster("main")
    await api.context.state.store.commit([], [Put(key, json.dumps(view).encode())])
    shown: dict[str, Any] = {}

    async def arrived() -> bool:
        shown.update((await api.client().get("/api/v1/clusters/main")).json())
        return bool(shown["detail"] == view["detail"])

    await eventually_true(arrived)
    return shown["partitions"]


async def test_partitions_are_shown_where_they_are_known(api: Service) -> None:
    batch = {"name": "batch", "state": "up", "is_default": True, "time_limit": 259_200, "nodes": 120}
    assert await shown_with(api, "absent") is None
    assert await shown_with(api, []) == []
    assert await shown_with(api, [batch, {"name": "gpu", "state": "down"}]) == [
        {"name": "batch", "state": "up", "default": True, "time_limit_minutes": 4320, "nodes": 120},
        {"name": "gpu", "state": "down", "default": False, "time_limit_minutes": None, "nodes": 0},
    ]
    assert await shown_with(api, None) is None


async def test_users_are_known_absent_or_not_answered_for(api: Service) -> None:
    api.leader.lacks("mallory")
    api.leader.refuses("daemon", "is a system account")
    users = "/api/v1/clusters/main/users"
    known = await api.client().get(f"{users}/alice")
    assert (known.status_code, known.json()) == (200, {"user": "alice", "cluster": "main"})
    for absent in ("mallory", "daemon"):
        answer = await api.client().get(f"{users}/{absent}")
        assert (answer.status_code, problem(answer)["type"]) == (404, "/problems/user-not-found")
    silent = await api.client().get(f"{users}/carol")
    assert (silent.status_code, problem(silent)["type"]) == (503, "/problems/unavailable")
    assert silent.headers["retry-after"] == "2"


async def test_metrics_name_operations_not_paths(api: Service) -> None:
    job = await api.submit()
    await api.client().get(f"/api/v1/jobs/{job['id']}")
    await api.client().get("/nothing")
    text = (await api.client().get("/metrics")).text
    samples = {
        (sample.name, sample.labels.get("operation"), sample.labels.get("status")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["bwvisu_api_requests_total", "createJob", "201"] == 1
    assert samples["bwvisu_api_requests_total", "getJob", "200"] == 1
    assert samples["bwvisu_api_requests_total", "none", "404"] == 1
    assert job["id"] not in text
    assert 'bwvisu_mirror_age_seconds{mirror="jobs"}' in text

"""More time for a session, where the site and the application allow it."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bwvisu.adapters.records import decode
from bwvisu.domain.job import JobSpec, JobStatus, SlurmView
from bwvisu.domain.lifecycle import Phase
from bwvisu.portal.api import Api
from bwvisu.portal.documents import Job
from tests.contract.api.conftest import APP, make_bundle
from tests.contract.api.service import Service, cluster_settings, service
from tests.support.etcd import EtcdCluster
from tests.support.portal import Visitor
from tests.support.waiting import eventually_true

RUNNING = JobStatus(phase=Phase.RUNNING, slurm=SlurmView(job_id=7, state="RUNNING", time_limit=15 * 60))


def _on(node: str) -> JobStatus:
    assert RUNNING.slurm
    return RUNNING.model_copy(update={"slurm": RUNNING.slurm.model_copy(update={"nodes": (node,)})})


@pytest.fixture
async def api(etcd: EtcdCluster, tmp_path: Path) -> AsyncIterator[Service]:
    make_bundle(tmp_path / "applications" / "probe", APP)
    clusters = {
        "main": cluster_settings(slurm={"extend": {"allowed": True, "maximum": 7200}}),
        "strict": cluster_settings(),
    }
    async with service(etcd.endpoints, tmp_path / "applications", clusters=clusters) as running:
        running.leader.knows("alice")
        yield running


async def choices(alice: Visitor, job_id: str) -> list[str]:
    page = (await alice.get(f"/sessions/{job_id}")).text
    form = re.search(rf'action="/sessions/{job_id}/extend".*?</form>', page, re.DOTALL)
    return re.findall(r'<option value="(\d+)"', form[0]) if form else []


async def test_a_person_chooses_among_what_is_allowed(alice: Visitor, api: Service) -> None:
    job, strict = await api.submit(), await api.submit(cluster="strict")
    for each in (job, strict):
        await api.leader.sees(each["id"], RUNNING)

    async def offered() -> bool:
        return await choices(alice, job["id"]) == ["30"]  # the application's maximum is an hour, and it has 15 min

    await eventually_true(offered)
    assert await choices(alice, strict["id"]) == []
    answer = await alice.post(f"/sessions/{job['id']}/extend", {"minutes": "30", "back": f"/sessions/{job['id']}"})
    assert "More time was asked for; the cluster has not answered yet." in answer.text
    spec = decode(JobSpec, (await api.records("specs"))[job["id"]].value)
    assert spec.extension is not None
    assert (spec.extension.minutes, spec.extension.asked_for) == (45, "alice")


async def test_a_session_that_changes_meanwhile_gets_its_time_all_the_same(
    alice: Visitor, api: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sessions change by themselves, all the time: the person did nothing wrong."""
    job = await api.submit()
    await api.leader.sees(job["id"], RUNNING)
    await eventually_true(lambda: _runs(api, job["id"]))
    ask, changes = Api.extend, [_on(f"node{number}") for number in range(2)]

    async def late(self: Api, job_id: str, minutes: int, revision: int) -> Job:
        if changes:
            await api.leader.sees(job_id, changes.pop())
        return await ask(self, job_id, minutes, revision)

    monkeypatch.setattr(Api, "extend", late)
    answer = await alice.post(f"/sessions/{job['id']}/extend", {"minutes": "30"})
    assert "More time was asked for; the cluster has not answered yet." in answer.text
    assert not changes


async def test_what_is_not_allowed_is_refused_with_the_reason(alice: Visitor, api: Service) -> None:
    job = await api.submit()
    await api.leader.sees(job["id"], RUNNING)
    await eventually_true(lambda: _runs(api, job["id"]))
    answer = await alice.post(f"/sessions/{job['id']}/extend", {"minutes": "60"})
    assert "At most 60 minutes are allowed." in answer.text
    for wrong in ("", "-5", "much", "9" * 9):
        assert (await alice.post(f"/sessions/{job['id']}/extend", {"minutes": wrong})).status_code == 400


async def _runs(api: Service, job_id: str) -> bool:
    return bool((await api.client().get(f"/api/v1/jobs/{job_id}")).json()["state"] == "running")

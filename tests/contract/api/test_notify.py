"""What a job's owner wants to be told of by mail: kept with the job where this installation sends mail."""

from pathlib import Path

import pytest

from bwvisu.adapters.records import decode
from bwvisu.domain.job import JobSpec, Notice
from tests.contract.api.service import Service, service
from tests.contract.api.test_bad_input import GOOD, problem
from tests.support.etcd import EtcdCluster

MAILED = {**GOOD, "notify": ["available", "failed", "available"]}


async def test_where_no_mail_is_sent_nothing_can_be_asked_for(api: Service) -> None:
    assert (await api.client().get("/api/v1/clusters")).json()["notify"] == []
    answer = await api.client().post("/api/v1/jobs", json=MAILED)
    assert (answer.status_code, problem(answer)["type"]) == (422, "/problems/invalid-input")
    assert answer.json()["errors"] == [{"pointer": "/notify", "detail": "this installation sends no mail"}]
    assert (await api.client().post("/api/v1/jobs", json={**GOOD, "notify": []})).status_code == 201


async def test_the_wish_is_kept_with_the_job_and_makes_no_other(etcd: EtcdCluster, bundles: Path) -> None:
    async with service(etcd.endpoints, bundles, mails=True) as api:
        api.leader.knows("alice")
        assert (await api.client().get("/api/v1/clusters")).json()["notify"] == [
            "available",
            "ending",
            "idle",
            "failed",
        ]
        key = {"Idempotency-Key": "1"}
        first = await api.client().post("/api/v1/jobs", json=MAILED, headers=key)
        again = await api.client().post("/api/v1/jobs", json=GOOD, headers=key)
        assert (first.status_code, again.status_code) == (201, 200)
        spec = decode(JobSpec, (await api.records("specs"))[first.json()["id"]].value)
        assert spec.notify == (Notice.AVAILABLE, Notice.FAILED)


@pytest.mark.parametrize("wish", ["available", ["started"], [1], None, ["available"] * 4])
async def test_what_is_no_notice_is_refused(api: Service, wish: object) -> None:
    answer = await api.client().post("/api/v1/jobs", json={**GOOD, "notify": wish})
    assert (answer.status_code, problem(answer)["type"]) == (422, "/problems/invalid-input")
    assert all(each["pointer"].startswith("/notify") for each in answer.json()["errors"])

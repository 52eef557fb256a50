"""A job's log, as far as its client has reported it."""

from datetime import UTC, datetime

from bwvisu.adapters.etcd import Put
from bwvisu.adapters.records import encode
from keyhole.domain import Report
from tests.contract.api.service import Service
from tests.contract.api.test_bad_input import problem

HOSTILE = "<script>alert(1)</script>\x1b[31m \N{SNOWMAN}\n"


async def reports(api: Service, job_id: str, seq: int, tail: str | None, restart: int = 0) -> None:
    at = datetime.now(UTC)
    report = Report(job_id=job_id, attempt=1, restart=restart, seq=seq, event="started", log_tail=tail, received_at=at)
    key = api.context.state.keys.report(job_id, report.run, seq)
    await api.context.state.store.commit([], [Put(key, encode(report))])


async def test_the_latest_lines_of_the_latest_run_are_shown_as_plain_text(api: Service) -> None:
    job = await api.submit()
    address = f"/api/v1/jobs/{job['id']}/log"
    answer = await api.client().get(address)
    assert (answer.status_code, problem(answer)["type"]) == (409, "/problems/no-log-yet")
    for seq, tail, restart in ((2, "old\n", 0), (10, "newer\n", 0), (11, None, 0), (1, HOSTILE, 1)):
        await reports(api, job["id"], seq, tail, restart)
    answer = await api.client("alices").get(address)
    assert (answer.status_code, answer.text) == (200, HOSTILE)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_somebody_elses_log_does_not_exist(api: Service) -> None:
    job = await api.submit("bob")
    await reports(api, job["id"], 1, "private\n")
    answer = await api.client("alices").get(f"/api/v1/jobs/{job['id']}/log")
    assert (answer.status_code, problem(answer)["type"]) == (404, "/problems/job-not-found")

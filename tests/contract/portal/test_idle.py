"""Sessions that nobody uses: the card warns, without JavaScript, and one press keeps the session."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bwvisu.adapters.records import decode
from bwvisu.domain.job import Idleness, JobSpec, JobStatus
from bwvisu.domain.lifecycle import Phase
from tests.contract.api.conftest import APP, make_bundle
from tests.contract.api.service import Service, service
from tests.contract.api.test_jobs import AVAILABLE
from tests.support.etcd import EtcdCluster
from tests.support.portal import Visitor
from tests.support.waiting import eventually_true

LONG_AGO, FAR = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
(_WEB,) = AVAILABLE.services
USED = _WEB.model_copy(update={"connections": 2, "last_active_at": LONG_AGO})
WARNED = AVAILABLE.model_copy(
    update={"idle": Idleness(warned_at=LONG_AGO, stops_at=FAR), "services": (USED,)},
)


@pytest.fixture
async def api(etcd: EtcdCluster, tmp_path: Path) -> AsyncIterator[Service]:
    make_bundle(tmp_path / "applications" / "probe", APP)
    async with service(etcd.endpoints, tmp_path / "applications") as running:
        running.leader.knows("alice")
        yield running


async def page_of(alice: Visitor, api: Service, status: JobStatus, words: str) -> tuple[str, str]:
    """A session's id, and its page once it says these words."""
    job = await api.submit(idle_stop_minutes=60)
    await api.leader.sees(job["id"], status)

    async def shown() -> bool:
        return words in (await alice.get(f"/sessions/{job['id']}")).text

    await eventually_true(shown)
    return job["id"], (await alice.get(f"/sessions/{job['id']}")).text


async def test_a_warned_session_is_kept_by_one_press(alice: Visitor, api: Service) -> None:
    job_id, page = await page_of(alice, api, WARNED, "Nobody uses this session.")
    assert "data-idle>" in page
    assert f'action="/sessions/{job_id}/keep"' in page
    answer = await alice.post(f"/sessions/{job_id}/keep", {"back": f"/sessions/{job_id}"})
    assert "The session is kept." in answer.text
    assert "Nobody uses this session." not in answer.text
    spec = decode(JobSpec, (await api.records("specs"))[job_id].value)
    assert spec.kept_at is not None


async def test_a_card_tells_who_is_connected_and_when_it_would_be_stopped(alice: Visitor, api: Service) -> None:
    status = WARNED.model_copy(
        update={"idle": None, "slurm": WARNED.slurm and WARNED.slurm.model_copy(update={"ends_at": FAR})}
    )
    _, page = await page_of(alice, api, status, "2 connections")
    assert "last used" in page
    assert "It is stopped when nobody has used it for" in page
    assert "/keep" not in page


async def test_what_cannot_be_told_is_said(alice: Visitor, api: Service) -> None:
    status = AVAILABLE.model_copy(update={"idle": Idleness(known=False)})
    await page_of(alice, api, status, "Whether somebody uses it cannot be told at present.")


async def test_what_is_over_cannot_be_kept(alice: Visitor, api: Service) -> None:
    over = AVAILABLE.model_copy(update={"phase": Phase.ENDING})
    job_id, _ = await page_of(alice, api, over, "Ending")
    answer = await alice.post(f"/sessions/{job_id}/keep", {"back": f"/sessions/{job_id}"})
    assert "It is ending." in answer.text

"""Another run time for a job: who is given it, by whom, and what a look shows afterwards."""

import pytest

from bwvisu.adapters.slurm import SlurmCluster, SlurmSettings
from bwvisu.domain.observation import Refused, SlurmState, TimeSet, Unknown
from tests.contract.slurm.desk import PREFIX, Desk, request
from tests.contract.slurm.sites import Site


def cluster(site: Site, extend_as: str | None) -> SlurmCluster:
    return SlurmCluster(site.wire, site.nodes, SlurmSettings(name_prefix=PREFIX, extend_as=extend_as))


async def test_a_running_job_is_given_more_time_and_less(desk: Desk) -> None:
    job = request(options=("--time=10",))
    number = await desk.submit(job)
    before = await desk.until(job.job_name, SlurmState.RUNNING)
    assert before.started_at is not None
    for minutes in (30, 30, 7, 20_000):
        assert await desk.slurm.extend(number, "alice", job.job_name, minutes) == TimeSet()
        after = await desk.shown(job.job_name)
        assert after is not None
        assert (after.time_limit, after.started_at) == (minutes * 60, before.started_at)
        assert after.ends_at == before.started_at + minutes * 60


async def test_a_waiting_job_is_given_another_time(desk: Desk) -> None:
    job = request(options=("--time=10", "--hold"))
    number = await desk.submit(job)
    await desk.until(job.job_name, SlurmState.PENDING)
    assert await desk.slurm.extend(number, "alice", job.job_name, 40) == TimeSet()
    after = await desk.shown(job.job_name)
    assert after is not None
    assert (after.time_limit, after.ends_at) == (2400, None)


async def test_a_time_is_given_only_where_id_name_and_owner_agree(desk: Desk) -> None:
    job = request(options=("--time=10", "--hold"))
    number = await desk.submit(job)
    for other, user, name in (
        (number, "alice", f"{job.job_name}-other"),
        (number, "bob", job.job_name),
        (number + 1000, "alice", job.job_name),
    ):
        refused = await desk.slurm.extend(other, user, name, 40)
        assert isinstance(refused, Refused), refused
        assert refused.code == "not-extendable"
    shown = await desk.until(job.job_name, SlurmState.PENDING)
    assert shown.time_limit == 600


async def test_a_job_that_has_ended_is_given_nothing(desk: Desk) -> None:
    job = request(script=b"#!/bin/sh\nexit 0\n")
    number = await desk.submit(job)
    await desk.until(job.job_name, SlurmState.COMPLETED)
    assert isinstance(await desk.slurm.extend(number, "alice", job.job_name, 40), Refused)


@pytest.mark.parametrize(
    ("extend_as", "code", "words"),
    [
        ("root", "not-permitted", "a password is required"),
        ("bwvt-nobody", "not-permitted", "unknown user"),
        (None, "rejected-by-slurm", "Invalid user id"),
    ],
)
async def test_without_the_right_nothing_changes(
    site: Site, desk: Desk, extend_as: str | None, code: str, words: str
) -> None:
    job = request(options=("--time=10", "--hold"))
    number = await desk.submit(job)
    refused = await cluster(site, extend_as).extend(number, "alice", job.job_name, 40)
    assert isinstance(refused, Refused), refused
    assert refused.code == code
    assert words in refused.message
    shown = await desk.until(job.job_name, SlurmState.PENDING)
    assert shown.time_limit == 600


async def test_while_slurmctld_hangs_nobody_knows(site: Site, desk: Desk, hasty: SlurmCluster) -> None:
    job = request(options=("--time=10", "--hold"))
    number = await desk.submit(job)
    site.hang(True)
    try:
        assert isinstance(await hasty.extend(number, "alice", job.job_name, 40), Unknown)
    finally:
        site.hang(False)
    await desk.until(job.job_name, SlurmState.PENDING)

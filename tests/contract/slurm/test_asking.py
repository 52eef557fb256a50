"""What Slurm, sudo and the name service say to those who ask; and what is to be heard while slurmctld says nothing."""

from collections.abc import Callable

import pytest

from bwvisu.adapters.slurm import SlurmCluster, Submission
from bwvisu.adapters.slurm import submission as submitting
from bwvisu.adapters.ssh import Conversation
from bwvisu.domain.observation import (
    Account,
    CouldNotLook,
    NoSuchUser,
    NotStarted,
    Refused,
    SlurmConfig,
    SlurmState,
    Unknown,
)
from tests.contract.slurm.desk import PREFIX, Desk, request
from tests.contract.slurm.sites import Site
from tests.support.waiting import eventually


@pytest.mark.parametrize(
    ("job", "code", "words"),
    [
        (request(options=("--partition=nosuch",)), "rejected-by-slurm", "Invalid partition name specified"),
        (request("bob", options=("--partition=group",)), "rejected-by-slurm", "not permitted to use this partition"),
        (request(options=("--nodelist=nosuch",)), "rejected-by-slurm", "Invalid node name specified"),
        (request(options=("--nosuch=1",)), "rejected-by-slurm", "unrecognized option"),
        (request(options=("--time=soon",)), "rejected-by-slurm", "Invalid --time specification"),
        (request(script=b"#!/bin/sh\r\nls\r\n"), "rejected-by-slurm", "DOS line breaks"),
        (request(user="bwvt-nobody"), "unknown-user", "knows no user bwvt-nobody"),
        (request(user="mallory"), "not-permitted", "a password is required"),
        (request(user="root"), "not-permitted", "a password is required"),
    ],
)
async def test_a_refusal_is_told_in_words_and_leaves_no_job(desk: Desk, job: Submission, code: str, words: str) -> None:
    refused = await desk.slurm.submit(job)
    assert isinstance(refused, Refused), refused
    assert refused.code == code
    assert words in refused.message
    assert await desk.shown(job.job_name) is None


@pytest.mark.parametrize(("user", "code"), [("bwvt-nobody", "unknown-user"), ("mallory", "not-permitted")])
async def test_nobody_cancels_as_a_user_whom_sudo_does_not_allow(desk: Desk, user: str, code: str) -> None:
    refused = await desk.slurm.cancel(1, user, PREFIX)
    assert isinstance(refused, Refused)
    assert refused.code == code


@pytest.mark.parametrize("arrives", [lambda script: script[:-1], lambda script: script[: len(script) // 2]])
async def test_a_script_that_did_not_arrive_whole_is_not_submitted(
    site: Site, desk: Desk, arrives: Callable[[bytes], bytes]
) -> None:
    job = request(script=b"#!/bin/sh\n" + b"# x\n" * 500 + b"sleep 300\n")
    whole = submitting.conversation(job, 20)
    cut = Conversation(whole.argv, whole.ready, arrives(job.script), whole.deadline, ready_within=20)
    outcome = await site.wire.converse(site.nodes[0], cut)
    assert submitting.parse(outcome, submitting.digest(job.script)) == NotStarted("the script did not arrive whole")
    assert await desk.shown(job.job_name) is None


async def test_a_name_that_imitates_a_row_makes_no_job(desk: Desk) -> None:
    victim = request(options=("--hold",))
    number = await desk.submit(victim)
    row = f"{number}|alice|COMPLETED|0|0|batch|1|1|1|1:00|node1|None|{victim.job_name}|"
    await desk.submit(request("bob", name=f"x\n{row}\n", options=("--hold",)))
    assert (await desk.until(victim.job_name, SlurmState.PENDING)).job_id == number


async def test_accounts_are_those_of_the_command_node(desk: Desk) -> None:
    alice = await desk.slurm.user("alice")
    assert isinstance(alice, Account)
    assert (alice.name, alice.uid, alice.gid, alice.home) == ("alice", 20001, 20001, "/home/alice")
    assert alice.groups == ("alice", "bwvisu-users", "project")
    assert await desk.slurm.user("bwvt-nobody") == NoSuchUser("bwvt-nobody")


async def test_the_jobs_of_a_user_who_has_vanished_are_nobodys(site: Site, desk: Desk) -> None:
    job = request(user="carol")
    number = await desk.submit(job)
    await desk.until(job.job_name, SlurmState.RUNNING)
    with site.without_user("carol"):
        assert await desk.slurm.user("carol") == NoSuchUser("carol")
        assert (await desk.until(job.job_name, SlurmState.RUNNING)).user == "nobody"
        cancelled = await desk.slurm.cancel(number, "carol", job.job_name)
        assert isinstance(cancelled, Refused)
        assert cancelled.code == "unknown-user"


async def test_the_configuration_is_told(desk: Desk) -> None:
    config = await desk.slurm.config()
    assert isinstance(config, SlurmConfig)
    assert (config.version, config.min_job_age, config.private_data, config.accounting) == ("22.05.8", 300, (), False)


async def test_partitions_are_told_also_those_that_are_not_for_everybody(desk: Desk) -> None:
    found = await desk.slurm.partitions()
    assert not isinstance(found, CouldNotLook), found.reason
    assert {each.name: (each.state, each.time_limit) for each in found} == {
        "batch": ("up", 604_800),
        "short": ("up", 60),
        "gpu": ("up", 604_800),
        "closed": ("down", 604_800),
        "group": ("up", 604_800),
    }
    assert [each.name for each in found if each.is_default] == ["batch"]
    assert [each.nodes for each in found] == [3, 3, 1, 3, 3]


async def test_a_look_at_hidden_jobs_is_none_and_details_know_nothing_of_them(site: Site, desk: Desk) -> None:
    job = request(options=("--hold",))
    number = await desk.submit(job)
    with site.hidden():
        look = await desk.slurm.look()
        assert isinstance(look, CouldNotLook)
        assert "PrivateData" in look.reason
        assert isinstance(await desk.slurm.details(number), CouldNotLook)
        config = await desk.slurm.config()
        assert isinstance(config, SlurmConfig)
        assert config.private_data == ("jobs",)
    assert await desk.shown(job.job_name) is not None


async def test_while_slurmctld_hangs_all_is_unknown_and_the_job_exists_afterwards(
    site: Site, desk: Desk, hasty: SlurmCluster
) -> None:
    before = (await desk.look()).cluster_clock
    job = request()
    site.hang(True)
    try:
        assert isinstance(await hasty.submit(job), Unknown)
        assert isinstance(await hasty.look(), CouldNotLook)
        assert isinstance(await hasty.details(1), CouldNotLook)
        assert isinstance(await hasty.cancel(1, "alice", job.job_name), Unknown)
        assert isinstance(await hasty.config(), CouldNotLook)
        assert isinstance(await hasty.partitions(), CouldNotLook)
        assert isinstance(await desk.slurm.user("alice"), Account)
    finally:
        site.hang(False)
    row = await desk.until(job.job_name, SlurmState.RUNNING)
    assert row.submitted_at is not None
    assert row.submitted_at > before + 5, "it is the time at which slurmctld went on"


async def test_while_slurmctld_is_dead_nothing_is_submitted_and_jobs_are_known_afterwards(
    site: Site, desk: Desk, hasty: SlurmCluster
) -> None:
    held, lost = request(options=("--hold",)), request()
    number = await desk.submit(held)
    await eventually(lambda: site.saved(held.job_name), 60)
    site.power(False)
    try:
        assert isinstance(await hasty.submit(lost), Unknown)
        assert isinstance(await hasty.look(), CouldNotLook)
    finally:
        site.power(True)
    await desk.until_answered()
    assert (await desk.until(held.job_name, SlurmState.PENDING)).job_id == number
    assert await desk.shown(lost.job_name) is None

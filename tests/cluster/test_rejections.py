"""What Slurm turns down, and what it takes though it can never run: in its own words, as the API tells them.

Each line of the first table was recorded on another cluster (`slurm_errno.c` has more; what this Slurm can be brought
to say is here).  It has no accounting, so it takes any account and any QOS.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from bwvisu.cli.local import LocalService, until
from bwvisu.sandbox import Sandbox
from tests.support.world import Person, partition, slurm_jobs

CONFIGURATION = "Requested node configuration is not available"
REFUSED: Mapping[str, str] = {
    "partition=nowhere": "invalid partition specified: nowhere; Invalid partition name specified",
    "nodelist=nowhere": "Invalid node name specified",
    "cpus-per-task=257": f"CPU count per node can not be satisfied; {CONFIGURATION}",
    "mem=999G": f"Memory specification can not be satisfied; {CONFIGURATION}",
    "gres=gpu:9": CONFIGURATION,
    "gres=nowhere:1": "Invalid generic resource (gres) specification",
    "reservation=nowhere": "Requested reservation is invalid",
    "constraint=nowhere": "Invalid feature specification",
    "licenses=nowhere": "Invalid license specification",
    "time=abc": "Invalid --time specification",
    "mem=abc": "Invalid --mem specification",
    "nowhere=1": "unrecognized option",
}
LIMITED: Mapping[str, str] = {
    "partition=short time=5": "Requested time limit is invalid (missing or exceeds some limit)",
    "time=9-00": "Requested time limit is invalid (missing or exceeds some limit)",
    "ntasks=100000": "More processors requested than permitted",
    "nodes=99": "Node count specification invalid",
    "partition=gpu nodelist=node1": "Requested nodes not in this partition",
    "partition=drained": "Required partition not available (inactive or drain)",
}
"""Where a site enforces its partitions' limits when a job is submitted (`EnforcePartLimits=ALL`)."""
FOR_EVER: Mapping[str, str] = {
    "partition=short time=5": "PartitionTimeLimit",
    "time=9-00": "PartitionTimeLimit",
    "ntasks=100000": "PartitionConfig",
    "nodes=99": "PartitionNodeLimit",
    "hold": "JobHeldUser",
    "begin=now+1hour": "BeginTime",
}
"""Where it does not, which is Slurm's default; and what its owner has asked for."""
CONF = "/etc/slurm/slurm.conf"


@pytest.fixture(scope="module")
def alice(plain_service: LocalService) -> Iterator[Person]:
    with plain_service.client() as client:
        yield Person(client)


def submitted(alice: Person, table: Mapping[str, str]) -> Mapping[str, str]:
    """A job with each of the options, all at once."""
    return {options: alice.submit("command", line="true", options=options) for options in table}


def assert_refused(alice: Person, table: Mapping[str, str]) -> None:
    """Every job of the table ends with these words of Slurm; nothing of it is in the queue."""
    jobs = {options: alice.wait(job_id, "finished") for options, job_id in submitted(alice, table).items()}
    ends = {options: (job["outcome"], job["reason"]["code"]) for options, job in jobs.items()}
    assert ends == dict.fromkeys(table, ("rejected", "rejected-by-slurm"))
    unsaid = {options: job["reason"]["message"] for options, job in jobs.items()}
    assert {options: said for options, said in unsaid.items() if table[options] not in said} == {}


def test_what_sbatch_refuses_is_told_in_its_words(alice: Person) -> None:
    assert_refused(alice, REFUSED)


def test_what_a_site_with_enforced_limits_refuses_is_told_in_its_words(alice: Person, sandbox: Sandbox) -> None:
    with enforced_limits(sandbox), partition(sandbox, "drained", "State=DRAIN"):
        assert_refused(alice, LIMITED)


def test_what_can_never_start_says_so_while_it_waits_and_can_be_stopped(alice: Person, sandbox: Sandbox) -> None:
    jobs = submitted(alice, FOR_EVER)

    def told() -> dict[str, str]:
        return {options: (alice.job(job_id)["reason"] or {}).get("code", "") for options, job_id in jobs.items()}

    wanted = {options: f"slurm:{reason}" for options, reason in FOR_EVER.items()}
    until(lambda: told() == wanted, 60, f"{wanted}; it is {told()}")
    messages = [alice.job(job_id)["reason"]["message"] for job_id in jobs.values()]
    assert not [message for message in messages if message.startswith("Slurm says")], "each has words of ours"
    for job_id in jobs.values():
        alice.cancel(job_id)
    assert {alice.wait(job_id, "finished")["reason"]["code"] for job_id in jobs.values()} == {"cancelled-by-user"}
    assert not [job for job_id in jobs.values() for job in slurm_jobs(sandbox, job_id)]


@contextmanager
def enforced_limits(box: Sandbox) -> Iterator[None]:
    """Slurm with ``EnforcePartLimits=ALL`` for a while."""
    controller(box, "sh", "-c", f"cp {CONF} {CONF}.kept && echo EnforcePartLimits=ALL >>{CONF}")
    try:
        controller(box, "scontrol", "reconfigure")
        yield
    finally:
        controller(box, "mv", f"{CONF}.kept", CONF)
        controller(box, "scontrol", "reconfigure")


def controller(box: Sandbox, *argv: str) -> None:
    """A command on Slurm's own host."""
    done = box.run("ctl", argv)
    assert done.returncode == 0, done.stderr

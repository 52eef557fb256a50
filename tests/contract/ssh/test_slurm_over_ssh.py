"""`SlurmCluster` over two real sshd; only Slurm's and sudo's programs are stand-ins."""

import asyncio
import time
from collections.abc import Iterator

import asyncssh
import pytest

from bwvisu.adapters.shell import quote
from bwvisu.adapters.slurm import SlurmCluster, SlurmSettings, Submission
from bwvisu.adapters.slurm import submission as submitting
from bwvisu.adapters.ssh import SshPool
from bwvisu.domain.observation import CouldNotLook, Look, NotStarted, Submitted, Unknown
from tests.support.sshd import Sshd, running_sshd
from tests.support.waiting import eventually

SUDO = '#!/bin/sh\ncat >> "$HOME/submitted"\necho 4711\n'
SCRIPT = b"#!/bin/sh\necho 'caf\xe9'\n\n\n"
REQUEST = Submission("alice", "/home/alice", "bwv-x", "/home/alice/out", SCRIPT)
ROW = r"7|alice|RUNNING|0|0|cpu|1|1|2|30:00|node1|None|bwv-x"
SQUEUE = f"#!/bin/sh\necho '{ROW}|'${{SQUEUE_FORMAT2##*|}}\n"
NOISE = """\
echo READY; echo "READY $RANDOM"; echo END rc=0; printf 'no newline at the end'
export SQUEUE_FORMAT=%i SQUEUE_STATES=PENDING SBATCH_PARTITION=none LC_ALL=de_DE.UTF-8 TZ=Asia/Tokyo
alias squeue=false
echo 'and on stderr' >&2
"""


def submitted(sshd: Sshd) -> bytes:
    path = sshd.home / "submitted"
    return path.read_bytes() if path.exists() else b""


@pytest.fixture
def second(sshd: Sshd) -> Iterator[Sshd]:
    with running_sshd() as server:
        server.join(sshd)
        for host in (sshd, server):
            host.program("sudo", SUDO)
            host.program("squeue", SQUEUE)
            host.program("scontrol", "#!/bin/sh\necho 'PrivateData             = none'\n")
        yield server


@pytest.fixture
async def cluster(sshd: Sshd, second: Sshd, pool: SshPool) -> SlurmCluster:
    return SlurmCluster(pool, [sshd.node, second.node], SlurmSettings())


async def test_a_script_is_submitted_once_and_byte_for_byte(sshd: Sshd, second: Sshd, cluster: SlurmCluster) -> None:
    assert await cluster.submit(REQUEST) == Submitted(4711)
    assert (submitted(sshd), submitted(second)) == (SCRIPT, b"")


async def test_a_login_shell_full_of_noise_changes_nothing(sshd: Sshd, second: Sshd, cluster: SlurmCluster) -> None:
    (sshd.home / ".bashrc").write_text(NOISE)
    assert await cluster.submit(REQUEST) == Submitted(4711)
    assert submitted(sshd) == SCRIPT
    seen = await cluster.look()
    assert isinstance(seen, Look)
    assert [job.name for job in seen.rows.values()] == ["bwv-x"]


async def test_a_dead_command_node_costs_nothing(sshd: Sshd, second: Sshd, cluster: SlurmCluster) -> None:
    sshd.stop()
    assert await cluster.submit(REQUEST) == Submitted(4711)
    assert isinstance(await cluster.look(), Look)
    assert submitted(second) == SCRIPT


async def test_a_silent_command_node_costs_less_than_ten_seconds_and_only_once(
    sshd: Sshd, second: Sshd, cluster: SlurmCluster
) -> None:
    """The look shows how busy this very machine is: most of it is a connection and a command."""
    called = time.monotonic()
    assert isinstance(await cluster.look(), Look)
    usual = time.monotonic() - called
    sshd.freeze()
    began = time.monotonic()
    assert await cluster.submit(REQUEST) == Submitted(4711)
    first = time.monotonic() - began
    assert await cluster.submit(REQUEST) == Submitted(4711)
    assert first < 10 + 5 * usual
    assert time.monotonic() - began - first < submitting.READY_WITHIN, "it was not waited for again"
    sshd.thaw()
    assert (submitted(sshd), submitted(second)) == (b"", SCRIPT * 2)


async def test_a_look_begins_when_the_node_that_answers_is_asked(
    sshd: Sshd, second: Sshd, cluster: SlurmCluster
) -> None:
    sshd.freeze()
    called = time.monotonic()
    seen = await cluster.look()
    sshd.thaw()
    assert isinstance(seen, Look)
    assert seen.ended_at - seen.began_at < seen.began_at - called, "the search is no part of it"


async def test_a_home_that_hangs_at_login_is_left_for_the_next_node(
    sshd: Sshd, second: Sshd, cluster: SlurmCluster
) -> None:
    (sshd.home / ".bashrc").write_text("sleep 60\n")
    assert await cluster.submit(REQUEST) == Submitted(4711)
    assert (submitted(sshd), submitted(second)) == (b"", SCRIPT)


async def test_an_unknown_submission_is_never_repeated(sshd: Sshd, second: Sshd, cluster: SlurmCluster) -> None:
    words = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
    sshd.program("sudo", f'{SUDO}echo "{words}" >&2; exit 1\n'.replace("echo 4711\n", ""))
    assert isinstance(await cluster.submit(REQUEST), Unknown)
    assert (submitted(sshd), submitted(second)) == (SCRIPT, b"")


async def test_a_connection_that_dies_while_sbatch_runs_is_unknown(
    sshd: Sshd, second: Sshd, cluster: SlurmCluster
) -> None:
    sshd.program("sudo", SUDO.replace("echo", "sleep 30; echo"))
    running = asyncio.create_task(cluster.submit(REQUEST))
    await eventually(lambda: submitted(sshd) == SCRIPT)
    sshd.drop_connections()
    assert isinstance(await running, Unknown)
    assert submitted(second) == b""


async def test_half_a_script_starts_nothing_and_leaves_nothing(sshd: Sshd, second: Sshd, cluster: SlurmCluster) -> None:
    talk = submitting.conversation(REQUEST, 25)
    settings = sshd.settings()
    async with asyncssh.connect(
        sshd.node.host,
        sshd.node.port,
        username=sshd.node.user,
        client_keys=[str(settings.key_file)],
        known_hosts=str(settings.known_hosts),
        config=None,
    ) as connection:
        process = await connection.create_process(quote(talk.argv), encoding=None)
        while (await process.stdout.readline()).strip() != talk.ready:
            pass
        process.stdin.write(SCRIPT[: len(SCRIPT) // 2])
        await eventually(lambda: bool(sshd.commands("head")))
    await eventually(lambda: not sshd.commands("head"))
    await eventually(lambda: not sshd.commands(talk.ready.decode().split()[1]))
    assert submitted(sshd) == b""


async def test_no_command_node_at_all_is_not_started(sshd: Sshd, second: Sshd, cluster: SlurmCluster) -> None:
    sshd.stop()
    second.stop()
    assert isinstance(await cluster.submit(REQUEST), NotStarted)
    assert isinstance(await cluster.look(), CouldNotLook)


async def test_a_look_that_is_killed_half_way_proves_nothing(sshd: Sshd, second: Sshd, cluster: SlurmCluster) -> None:
    sshd.program("squeue", '#!/bin/sh\ntouch "$HOME/looking"; sleep 60\n')
    looking = asyncio.create_task(cluster.look())
    await eventually((sshd.home / "looking").exists)
    sshd.drop_connections()
    assert isinstance(await looking, CouldNotLook)

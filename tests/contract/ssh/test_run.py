"""What `SshPool.run` answers, against a real sshd that is well, slow, frozen, killed, foreign, full or noisy."""

import asyncio
import time

import pytest

from bwvisu.adapters.shell import posix_script
from bwvisu.adapters.ssh import Command, Completed, Node, SshPool
from bwvisu.domain.observation import NotStarted, Unknown
from tests.support.sshd import Sshd
from tests.support.waiting import eventually

LIMIT = 40.0
"""Seconds; far above what anything here needs, and below what the command would take."""


def shell(text: str, *args: str, deadline: float = 10.0, **more: object) -> Command:
    return Command(posix_script(text, *args), deadline, **more)  # type: ignore[arg-type]


def recovered(pool: SshPool, node: Node) -> bool:
    pool.warm(node)
    return not pool.failing(node)


async def test_bytes_arrive_as_they_were_printed(sshd: Sshd, pool: SshPool) -> None:
    outcome = await pool.run(sshd.node, shell(r"printf '\377\000ok\n'; printf '\376' >&2; exit 3"))
    assert outcome == Completed(3, b"\xff\x00ok\n", b"\xfe")


@pytest.mark.parametrize("hostile", ["a b", "$(touch x)", "'\"`;&|", "\n", "", "-n", "ü\\"])
async def test_arguments_arrive_as_they_are(sshd: Sshd, pool: SshPool, hostile: str) -> None:
    outcome = await pool.run(sshd.node, shell('printf %s "$1"', hostile))
    assert outcome == Completed(0, hostile.encode(), b"")


async def test_stdin_of_five_megabytes_arrives(sshd: Sshd, pool: SshPool) -> None:
    outcome = await pool.run(sshd.node, Command(["wc", "-c"], 20, stdin=bytes(5_000_000)))
    assert outcome == Completed(0, b"5000000\n", b"")


async def test_a_refused_port_is_not_started_and_may_be_retried(sshd: Sshd, pool: SshPool) -> None:
    nobody = Node("127.0.0.1", sshd.node.user, 1)
    outcome = await pool.run(nobody, shell("true"))
    assert isinstance(outcome, NotStarted)
    assert outcome.retryable


async def test_a_wrong_host_key_is_not_started_and_will_stay_so(sshd: Sshd, pool: SshPool) -> None:
    sshd.distrust()
    outcome = await pool.run(sshd.node, shell("touch ran"))
    assert isinstance(outcome, NotStarted)
    assert not outcome.retryable
    assert not (sshd.home / "ran").exists()


async def test_a_refused_key_is_not_started_and_will_stay_so(sshd: Sshd, pool: SshPool) -> None:
    (sshd.folder / "client_key.pub").write_text("")
    outcome = await pool.run(sshd.node, shell("touch ran"))
    assert isinstance(outcome, NotStarted)
    assert not outcome.retryable


async def test_thirty_at_once_all_run_in_spite_of_max_sessions(sshd: Sshd, pool: SshPool) -> None:
    outcomes = await asyncio.gather(*(pool.run(sshd.node, shell('sleep 0.1; echo "$1"', str(i))) for i in range(30)))
    assert outcomes == [Completed(0, b"%d\n" % i, b"") for i in range(30)]
    assert (sshd.folder / "log").read_text().count("Accepted publickey") == 1


async def test_more_sessions_than_sshd_allows_are_retried(sshd: Sshd) -> None:
    pool = SshPool(sshd.settings(sessions=12))
    outcomes = await asyncio.gather(*(pool.run(sshd.node, shell('sleep 0.1; echo "$1"', str(i))) for i in range(24)))
    await pool.aclose()
    assert outcomes == [Completed(0, b"%d\n" % i, b"") for i in range(24)]


async def test_the_host_ends_what_takes_too_long(sshd: Sshd, pool: SshPool) -> None:
    outcome = await pool.run(sshd.node, Command(["sleep", "4711"], 0.5))
    assert isinstance(outcome, Completed)
    assert outcome.exit_status == 124
    assert not sshd.commands("4711")


async def test_without_a_remote_deadline_the_wire_gives_up_and_connects_anew(sshd: Sshd, pool: SshPool) -> None:
    outcome = await pool.run(sshd.node, Command(["sleep", "4711"], 0.2, remote_deadline=False))
    assert isinstance(outcome, Unknown)
    # Closing a channel ends nothing, not even what is only about to begin: that is why `timeout` is the default.
    await eventually(lambda: bool(sshd.commands("4711")))
    await eventually(lambda: recovered(pool, sshd.node))
    assert await pool.run(sshd.node, shell("echo again")) == Completed(0, b"again\n", b"")


async def test_a_frozen_host_is_unknown_for_what_runs_and_not_started_for_what_comes(sshd: Sshd, pool: SshPool) -> None:
    running = asyncio.create_task(pool.run(sshd.node, shell("touch began; sleep 60", deadline=3)))
    await eventually((sshd.home / "began").exists)
    sshd.freeze()
    began = time.monotonic()
    late = await pool.run(sshd.node, shell("touch never", start_within=0.5))
    assert isinstance(late, NotStarted)
    assert isinstance(await running, Unknown)
    assert time.monotonic() - began < LIMIT
    sshd.thaw()
    await eventually(lambda: recovered(pool, sshd.node))
    assert await pool.run(sshd.node, shell("ls")) == Completed(0, b"began\nbin\n", b"")


async def test_a_killed_connection_is_unknown_and_the_next_command_runs(sshd: Sshd, pool: SshPool) -> None:
    running = asyncio.create_task(pool.run(sshd.node, shell("touch began; sleep 60")))
    await eventually((sshd.home / "began").exists)
    sshd.drop_connections()
    assert isinstance(await running, Unknown)
    assert await pool.run(sshd.node, shell("echo here")) == Completed(0, b"here\n", b"")


async def test_a_killed_command_is_unknown(sshd: Sshd, pool: SshPool) -> None:
    outcome = await pool.run(sshd.node, shell("kill -9 $$", remote_deadline=False))
    assert isinstance(outcome, Unknown)
    assert "KILL" in outcome.reason


async def test_output_without_end_is_cut_off(sshd: Sshd, pool: SshPool) -> None:
    outcome = await pool.run(sshd.node, Command(["yes"], 60))
    assert isinstance(outcome, Unknown)
    assert "printed more" in outcome.reason
    assert await pool.run(sshd.node, shell("echo fine")) == Completed(0, b"fine\n", b"")


async def test_a_dead_host_is_left_alone_until_the_pause_is_over(sshd: Sshd) -> None:
    now = 0.0
    pool = SshPool(sshd.settings(backoff_first=10.0, backoff_limit=60.0), clock=lambda: now)
    sshd.stop()
    refused = await pool.run(sshd.node, shell("true"))
    sshd.start()
    paused = await pool.run(sshd.node, shell("true"))
    now = 10.0
    again = await pool.run(sshd.node, shell("true"))
    await pool.aclose()
    assert isinstance(refused, NotStarted)
    assert isinstance(paused, NotStarted)
    assert "left alone" in paused.reason
    assert (refused.tried, paused.tried) == (True, False)
    assert again == Completed(0, b"", b"")


async def test_a_closed_pool_starts_nothing(sshd: Sshd) -> None:
    pool = SshPool(sshd.settings())
    assert isinstance(await pool.run(sshd.node, shell("true")), Completed)
    await pool.aclose()
    outcome = await pool.run(sshd.node, shell("touch never"))
    assert isinstance(outcome, NotStarted)
    assert not (sshd.home / "never").exists()


async def test_closing_while_others_connect_answers_them(sshd: Sshd) -> None:
    pool = SshPool(sshd.settings())
    sshd.freeze()
    waiting = asyncio.create_task(pool.run(sshd.node, shell("true")))
    await asyncio.wait([waiting], timeout=0.05)
    await pool.aclose()
    assert isinstance(await waiting, NotStarted)

"""What `SshPool.converse` answers: nothing is unknown before the last byte was sent, everything after it may be."""

import asyncio

from bwvisu.adapters.shell import posix_script
from bwvisu.adapters.ssh import Completed, Conversation, SshPool
from bwvisu.domain.observation import NotStarted, Unknown
from tests.support.sshd import Sshd
from tests.support.waiting import eventually

BIG = bytes(8_000_000)
"""More than the connection takes on while nobody reads."""


def talk(text: str, stdin: bytes = b"hello", *, deadline: float = 20.0, ready_within: float = 20.0) -> Conversation:
    return Conversation(posix_script(text), ready=b"READY 1", stdin=stdin, deadline=deadline, ready_within=ready_within)


async def test_all_bytes_follow_the_ready_line_and_the_answer_follows_them(sshd: Sshd, pool: SshPool) -> None:
    outcome = await pool.converse(sshd.node, talk("echo READY 1; wc -c", bytes(3_000_000)))
    assert outcome == Completed(0, b"READY 1\n3000000\n", b"")


async def test_a_single_byte_is_enough_to_say(sshd: Sshd, pool: SshPool) -> None:
    assert await pool.converse(sshd.node, talk("echo READY 1; cat", b"x")) == Completed(0, b"READY 1\nx", b"")


async def test_a_program_that_does_not_get_ready_was_told_nothing(sshd: Sshd, pool: SshPool) -> None:
    outcome = await pool.converse(sshd.node, talk("echo READY 10; cat > told", ready_within=0.5))
    assert isinstance(outcome, NotStarted)
    told = sshd.home / "told"
    assert not told.exists() or told.read_bytes() == b"", "it may have been given up before it began"


async def test_a_program_that_ends_before_it_is_ready_tells_why(sshd: Sshd, pool: SshPool) -> None:
    outcome = await pool.converse(sshd.node, talk("echo 'no such thing' >&2; exit 1"))
    assert isinstance(outcome, NotStarted)
    assert "no such thing" in outcome.reason


async def test_a_host_that_is_frozen_before_was_told_nothing(sshd: Sshd, pool: SshPool) -> None:
    assert isinstance(await pool.converse(sshd.node, talk("echo READY 1; cat")), Completed)
    sshd.freeze()
    assert isinstance(await pool.converse(sshd.node, talk("echo READY 1", ready_within=0.5)), NotStarted)


async def test_a_host_that_freezes_after_the_last_byte_is_unknown(sshd: Sshd, pool: SshPool) -> None:
    running = asyncio.create_task(pool.converse(sshd.node, talk("echo READY 1; cat > told; sleep 60", deadline=4.0)))
    await eventually(lambda: (sshd.home / "told").exists() and (sshd.home / "told").read_bytes() == b"hello")
    sshd.freeze()
    assert isinstance(await running, Unknown)


async def test_a_connection_lost_after_the_last_byte_is_unknown(sshd: Sshd, pool: SshPool) -> None:
    running = asyncio.create_task(pool.converse(sshd.node, talk("echo READY 1; cat > told; sleep 60")))
    await eventually(lambda: (sshd.home / "told").exists() and (sshd.home / "told").read_bytes() == b"hello")
    sshd.drop_connections()
    assert isinstance(await running, Unknown)


async def test_a_connection_lost_before_the_last_byte_told_too_little(sshd: Sshd, pool: SshPool) -> None:
    running = asyncio.create_task(pool.converse(sshd.node, talk("echo READY 1; touch ready; sleep 60", BIG)))
    await eventually((sshd.home / "ready").exists)
    sshd.drop_connections()
    assert isinstance(await running, NotStarted)


async def test_a_host_that_never_takes_the_last_byte_was_told_too_little(sshd: Sshd, pool: SshPool) -> None:
    outcome = await pool.converse(sshd.node, talk("echo READY 1; sleep 60", BIG, ready_within=0.7))
    assert isinstance(outcome, NotStarted)

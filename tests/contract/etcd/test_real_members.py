"""Three real members: one may die or freeze at any time; without a majority nothing is pretended."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress

import pytest

from bwvisu.adapters.etcd import Etcd, EtcdUnavailable, Mirror, OutcomeUnknown
from bwvisu.reconcilers.leadership import Leadership
from tests.contract.etcd.test_leadership import Office
from tests.contract.etcd.test_mirror import decode, heard, patiently_put, put, running
from tests.support.etcd import EtcdCluster
from tests.support.waiting import eventually, eventually_true


@pytest.fixture(scope="module")
def shared_trio() -> Iterator[EtcdCluster]:
    with EtcdCluster(members=3) as cluster:
        yield cluster


@pytest.fixture
def trio(shared_trio: EtcdCluster) -> Iterator[EtcdCluster]:
    yield shared_trio
    for member in shared_trio.members:
        member.ensure_running()
    shared_trio.wait_healthy()


@pytest.fixture
async def etcd(trio: EtcdCluster) -> AsyncIterator[Etcd]:
    """A client that begins with the leading member."""
    leader = trio.leader().endpoint
    others = [endpoint for endpoint in trio.endpoints if endpoint != leader]
    async with Etcd([leader, *others], timeout=2) as client:
        yield client


async def acknowledged(etcd: Etcd, prefix: str, until: asyncio.Event) -> list[str]:
    """Write new keys until told to stop; returns those that etcd acknowledged."""
    done: list[str] = []
    for number in range(100_000):
        if until.is_set():
            break
        with suppress(EtcdUnavailable, OutcomeUnknown):
            await put(etcd, f"{prefix}{number:06}", number)
            done.append(f"{prefix}{number:06}")
    return done


@pytest.mark.parametrize("fate", ["killed", "frozen"])
async def test_the_leading_member_may_go(trio: EtcdCluster, etcd: Etcd, prefix: str, fate: str) -> None:
    stop = asyncio.Event()
    async with running(Mirror(etcd, prefix, decode)) as mirror:
        with heard(mirror):
            writing = asyncio.create_task(acknowledged(etcd, prefix, stop))
            await eventually(lambda: len(mirror.values) > 100)
            victim = trio.leader()
            victim.kill() if fate == "killed" else victim.pause()
            began, reached = time.monotonic(), len(mirror.values)
            await eventually(lambda: len(mirror.values) > reached + 100, seconds=60)
            gap = time.monotonic() - began
            stop.set()
            written = await writing  # or one of them would be acknowledged after the listing
            last = await patiently_put(etcd, prefix + "last", 0)
            await eventually(lambda: mirror.revision >= last)
        entries = (await etcd.list(prefix)).entries
        assert set(written) <= entries.keys(), "an acknowledged write is gone"
        assert mirror.entries == entries
        assert gap < (20 if fate == "killed" else 40), "a frozen member is found out by pings within 13 s"


async def test_reads_and_writes_leave_a_frozen_member_at_once(trio: EtcdCluster, prefix: str) -> None:
    follower = next(member for member in trio.members if member is not trio.leader())
    others = [member.endpoint for member in trio.members if member is not follower]
    async with Etcd([follower.endpoint, *others], timeout=4) as etcd:
        await put(etcd, prefix + "a", 1)
        follower.pause()
        began = time.monotonic()
        assert await etcd.get(prefix + "a") is not None
        assert time.monotonic() - began < 4
        await put(etcd, prefix + "a", 2)


async def test_a_write_without_an_answer_may_be_applied_later(trio: EtcdCluster, prefix: str) -> None:
    """The leading member has it in its log when its peers freeze: not to know is not to have failed."""
    leader = trio.leader()
    followers = [member for member in trio.members if member is not leader]
    async with Etcd([leader.endpoint], timeout=1) as etcd:
        await put(etcd, prefix + "a", "before")
        for follower in followers:
            follower.pause()
        with pytest.raises(OutcomeUnknown):
            await put(etcd, prefix + "a", "after")
        for follower in followers:
            follower.resume()

        async def applied() -> bool:
            with suppress(EtcdUnavailable):
                entry = await etcd.get(prefix + "a")
                return entry is not None and entry.value == b'"after"'
            return False

        await eventually_true(applied, seconds=30)


async def test_without_a_majority_everything_says_so(trio: EtcdCluster, etcd: Etcd, prefix: str) -> None:
    start = await put(etcd, prefix + "a", 1)
    async with aclosing(etcd.watch(prefix, start)) as batches:
        await anext(batches)
        survivor, *victims = trio.members
        for victim in victims:
            victim.kill()
        async with Etcd([survivor.endpoint], timeout=1) as alone:
            with pytest.raises(EtcdUnavailable):
                await alone.get(prefix + "a")
            with pytest.raises((EtcdUnavailable, OutcomeUnknown)):
                await put(alone, prefix + "a", 2)
            with pytest.raises(EtcdUnavailable):
                async with asyncio.timeout(30), aclosing(alone.watch(prefix, start + 1)) as more:
                    await anext(more)
        with pytest.raises(EtcdUnavailable):
            async with asyncio.timeout(30):
                await anext(batches)
        health = {member.endpoint: member for member in await etcd.health()}
        assert not health[survivor.endpoint].has_leader
        assert all(health[victim.endpoint].error for victim in victims)


async def test_a_watch_on_a_member_that_lost_its_peers_ends(trio: EtcdCluster, prefix: str) -> None:
    """It would stay open, silent, for ever, if it did not ask for a member that has a leader."""
    survivor, *victims = trio.members
    async with Etcd([survivor.endpoint], timeout=1) as etcd:
        start = await put(etcd, prefix + "a", 1)
        async with aclosing(etcd.watch(prefix, start)) as batches:
            await anext(batches)
            for victim in victims:
                victim.pause()
            with pytest.raises(EtcdUnavailable, match="no leader"):
                async with asyncio.timeout(30):
                    await anext(batches)


async def test_our_leader_keeps_its_office_while_an_etcd_member_dies(
    trio: EtcdCluster, etcd: Etcd, prefix: str
) -> None:
    async with Office(etcd, prefix + "leader", ttl=20).standing() as office:
        await eventually(lambda: office.working)
        trio.leader().kill()
        term: Leadership = office.term
        left = term.remaining()
        await eventually(lambda: term.remaining() > left, seconds=40)
        await patiently_put(etcd, prefix + "a", 1)
        assert len(office.terms) == 1

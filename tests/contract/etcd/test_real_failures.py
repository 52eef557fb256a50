"""One real etcd that is not there, fills up, and comes back without its data."""

from collections.abc import Iterator

import pytest

from bwvisu.adapters.etcd import (
    Committed,
    DeletePrefix,
    Etcd,
    EtcdFull,
    EtcdUnavailable,
    Lagged,
    Mirror,
    Put,
)
from tests.contract.etcd.test_mirror import decode, patiently_put, put, running
from tests.support.etcd import EtcdCluster, Member
from tests.support.waiting import eventually, free_port

TIMEOUT = 2.0


@pytest.fixture(scope="module")
def lone() -> Iterator[EtcdCluster]:
    """An etcd that is treated badly."""
    with EtcdCluster() as cluster:
        yield cluster


@pytest.fixture
def member(lone: EtcdCluster) -> Iterator[Member]:
    yield lone.members[0]
    lone.members[0].ensure_running()
    lone.wait_healthy()


async def test_an_address_where_nobody_listens_is_unavailable() -> None:
    async with Etcd([f"127.0.0.1:{free_port()}"], timeout=TIMEOUT) as etcd:
        with pytest.raises(EtcdUnavailable, match="connect"):
            await etcd.get("/a")
        (health,) = await etcd.health()
        assert health.error is not None


async def test_revisions_that_run_backwards_are_a_new_world(member: Member) -> None:
    """A restored database: a watch from our revision would wait in silence for history to catch up."""
    async with Etcd([member.endpoint], timeout=TIMEOUT) as etcd:
        for number in range(20):
            await put(etcd, "/restored/a", number)
        async with running(Mirror(etcd, "/restored/", decode, relist_every=0.3)) as mirror:
            before = mirror.revision
            with mirror.subscribe() as news:
                member.kill()
                member.lose_data()
                member.start()
                await patiently_put(etcd, "/restored/b", 1)
                await eventually(lambda: list(mirror.values) == ["/restored/b"])
                assert mirror.revision < before
                assert await anext(news) == Lagged()


async def test_a_full_etcd_reads_and_says_so() -> None:
    with EtcdCluster(options=("--quota-backend-bytes", str(16 << 20))) as cluster:
        async with Etcd(cluster.endpoints, timeout=3) as etcd:
            await put(etcd, "/small", 1)
            with pytest.raises(EtcdFull):
                await fill(etcd, 40)
            assert await etcd.get("/small") is not None
            (health,) = await etcd.health()
            assert health.full
            assert health.database_bytes > 14 << 20, "one more megabyte would pass the quota"
            assert isinstance(await etcd.commit([], [DeletePrefix("/big/")]), Committed), "room can be made"


async def fill(etcd: Etcd, megabytes: int) -> None:
    for number in range(megabytes):
        await etcd.commit([], [Put(f"/big/{number}", bytes(1 << 20))])

"""TLS, passwords and rights."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from bwvisu.adapters.etcd import Credentials, Etcd, EtcdRefused, EtcdTls, EtcdUnavailable, Mirror, Span
from tests.contract.etcd.conftest import real_only
from tests.contract.etcd.test_mirror import decode, put, running
from tests.contract.etcd.test_watch import take
from tests.support.etcd import EtcdCluster, make_certificates
from tests.support.waiting import eventually

PASSWORD = "correct horse"
ROOT = Credentials("root", PASSWORD)
READER = Credentials("reader", "battery staple")
TOKEN_TTL = 1


@pytest.fixture(scope="module")
def secured() -> Iterator[EtcdCluster]:
    """An etcd over TLS that asks for a client certificate."""
    with EtcdCluster(tls=True) as cluster:
        yield cluster


@pytest.fixture
def tls(secured: EtcdCluster) -> EtcdTls:
    assert secured.tls is not None
    return secured.tls


@pytest.fixture(scope="module")
def guarded() -> Iterator[EtcdCluster]:
    """An etcd with users; ``reader`` may only read below ``/open/``; tokens end after a second without use."""
    with EtcdCluster(password=PASSWORD, options=("--auth-token-ttl", str(TOKEN_TTL))) as cluster:
        cluster.ctl("user", "add", f"{READER.username}:{READER.password}")
        cluster.ctl("role", "add", "reading")
        cluster.ctl("role", "grant-permission", "reading", "--prefix=true", "read", "/open/")
        cluster.ctl("user", "grant-role", READER.username, "reading")
        yield cluster


async def test_everything_works_over_tls(secured: EtcdCluster, tls: EtcdTls) -> None:
    async with Etcd(secured.endpoints, tls=tls) as etcd, aclosing(etcd.watch("/a", 1)) as batches:
        revision = await put(etcd, "/a", 1)
        (event,) = await take(batches, 1)
        assert event.revision == revision
        await (await etcd.lease(10)).keep_alive()
        assert (await etcd.health())[0].error is None


async def test_a_server_that_another_authority_vouches_for_is_refused(
    secured: EtcdCluster, tls: EtcdTls, tmp_path: Path
) -> None:
    stranger = make_certificates(tmp_path)
    async with Etcd(secured.endpoints, tls=replace(tls, ca_file=stranger.ca_file), timeout=3) as etcd:
        with pytest.raises(EtcdRefused, match="CERTIFICATE_VERIFY_FAILED"):
            await put(etcd, "/a", 1)
        with pytest.raises(EtcdRefused):
            await anext(etcd.watch("/a", 1))


@pytest.mark.parametrize(("name", "welcome"), [("localhost", True), ("elsewhere", False)])
async def test_the_name_in_the_certificate_counts(secured: EtcdCluster, tls: EtcdTls, name: str, welcome: bool) -> None:
    async with Etcd(secured.endpoints, tls=replace(tls, server_name=name), timeout=3) as etcd:
        if welcome:
            assert await put(etcd, "/a", 1)
        else:
            with pytest.raises(EtcdRefused):
                await put(etcd, "/a", 1)


async def test_without_a_certificate_of_ours_there_is_no_way_in(secured: EtcdCluster, tls: EtcdTls) -> None:
    async with Etcd(secured.endpoints, tls=EtcdTls(tls.ca_file), timeout=3) as etcd:
        with pytest.raises(EtcdRefused):
            await put(etcd, "/a", 1)


async def test_talking_plainly_to_a_tls_port_ends_in_time(secured: EtcdCluster) -> None:
    async with Etcd(secured.endpoints, timeout=3) as etcd:
        with pytest.raises(EtcdUnavailable):
            await put(etcd, "/a", 1)


async def test_a_password_opens_and_a_wrong_one_does_not(guarded: EtcdCluster) -> None:
    async with Etcd(guarded.endpoints, credentials=ROOT) as etcd:
        assert await put(etcd, "/closed/a", 1)
    wrong = Credentials("root", "wrong horse")
    async with Etcd(guarded.endpoints, credentials=wrong) as etcd:
        with pytest.raises(EtcdRefused) as refusal:
            await etcd.get("/closed/a")
        with pytest.raises(EtcdRefused):
            await anext(etcd.watch("/closed/a", 1))
    assert wrong.password not in f"{refusal.value!r} {refusal.value} {wrong!r}"
    async with Etcd(guarded.endpoints) as etcd:
        with pytest.raises(EtcdRefused):
            await etcd.get("/closed/a")


@real_only
async def test_a_password_is_no_hindrance_where_none_is_asked_for(
    etcd: Etcd, cluster: EtcdCluster, prefix: str
) -> None:
    async with Etcd(cluster.endpoints, credentials=ROOT) as with_password:
        await put(with_password, prefix + "a", 1)
    assert await etcd.get(prefix + "a") is not None


async def test_missing_rights_are_refused_and_a_watch_says_so_too(guarded: EtcdCluster) -> None:
    async with Etcd(guarded.endpoints, credentials=READER) as etcd:
        assert await etcd.get("/open/a") is None
        for attempt in (etcd.get("/closed/a"), etcd.list("/"), put(etcd, "/open/a", 1)):
            with pytest.raises(EtcdRefused, match="permission denied"):
                await attempt
        with pytest.raises(EtcdRefused, match="permission denied"):
            await anext(etcd.watch("/closed/", 1))


async def test_a_span_takes_one_right_for_the_whole_of_it(guarded: EtcdCluster) -> None:
    for role, ranges in (("kinds", (("/k/a/", "/k/a0"), ("/k/c/", "/k/c0"))), ("span", (("/k/a/", "/k/c0"),))):
        for argv in (("role", "add", role), ("user", "add", f"{role}:x"), ("user", "grant-role", role, role)):
            guarded.ctl(*argv)
        for first, end in ranges:
            guarded.ctl("role", "grant-permission", role, "read", first, end)
    span = Span("/k/a/", "/k/c/")
    async with Etcd(guarded.endpoints, credentials=Credentials("span", "x")) as etcd:
        assert not (await etcd.list(span)).entries
    async with Etcd(guarded.endpoints, credentials=Credentials("kinds", "x")) as etcd:
        assert not (await etcd.list("/k/c/")).entries
        with pytest.raises(EtcdRefused, match="permission denied"):
            await etcd.list(span)


async def test_an_expired_token_is_renewed(guarded: EtcdCluster) -> None:
    """By a write, a watch, a lease and many reads at once, each with a token of its own."""
    async with (
        Etcd(guarded.endpoints, credentials=ROOT) as writes,
        Etcd(guarded.endpoints, credentials=ROOT) as watches,
        Etcd(guarded.endpoints, credentials=ROOT) as leases,
        Etcd(guarded.endpoints, credentials=ROOT) as reads,
    ):
        before = await put(writes, "/open/a", 1)
        lease = await leases.lease(30)
        await asyncio.gather(watches.get("/open/a"), reads.get("/open/a"))
        await idle()
        assert await put(writes, "/open/a", 2)
        async with aclosing(watches.watch("/open/", before)) as batches:
            assert len(await take(batches, 2)) == 2
        await lease.keep_alive()
        assert None not in await asyncio.gather(*(reads.get("/open/a") for _ in range(20)))


async def test_a_restart_of_etcd_that_forgets_all_tokens_is_survived(guarded: EtcdCluster) -> None:
    async with (
        Etcd(guarded.endpoints, credentials=ROOT) as etcd,
        running(Mirror(etcd, "/open/", decode)) as mirror,
    ):
        guarded.members[0].restart()
        guarded.wait_healthy()
        revision = await put(etcd, "/open/after", 1)
        await eventually(lambda: mirror.revision >= revision)


async def idle() -> None:
    """Until an unused token has ended; etcd looks for such ones every second.  Nothing tells from outside."""
    await asyncio.wait({asyncio.create_task(asyncio.Event().wait())}, timeout=TOKEN_TTL + 2)

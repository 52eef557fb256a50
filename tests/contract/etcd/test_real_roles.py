"""The roles' users of a real etcd, known by their certificates: what each may do, and what it is refused."""

import asyncio
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bwvisu.adapters.etcd import Absent, Access, Committed, Etcd, EtcdRefused, EtcdTls, Keyspace, Permission, Put, Span
from bwvisu.adapters.records import Keys
from bwvisu.adapters.rights import KINDS, SINGLE, Role, permissions
from bwvisu.roles.rights import commands, settle, user_of
from bwvisu.settings import EtcdSettings, EtcdTlsSettings
from tests.support.etcd import EtcdCluster, client_certificate

KEYS = Keys()
PATIENCE = 30.0
"""Seconds for each call: a busy machine is not what these tests are about."""
KIND = {name: f"{KEYS.kind(name)}x" for name in KINDS} | {name: KEYS.root + name for name in SINGLE}
"""A key of each kind."""
READS = {
    Role.API: set(KIND) - {"notices", "forwards", "requests", "leader"},
    Role.KEYHOLE: {"secrets", "forwards", "requests", "reports", "installation"},
    Role.RECONCILER: set(KIND),
}
WRITES = {
    Role.API: {"specs", "secrets", "bundles", "idempotency", "lookups", "gateways", "quota", "admissions", "shares"}
    | {"preferences", "audit"},
    Role.KEYHOLE: {"requests", "reports"},
    Role.RECONCILER: {"status", "notices", "forwards", "clusters", "users", "quota", "leader", "installation"}
    | {"specs", "secrets", "admissions", "shares", "requests", "reports"},  # deletes them
}
"""Said anew here, by hand: a slip in the table of `adapters.rights` would make both sides of a test agree."""


class Guarded:
    """An etcd that knows the roles."""

    def __init__(self, cluster: EtcdCluster) -> None:
        self.cluster = cluster
        self.folder = cluster.folder

    def as_user(self, name: str) -> Etcd:
        """A client with this common name in its certificate."""
        tls = client_certificate(self.folder, name)
        return Etcd(self.cluster.endpoints, tls=tls, timeout=PATIENCE)

    @property
    def root(self) -> EtcdSettings:
        """As settings name etcd's root."""
        return self.met_by(client_certificate(self.folder, "root"))

    def met_by(self, tls: EtcdTls) -> EtcdSettings:
        """As settings name whoever has this certificate."""
        files = EtcdTlsSettings(ca_file=tls.ca_file, cert_file=tls.cert_file, key_file=tls.key_file)
        return EtcdSettings(endpoints=tuple(self.cluster.endpoints), tls=files, timeout=PATIENCE)


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    """The users have come by their rights as an administrator gives them: by the lines that we print."""
    with EtcdCluster(tls=True) as cluster:
        place = Guarded(cluster)
        know_the_roles(place)
        yield place


def know_the_roles(place: Guarded) -> None:
    """Make users and rights, then have them count."""
    lines = [*commands(KEYS.prefix), "etcdctl user add root --no-password", "etcdctl user grant-role root root"]
    _shell([*lines, "etcdctl auth enable"], place.root)


def _shell(lines: list[str], root: EtcdSettings) -> None:
    assert root.tls is not None
    environment = {
        **os.environ,
        "ETCDCTL_API": "3",
        "ETCDCTL_ENDPOINTS": ",".join(root.endpoints),
        "ETCDCTL_CACERT": str(root.tls.ca_file),
        "ETCDCTL_CERT": str(root.tls.cert_file),
        "ETCDCTL_KEY": str(root.tls.key_file),
    }
    subprocess.run(["sh", "-ec", "\n".join(lines)], env=environment, check=True, capture_output=True)


async def allowed(etcd: Etcd, key: str, *, write: bool) -> bool:
    try:
        # A condition is read, too: those who only delete may not ask; who puts without one needs no right to read.
        await (etcd.commit([], [Put(key, b"x")]) if write else etcd.get(key))
    except EtcdRefused as error:
        return "permission denied" not in str(error)
    return True


async def test_the_printed_lines_and_what_is_applied_are_the_same(guarded: Guarded) -> None:
    assert set((await settle(guarded.root)).values()) == {0}


@pytest.mark.parametrize("role", READS)
async def test_each_role_may_do_what_it_needs_and_nothing_else(guarded: Guarded, role: Role) -> None:
    async with guarded.as_user(user_of(role)) as etcd:
        assert {name for name, key in KIND.items() if await allowed(etcd, key, write=False)} == READS[role]
        assert {name for name, key in KIND.items() if await allowed(etcd, key, write=True)} == WRITES[role]
        for foreign in ("/bwvisu/v2/specs/x", "/other/v1/status/x"):
            assert not await allowed(etcd, foreign, write=False)
            assert not await allowed(etcd, foreign, write=True)


@pytest.mark.parametrize("name", ["bwvisu-portal", "client"])
async def test_whoever_is_none_of_them_may_do_nothing(guarded: Guarded, name: str) -> None:
    async with guarded.as_user(name) as etcd:
        for key in KIND.values():
            assert not await allowed(etcd, key, write=False)
            assert not await allowed(etcd, key, write=True)


async def test_the_watches_of_each_role_are_allowed_and_others_are_not(guarded: Guarded) -> None:
    specs_to_users = Span(KEYS.kind("specs"), KEYS.kind("users"))
    needed: dict[Role, Keyspace] = {
        Role.API: specs_to_users,
        Role.KEYHOLE: KEYS.kind("forwards"),
        Role.RECONCILER: KEYS.root,
    }
    refused = {Role.API: KEYS.root, Role.KEYHOLE: KEYS.kind("status")}
    for role, keys in needed.items():
        async with guarded.as_user(user_of(role)) as etcd, guarded.as_user("root") as root:
            watch = etcd.watch(keys, (await etcd.list(keys)).revision + 1)
            batch = asyncio.ensure_future(anext(watch))
            key = KIND["forwards"] if role is Role.KEYHOLE else KIND["status"]
            await root.commit([], [Put(key, role.encode())])
            assert [event.key for event in (await batch).events] == [key]
            await watch.aclose()
            if role in refused:
                with pytest.raises(EtcdRefused, match="permission denied"):
                    await anext(etcd.watch(refused[role], 1))


async def test_what_the_api_mirrors_beside_it_can_be_listed_and_watched(guarded: Guarded) -> None:
    """As a mirror does, which takes each for a prefix."""
    async with guarded.as_user(user_of(Role.API)) as etcd, guarded.as_user("root") as root:
        for keys in (KEYS.installation, KEYS.kind("clusters")):
            watch = etcd.watch(keys, (await etcd.list(keys)).revision + 1)
            batch = asyncio.ensure_future(anext(watch))
            await root.commit([], [Put(f"{keys}", b"x")])
            assert len((await batch).events) == 1
            await watch.aclose()


async def test_leadership_is_the_reconcilers_and_its_lease_nobody_elses(guarded: Guarded) -> None:
    async with guarded.as_user(user_of(Role.RECONCILER)) as leader, guarded.as_user("root") as root:
        await root.commit([], [Put(KEYS.leader, b"before")])
        lease = await leader.lease(30)
        assert isinstance(await leader.commit([], [Put(KEYS.leader, b"me", lease.id)]), Committed)
        keyhole = client_certificate(guarded.folder, user_of(Role.KEYHOLE))
        with pytest.raises(subprocess.CalledProcessError) as refused:
            _shell([f"etcdctl lease revoke {lease.id:x}"], guarded.met_by(keyhole))
        assert "permission denied" in refused.value.stderr.decode()
        with pytest.raises(subprocess.CalledProcessError) as refused:  # it would hold everything, secrets included
            _shell([f"etcdctl snapshot save {guarded.folder}/stolen"], guarded.met_by(keyhole))
        assert "permission denied" in refused.value.stderr.decode()
        await lease.keep_alive()
        await lease.revoke()
        assert await leader.get(KEYS.leader) is None


async def test_nobody_is_refused_while_rights_are_given(guarded: Guarded) -> None:
    """etcd 3.4 then refuses requests that are on their way ("revision of auth store is old"); nothing was applied."""
    stop = asyncio.Event()

    async def write(etcd: Etcd, number: int) -> int:
        written = 0
        while not stop.is_set():
            await etcd.commit([], [Put(f"{KIND['status']}{number}", b"x")])
            written += 1
        return written

    async with guarded.as_user(user_of(Role.RECONCILER)) as etcd:
        writers = [asyncio.create_task(write(etcd, number)) for number in range(16)]
        await settle(guarded.root.model_copy(update={"prefix": "/elsewhere"}))
        stop.set()
        assert all(await asyncio.gather(*writers))


async def test_a_right_that_is_replaced_by_others_is_never_missing(guarded: Guarded) -> None:
    """As by an upgrade: one for all is given up for one for each, while the role works."""
    stop, user = asyncio.Event(), user_of(Role.KEYHOLE)

    async def read(etcd: Etcd) -> bool:
        while not stop.is_set():
            assert await allowed(etcd, KIND["forwards"], write=False)
        return True

    wanted = permissions(KEYS, Role.KEYHOLE)
    async with guarded.as_user("root") as root, guarded.as_user(user) as keyhole:
        await root.settle(user, KEYS.root, [Permission(Span.of(KEYS.root), Access.BOTH)])
        reader = asyncio.create_task(read(keyhole))
        await root.settle(user, KEYS.root, wanted)
        stop.set()
        assert await reader


async def test_a_right_that_is_not_needed_any_more_is_taken_away(guarded: Guarded) -> None:
    wanted = permissions(KEYS, Role.KEYHOLE)
    more = Permission(Span.of(KEYS.kind("status")), Access.READ)
    async with guarded.as_user("root") as root, guarded.as_user(user_of(Role.KEYHOLE)) as keyhole:
        assert await root.settle(user_of(Role.KEYHOLE), KEYS.root, [*wanted, more]) == 1
        assert await allowed(keyhole, KIND["status"], write=False)
        assert await root.settle(user_of(Role.KEYHOLE), KEYS.root, wanted) == 1
        assert not await allowed(keyhole, KIND["status"], write=False)


def test_only_root_gives_rights(guarded: Guarded) -> None:
    async def give() -> None:
        async with guarded.as_user(user_of(Role.API)) as etcd:
            await etcd.settle(user_of(Role.API), "/", [Permission(Span.of("/"), Access.BOTH)])

    with pytest.raises(EtcdRefused, match="permission denied"):
        asyncio.run(give())


def test_the_table_of_the_records_says_the_same() -> None:
    """Of each row of its docstring: kind and writer."""
    text = Path("src/bwvisu/adapters/records.py").read_text()
    rows = re.findall(r"^``([a-z]+)(?:/[^`]*)?`` +(.*?)  ", text, re.MULTILINE)
    words = {"api": {Role.API}, "leader": {Role.RECONCILER}, "leadership": {Role.RECONCILER}, "keyhole": {Role.KEYHOLE}}
    words |= {"this replica of api": {Role.API}, "api and leader": {Role.API, Role.RECONCILER}}
    words |= {each: {Role.RECONCILER} for each in ("whoever comes first", "first, then leader")}
    table = {**KINDS, **SINGLE}
    assert {name: words[writer] for name, writer in rows} == {name: set(kind.writers) for name, kind in table.items()}


async def test_a_lone_absent_key_can_be_claimed(guarded: Guarded) -> None:
    """What each role's conditional writes need: the right to read what they compare."""
    needs = {Role.API: "specs", Role.KEYHOLE: "reports", Role.RECONCILER: "status"}
    for role, kind in needs.items():
        async with guarded.as_user(user_of(role)) as etcd:
            fresh = f"{KEYS.kind(kind)}fresh"
            assert isinstance(await etcd.commit([Absent(fresh)], [Put(fresh, b"x")]), Committed)

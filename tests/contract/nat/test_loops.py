"""The leader's loops against gateways: only the ledger and the scheduler are stood in for."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keyhole.domain import Fence, ForwardPolicy, GrantPhase
from keyhole.readiness import services_ready
from tests.contract.nat.conftest import KINDS, Either, a_world_of
from tests.contract.nat.leader import Leader, held
from tests.contract.nat.world import is_cut
from tests.support.keyhole import (
    FIRST,
    POLICY,
    MemoryBooks,
    report,
    request,
    tenancy,
)

OUTER = "198.51.100.21"


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Either]:
    with a_world_of(request.param, tmp_path, gateways=("gw1", "gw2")) as made:
        yield made


@pytest.fixture(params=["nftables", "iptables"])
def policy(request: pytest.FixtureRequest) -> ForwardPolicy:
    return replace(POLICY, backend=request.param)


@pytest.fixture
def books() -> MemoryBooks:
    return MemoryBooks()


def phases(books: MemoryBooks, job_id: str = "j1") -> list[GrantPhase]:
    return [each.phase for each in books.grants(job_id)]


async def test_a_request_becomes_a_page_and_its_end_leaves_nothing(
    world: Either, books: MemoryBooks, policy: ForwardPolicy
) -> None:
    leader = Leader(world, books, Fence(1, 1), policy)
    for sync in leader.syncs.values():
        await sync.reconcile()
    world.hosts["node2"].serve(50000)
    leader.tenants.jobs = {"j1": tenancy(hosts=["node1", "node2"])}
    books.asked = [request(hosts=["node1", "node2"])]
    told = await leader.forwards.serve()
    (forward,) = books.grants("j1")[0].forwards
    assert (told.reserved, forward.internal_port == 50000) == (1, False)
    gateway = books.grants("j1")[0].gateway
    address = world.gateways[gateway].external_ip
    assert (await leader.syncs[gateway].reconcile()).opened == 1
    world.hosts["node1"].serve(forward.internal_port)
    client = world.hosts["outside"].connect(address, forward.external_port)
    assert client.recv(9) == b"hello\n"

    leader.tenants.jobs = {"j1": tenancy(wanted=False)}
    await leader.forwards.retire()
    assert (await leader.syncs[gateway].reconcile()).quarantined == 1
    assert is_cut(client)
    assert world.hosts["outside"].hear(address, forward.external_port) is None
    leader.tenants.jobs = {}
    await leader.forwards.retire()
    leader.clock.now += policy.quarantine
    assert (await leader.forwards.retire()).deleted == 1
    assert books.records == {}


async def test_a_batch_is_one_transaction_and_one_more_needs_no_look(
    world: Either, books: MemoryBooks, policy: ForwardPolicy
) -> None:
    leader = Leader(world, books, Fence(1, 1), policy)
    for n in range(200):
        books.put(held(f"j{n}", [50000 + n]))
    told = await leader.sync.reconcile()
    assert (told.opened, told.added, leader.scripts()) == (200, 200, ["look", "load"])
    assert (await leader.sync.reconcile()).outcome == "in-step"
    assert leader.scripts() == ["look"]
    books.put(held("one-more", [51000]))
    told = await leader.sync.reconcile()
    assert (told.opened, told.added, told.whole, leader.scripts()) == (1, 1, False, ["load"])
    assert (await leader.sync.reconcile()).outcome == "in-step"
    assert leader.scripts() == []


async def test_a_flush_is_repaired_at_the_next_look(world: Either, books: MemoryBooks, policy: ForwardPolicy) -> None:
    leader = Leader(world, books, Fence(1, 1), policy)
    world.hosts["node1"].serve(50001)
    books.put(held("j1", [50001]))
    await leader.sync.reconcile()
    await leader.sync.reconcile()
    world.flush("gw1")
    assert world.hosts["outside"].hear(OUTER, 50001) is None
    leader.clock.now += 5
    told = await leader.sync.reconcile()
    assert (told.outcome, told.drifted, told.opened) == ("loaded", True, 0)
    assert world.hosts["outside"].hear(OUTER, 50001) == b"hello\n"


async def test_a_flush_between_looks_is_noticed_by_the_next_change(
    world: Either, books: MemoryBooks, policy: ForwardPolicy
) -> None:
    leader = Leader(world, books, Fence(1, 1), policy)
    world.hosts["node1"].serve(50001)
    books.put(held("j1", [50001]))
    await leader.sync.reconcile()
    await leader.sync.reconcile()
    world.flush("gw1")
    leader.scripts()
    books.put(held("j2", [50002]))
    assert (await leader.sync.reconcile()).opened == 1
    assert leader.scripts() == ["load", "look", "load"]
    assert world.hosts["outside"].hear(OUTER, 50001) == b"hello\n"


async def test_a_reboot_takes_rules_and_connections_but_not_the_fence(
    world: Either, books: MemoryBooks, policy: ForwardPolicy
) -> None:
    old, new = (Leader(world, books, Fence(1, epoch), policy) for epoch in (1, 2))
    world.hosts["node1"].serve(50001)
    books.put(held("j1", [50001]))
    await new.sync.reconcile()
    client = world.hosts["outside"].connect(OUTER, 50001)
    assert client.recv(9) == b"hello\n"
    world.reboot("gw1")
    assert is_cut(client)
    assert (await old.sync.reconcile()).outcome == "fenced"
    assert world.hosts["outside"].hear(OUTER, 50001) is None
    new.clock.now += 5
    assert (await new.sync.reconcile()).drifted
    assert world.hosts["outside"].hear(OUTER, 50001) == b"hello\n"


async def test_an_unreachable_gateway_changes_nothing_and_its_stale_rules_go_first(
    world: Either, books: MemoryBooks, policy: ForwardPolicy
) -> None:
    leader = Leader(world, books, Fence(1, 1), policy)
    world.hosts["node1"].serve(50001)
    books.put(held("j1", [50001]))
    await leader.sync.reconcile()
    client = world.hosts["outside"].connect(OUTER, 50001)
    assert client.recv(9) == b"hello\n"
    leader.shell.away = {"gw1"}
    leader.tenants.jobs = {}
    await leader.forwards.retire()
    leader.clock.now += 1000
    assert (await leader.sync.reconcile()).outcome == "unreachable"
    await leader.forwards.retire()
    assert (phases(books), leader.board.usable()) == ([GrantPhase.CLOSING], [])
    leader.shell.away = set()
    assert (await leader.sync.reconcile()).quarantined == 1
    assert is_cut(client)
    assert leader.board.usable() == ["gw1"]


async def test_a_new_leader_looks_before_it_believes_and_locks_the_old_one_out(
    world: Either, books: MemoryBooks, policy: ForwardPolicy
) -> None:
    old, new = (Leader(world, books, Fence(1, epoch), policy) for epoch in (1, 2))
    books.put(held("j1", [50001]))
    await old.sync.reconcile()
    assert new.board.usable() == []
    assert (await new.sync.reconcile()).outcome == "in-step"
    assert new.scripts() == ["look"]
    books.put(held("j2", [50002]))
    told = await old.sync.reconcile()
    assert (told.outcome, phases(books, "j2")) == ("fenced", [GrantPhase.RESERVED])
    assert (await new.sync.reconcile()).opened == 1


async def test_who_does_not_lead_touches_nothing(world: Either, books: MemoryBooks) -> None:
    leader = Leader(world, books, None)
    books.put(held("j1", [50001]))
    assert (await leader.sync.reconcile()).outcome == "not-leading"
    assert (leader.scripts(), phases(books)) == ([], [GrantPhase.RESERVED])


async def test_another_driver_takes_over_without_an_interruption(
    world: Either, books: MemoryBooks, policy: ForwardPolicy
) -> None:
    before = Leader(world, books, Fence(1, 1), policy)
    world.hosts["node1"].serve(50001)
    books.put(held("j1", [50001]))
    await before.sync.reconcile()
    client = world.hosts["outside"].connect(OUTER, 50001)
    assert client.recv(9) == b"hello\n"
    changed = replace(policy, backend="iptables" if policy.backend == "nftables" else "nftables")
    after = Leader(world, books, Fence(1, 2), changed)
    assert (await after.sync.reconcile()).backend == changed.backend
    client.send(b"still here")
    assert client.recv(20) == b"still here"
    assert world.hosts["outside"].hear(OUTER, 50001) == b"hello\n"
    ours = {"nftables": {"bwv-abc123"}, "iptables": {f"bwv-abc123-{part}" for part in ("pre", "post", "fwd", "in")}}
    assert world.objects("gw1") == ours[changed.backend]
    assert (await after.sync.reconcile()).outcome == "in-step"


async def test_without_conntrack_rules_load_but_nothing_is_quarantined(
    world: Either, books: MemoryBooks, policy: ForwardPolicy
) -> None:
    world.without_conntrack("gw1")
    leader = Leader(world, books, Fence(1, 1), policy)
    books.put(held("j1", [50001], GrantPhase.CLOSING))
    books.put(held("j2", [50002]))
    told = await leader.sync.reconcile()
    assert (told.outcome, told.opened, told.quarantined) == ("uncut", 1, 0)
    assert (phases(books), phases(books, "j2")) == ([GrantPhase.CLOSING], [GrantPhase.OPEN])


async def test_a_gateway_without_any_filter_is_told_apart_from_an_empty_one(world: Either, books: MemoryBooks) -> None:
    world.gateways["gw1"] = replace(world.gateways["gw1"], sudo="false")
    leader = Leader(world, books, Fence(1, 1))
    told = await leader.sync.reconcile()
    assert (told.outcome, leader.board.usable()) == ("unreachable", [])
    assert "neither" in told.detail


async def test_a_record_changed_during_the_load_is_not_confirmed(world: Either, books: MemoryBooks) -> None:
    leader = Leader(world, books, Fence(1, 1))
    books.put(held("j1", [50001]))
    books.in_doubt = {"j1"}
    told = await leader.sync.reconcile()
    assert (told.outcome, told.unwritten, phases(books)) == ("loaded", 1, [GrantPhase.RESERVED])
    books.in_doubt = set()
    assert (await leader.sync.reconcile()).opened == 1


async def test_a_foreign_rule_on_our_ports_is_told_and_stays(
    world: Either, books: MemoryBooks, policy: ForwardPolicy
) -> None:
    foreign = "-p tcp -m tcp --dport 50000 -j DNAT --to-destination 10.77.0.102:22"
    world.foreign("gw1", f"-A PREROUTING {foreign}")
    leader = Leader(world, books, Fence(1, 1), policy)
    told = await leader.sync.reconcile()
    assert [each[:2] for each in told.conflicts] == [(50000, 50000)]
    leader.tenants.jobs = {"j1": tenancy()}
    books.asked = [request()]
    await leader.forwards.serve()
    assert books.grants("j1")[0].forwards[0].external_port == 50001
    assert foreign in world.saved("gw1")


async def test_a_foreign_rule_that_comes_before_ours_takes_no_user_away(
    world: Either, books: MemoryBooks, policy: ForwardPolicy
) -> None:
    leader = Leader(world, books, Fence(1, 1), policy)
    books.put(held("j1", [50001]))
    await leader.sync.reconcile()
    world.hosts["node1"].serve(50001)
    foreign = "-p tcp -m tcp --dport 50001 -j DNAT --to-destination 10.77.0.102:22"
    world.foreign("gw1", f"-I PREROUTING {foreign}")
    leader.clock.now += 10
    told = await leader.sync.reconcile()
    assert [each[:2] for each in told.conflicts] == [(50001, 50001)]
    assert foreign in leader.board.states()["gw1"].words
    assert world.hosts["outside"].hear(OUTER, 50001) == b"hello\n"
    leader.clock.now += 10
    assert (await leader.sync.reconcile()).outcome == "in-step"
    assert foreign in world.saved("gw1")


async def test_services_come_and_go_by_probes_from_the_gateway(world: Either, books: MemoryBooks) -> None:
    leader = Leader(world, books, Fence(1, 1))
    books.put(held("j1", [50001, 50002], GrantPhase.OPEN))
    (open_grant,) = books.grants("j1")
    reports = [report("listening", 50001), report("listening", 50002, seq=2)]

    def ready() -> tuple[bool | None, ...]:
        return services_ready("j1", open_grant, leader.probes.health(), reports)

    listener = world.hosts["node1"].serve(50001)
    first = await leader.prober.reconcile()
    assert (first.good, first.bad, ready()) == (1, 1, (None, None))
    assert (await leader.prober.reconcile()).changed == {"j1"}
    assert ready() == (True, None)
    leader.shell.away = {"gw1"}
    for _ in range(5):
        assert (await leader.prober.reconcile()).unmade == 2
    assert ready() == (True, None)
    leader.shell.away = set()
    listener.shutdown(2)
    listener.close()
    seen = []
    for _ in range(3):
        await leader.prober.reconcile()
        seen.append(ready()[0])
    assert (seen, leader.changed) == ([True, True, False], ["j1", "j1", "j1"])
    assert ready() == (False, False)


async def test_hundreds_of_services_are_probed_in_one_session(world: Either, books: MemoryBooks) -> None:
    leader = Leader(world, books, Fence(1, 1))
    world.hosts["node1"].serve(50007)
    for n in range(300):
        books.put(held(f"j{n}", [50000 + n], GrantPhase.OPEN))
    told = await leader.prober.reconcile()
    assert (told.good, told.bad, told.unmade, leader.scripts()) == (1, 299, 0, ["probe"])
    assert leader.probes.of("gw1")
    assert books.record("j7").grant_for(FIRST) is not None


async def test_what_may_belong_to_a_record_that_cannot_be_read_stays_until_it_can(
    world: Either, books: MemoryBooks, policy: ForwardPolicy
) -> None:
    """Also from before the port range was changed, and by a leader that has never read the record."""
    old = Leader(world, books, Fence(1, 1), policy)
    world.hosts["node1"].serve(50001)
    books.put(held("j1", [50001]))
    books.put(held("j2", [50002]))
    await old.sync.reconcile()
    client = world.hosts["outside"].connect(OUTER, 50001)
    assert client.recv(9) == b"hello\n"
    del books.records["j1"]
    books.owned_unread = []
    books.put(held("j2", [50002], GrantPhase.CLOSING))
    new = Leader(world, books, Fence(1, 2), replace(policy, first_port=55000))
    for _ in range(2):
        told = await new.sync.reconcile()
        assert (told.forwards, told.held, set(new.board.held()["gw1"])) == (1, 1, {50001})
        assert phases(books, "j2") == [GrantPhase.QUARANTINED]
        assert not is_cut(client)
        assert world.hosts["outside"].hear(OUTER, 50001) == b"hello\n"
    assert new.scripts().count("load") == 1
    books.owned_unread = None
    new.clock.now += 5
    told = await new.sync.reconcile()
    assert (told.forwards, told.held, new.board.held()) == (0, 0, {"gw1": {}})
    assert is_cut(client)

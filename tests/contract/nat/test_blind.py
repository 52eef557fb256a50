"""A packet filter that cannot be asked is not one that holds nothing: its kernel goes on translating (I4, I7)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keyhole.domain import Fence, ForwardPolicy, GrantPhase
from keyhole.gateway import Unanswered, look, read_look
from tests.contract.nat.conftest import KINDS, OUTER, WEB, Bench, Either, a_world_of
from tests.contract.nat.leader import Leader, held
from tests.contract.nat.test_loops import phases
from tests.contract.nat.world import World
from tests.support.keyhole import POLICY, MemoryBooks

AUTO = replace(POLICY, backend="auto")
BY_NFT = replace(POLICY, backend="nftables")
BY_IPTABLES = replace(POLICY, backend="iptables")
FOREIGN = "-A PREROUTING -p tcp -m tcp --dport 50005 -j DNAT --to-destination 10.77.0.102:22"


class Place:
    """Gateway ``gw1``, one job's forward on it, and a leader after the other."""

    def __init__(self, world: Either) -> None:
        self.world, self.books, self.epoch = world, MemoryBooks(), 0

    def leader(self, policy: ForwardPolicy = AUTO) -> Leader:
        """A new one, without a memory."""
        self.epoch += 1
        return Leader(self.world, self.books, Fence(1, self.epoch), policy)

    async def served(self, policy: ForwardPolicy = AUTO) -> Leader:
        """A leader that has opened port 50001."""
        leader = self.leader(policy)
        self.world.hosts["node1"].serve(50001)
        self.books.put(held("j1", [50001]))
        assert (await leader.sync.reconcile()).opened == 1
        assert self.hears()
        return leader

    def close(self) -> None:
        self.books.put(held("j1", [50001], GrantPhase.CLOSING))

    def hears(self) -> bool:
        return self.world.hosts["outside"].hear(OUTER, 50001) is not None

    async def refuses(self, leader: Leader) -> None:
        """A look that is due confirms nothing, and changes nothing."""
        leader.clock.now += 60
        told = await leader.sync.reconcile()
        assert (told.outcome, told.quarantined, leader.board.usable()) == ("unreachable", 0, []), told
        assert (self.hears(), phases(self.books)) == (True, [GrantPhase.CLOSING])

    async def settles(self, leader: Leader) -> None:
        leader.clock.now += 60
        assert (await leader.sync.reconcile()).quarantined == 1
        assert (self.hears(), phases(self.books)) == (False, [GrantPhase.QUARANTINED])


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with a_world_of(request.param, tmp_path) as world:
        yield Place(world)


@pytest.mark.parametrize("backend", [AUTO, BY_NFT, BY_IPTABLES], ids=["auto", "nftables", "iptables"])
async def test_what_nft_holds_is_neither_forgotten_nor_confirmed_while_it_cannot_be_run(
    place: Place, backend: ForwardPolicy
) -> None:
    """``auto`` went over to iptables, which holds nothing, and said that the port was free."""
    leader = await place.served()
    place.world.break_tool("gw1", "nft")
    place.close()
    await place.refuses(leader)
    await place.refuses(place.leader(backend))
    place.world.mend_tool("gw1", "nft")
    await place.settles(place.leader(backend))


async def test_what_iptables_holds_is_not_forgotten_when_nftables_takes_over(place: Place) -> None:
    await place.served(BY_IPTABLES)
    place.world.break_tool("gw1", "iptables-save")
    place.close()
    for policy in (AUTO, BY_NFT, BY_IPTABLES):
        await place.refuses(place.leader(policy))
    place.world.mend_tool("gw1", "iptables-save")
    await place.settles(place.leader(AUTO))


async def test_a_load_is_remembered_before_any_look_has_seen_it(place: Place) -> None:
    """The gateway itself knows: this leader died before it could look again."""
    await place.served(BY_NFT)
    place.world.break_tool("gw1", "nft")
    place.close()
    await place.refuses(place.leader())


async def test_a_gateway_that_never_had_nft_is_served_by_iptables(place: Place) -> None:
    place.world.break_tool("gw1", "nft")
    leader = await place.served()
    place.close()
    await place.settles(leader)


async def test_nft_may_go_for_good_once_it_was_seen_to_hold_nothing(place: Place) -> None:
    await place.served()
    leader = place.leader(BY_IPTABLES)
    assert (await leader.sync.reconcile()).outcome == "loaded"
    assert (await leader.sync.reconcile()).outcome == "in-step"
    place.world.break_tool("gw1", "nft")
    leader = place.leader()
    assert (await leader.sync.reconcile()).outcome == "in-step"
    place.close()
    await place.settles(leader)


async def test_ports_of_foreign_rules_stay_taken_while_these_cannot_be_listed(place: Place) -> None:
    """What is there is served on, nothing new is given; also by a leader that has never seen them."""
    place.world.foreign("gw1", FOREIGN)
    leader = await place.served()
    (known,) = leader.board.states()["gw1"].conflicts
    place.world.break_tool("gw1", "iptables-save")
    leader.clock.now += 60
    told = await leader.sync.reconcile()
    state = leader.board.states()["gw1"]
    assert (told.outcome, state.usable, state.conflicts) == ("in-step", False, (known,))
    assert "iptables-save" in state.words
    follower = place.leader()
    assert (await follower.sync.reconcile()).outcome == "in-step"
    assert follower.board.usable() == []
    place.close()
    await place.settles(follower)
    place.world.mend_tool("gw1", "iptables-save")
    follower.clock.now += 60
    await follower.sync.reconcile()
    assert (follower.board.usable(), follower.board.states()["gw1"].conflicts) == (["gw1"], (known,))


async def test_a_gateway_that_never_had_iptables_is_usable(place: Place) -> None:
    place.world.break_tool("gw1", "iptables-save")
    leader = await place.served()
    assert leader.board.usable() == ["gw1"]


async def test_a_table_that_iptables_cannot_show_is_not_empty(real_world: World) -> None:
    """``iptables-save`` says so with status 0, once somebody has put something of nft's own kind into it."""
    bench = Bench(real_world, "iptables")
    await bench.make(WEB)
    real_world.hosts["gw1"].run("nft", "add rule ip nat PREROUTING tcp dport 40000 dnat to 10.77.0.102:22")
    assert real_world.saved("gw1").startswith("# Table `nat' is incompatible")
    answer = read_look(await bench.run(look(bench.guard, bench.frame.name)))
    assert isinstance(answer, Unanswered)
    assert "iptables may hold rules of ours" in answer.reason

"""Forwards that are bound to their owners' addresses: who passes, who gets no answer, who is cut, and who lives on."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keyhole.domain import Fence, ForwardPolicy, GrantPhase, network
from keyhole.gateway import UNLISTED
from tests.contract.nat.conftest import KINDS, Either, a_world_of
from tests.contract.nat.leader import Leader, held
from tests.contract.nat.world import World, is_cut
from tests.support.keyhole import POLICY, MemoryBooks
from tests.support.waiting import until

OUTER = "198.51.100.21"
FIRST, SECOND = "198.51.100.100", "198.51.100.101"


class Scene:
    """Job ``j1`` behind port 50001 and ``j2`` behind 50002 of one gateway, in a world with two clients."""

    def __init__(self, world: Either, policy: ForwardPolicy) -> None:
        self.world, self.books, self.policy = world, MemoryBooks(), policy
        self.outside = world.hosts["outside"]
        for job, port in (("j1", 50001), ("j2", 50002)):
            world.hosts["node1"].serve(port, f"{job}\n".encode())
            self.books.put(held(job, [port]))
        self.leader = self.led(1)

    def led(self, epoch: int, policy: ForwardPolicy | None = None) -> Leader:
        return Leader(self.world, self.books, Fence(1, epoch), policy or self.policy)

    async def admit(self, *networks: str, job: str = "j1") -> str:
        """The record says so, and the leader's next pass finds it."""
        self.books.admissions[job] = tuple(map(network, networks))
        return (await self.leader.sync.reconcile()).outcome

    def passes(self, source: str, port: int = 50001) -> bool:
        if self.outside.hear(OUTER, port, source) is not None:
            return True
        assert self.outside.unanswered(OUTER, port, source)
        return False


@pytest.fixture(params=["nftables", "iptables"])
def policy(request: pytest.FixtureRequest) -> ForwardPolicy:
    return replace(POLICY, backend=request.param, admission="owner-address")


@pytest.fixture(params=KINDS)
def scene(request: pytest.FixtureRequest, tmp_path: Path, policy: ForwardPolicy) -> Iterator[Scene]:
    with a_world_of(request.param, tmp_path) as world:
        yield Scene(world, policy)


@pytest.fixture
def real(tmp_path: Path, policy: ForwardPolicy) -> Iterator[Scene]:
    """For what needs packets."""
    with a_world_of("real", tmp_path) as world:
        yield Scene(world, policy)


async def test_nobody_is_answered_before_he_is_admitted(scene: Scene) -> None:
    assert (await scene.leader.sync.reconcile()).opened == 2
    assert scene.outside.unanswered(OUTER, 50001, FIRST)
    assert scene.outside.hear(OUTER, 50003) is None
    await scene.admit(FIRST)
    assert scene.outside.hear(OUTER, 50001, FIRST) == b"j1\n"
    assert scene.outside.unanswered(OUTER, 50001, SECOND)
    assert scene.outside.unanswered(OUTER, 50002, FIRST)


async def test_one_more_is_admitted_and_nobody_is_cut(scene: Scene) -> None:
    await scene.admit(FIRST)
    client = scene.outside.connect(OUTER, 50001, FIRST)
    assert client.recv(9) == b"j1\n"
    assert await scene.admit(FIRST, SECOND) == "loaded"
    assert scene.outside.hear(OUTER, 50001, SECOND) == b"j1\n"
    assert await scene.admit("198.51.100.0/24") == "loaded"
    assert scene.outside.hear(OUTER, 50001, SECOND) == b"j1\n"
    client.send(b"lives on")
    assert client.recv(9) == b"lives on"


async def test_revocation_cuts_him_alone_and_he_stays_out(scene: Scene) -> None:
    await scene.admit(FIRST, SECOND)
    await scene.admit(SECOND, job="j2")
    shut_out, admitted = (scene.outside.connect(OUTER, 50001, source) for source in (SECOND, FIRST))
    elsewhere = scene.outside.connect(OUTER, 50002, SECOND)
    assert [each.recv(9) for each in (shut_out, admitted, elsewhere)] == [b"j1\n", b"j1\n", b"j2\n"]
    scene.books.admissions["j1"] = (network(FIRST),)
    assert (await scene.leader.sync.reconcile()).cut == 1
    for each in (admitted, elsewhere):
        each.send(b"lives on")
        assert each.recv(9) == b"lives on"
    assert scene.world.muted(shut_out)  # type: ignore[arg-type]  # of this world
    assert scene.outside.unanswered(OUTER, 50001, SECOND)
    assert (await scene.leader.sync.reconcile()).outcome == "in-step"


@pytest.mark.parametrize("loose", ["1", "0"])
async def test_what_is_sent_to_him_does_not_arrive_either(real: Scene, loose: str) -> None:
    """Nor is a flow picked up in its middle, in whichever direction its next packet goes."""
    real.world.hosts["gw1"].run("sysctl", "-qw", f"net.netfilter.nf_conntrack_tcp_loose={loose}")  # type: ignore[union-attr]
    listener = real.world.hosts["node2"].tcp()  # type: ignore[union-attr]
    listener.bind(("", 50009))
    listener.listen()
    job = held("j9", [50009])
    grants = [each.model_copy(update={"forwards": _on_node2(each.forwards)}) for each in job.grants]
    real.books.put(job.model_copy(update={"grants": tuple(grants)}))
    await real.admit(FIRST, job="j9")
    client = real.outside.connect(OUTER, 50009, FIRST)
    served, _ = listener.accept()
    served.sendall(b"before")
    assert client.recv(9) == b"before"
    await real.admit(job="j9")

    def ended() -> bool:
        try:
            served.sendall(b"after")
        except ConnectionError:
            return True
        return False

    until(ended, what="the gateway tells the server that nobody is there")
    assert real.world.muted(client)  # type: ignore[arg-type]


def _on_node2(forwards: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(each.model_copy(update={"internal_address": "10.77.0.102"}) for each in forwards)  # type: ignore[attr-defined]


async def test_who_came_in_while_nobody_looked_is_found_and_cut(scene: Scene) -> None:
    """A leader died after it had loaded, and before it cut: the next one knows nothing of it."""
    await scene.admit(FIRST)
    await scene.leader.sync.reconcile()  # has seen what it loaded, and nobody inside
    client = scene.outside.connect(OUTER, 50001, FIRST)
    assert client.recv(9) == b"j1\n"
    scene.books.admissions["j1"] = ()
    assert await _dies_after_its_first_load(scene.leader) == "unreachable"
    client.send(b"still here")
    assert client.recv(10) == b"still here"
    assert (await scene.led(2).sync.reconcile()).cut == 1
    assert not scene.passes(FIRST)
    assert scene.world.muted(client)  # type: ignore[arg-type]


async def _dies_after_its_first_load(leader: Leader) -> str:
    run = leader.shell.run

    async def once(gateway: str, *args: object) -> object:
        answer = await run(gateway, *args)  # type: ignore[arg-type]
        leader.shell.away = {"gw1"} if "restore" in str(args[0]) and args[2] else leader.shell.away
        return answer

    leader.shell.run = once  # type: ignore[method-assign, assignment]
    return (await leader.sync.reconcile()).outcome


async def test_where_connections_cannot_be_listed_it_is_said_and_done_later(scene: Scene) -> None:
    await scene.admit(FIRST)
    client = scene.outside.connect(OUTER, 50001, FIRST)
    assert client.recv(9) == b"j1\n"
    scene.world.break_tool("gw1", "conntrack")
    scene.books.admissions["j1"] = ()
    report = await scene.leader.sync.reconcile()
    assert (report.outcome, report.detail) == ("uncut", UNLISTED)
    assert not scene.passes(FIRST)
    scene.world.mend_tool("gw1", "conntrack")
    assert (await scene.leader.sync.reconcile()).cut == 1
    assert scene.world.muted(client)  # type: ignore[arg-type]


async def test_the_setting_changes_while_people_work(scene: Scene) -> None:
    opened = scene.led(1, replace(scene.policy, admission="open"))
    await opened.sync.reconcile()
    owner, other = (scene.outside.connect(OUTER, 50001, source) for source in (FIRST, SECOND))
    assert (owner.recv(9), other.recv(9)) == (b"j1\n", b"j1\n")
    scene.leader = scene.led(2)
    await scene.admit(FIRST)
    owner.send(b"lives on")
    assert owner.recv(9) == b"lives on"
    assert scene.world.muted(other)  # type: ignore[arg-type]
    assert (scene.passes(FIRST), scene.passes(SECOND)) == (True, False)
    await scene.led(3, replace(scene.policy, admission="open")).sync.reconcile()
    assert (scene.passes(FIRST), scene.passes(SECOND)) == (True, True)


async def test_the_other_driver_lets_nobody_else_in(scene: Scene, policy: ForwardPolicy) -> None:
    await scene.admit(FIRST)
    client = scene.outside.connect(OUTER, 50001, FIRST)
    assert client.recv(9) == b"j1\n"
    rival = "iptables" if policy.backend == "nftables" else "nftables"
    scene.leader = scene.led(2, replace(policy, backend=rival))  # type: ignore[arg-type]
    await scene.admit(FIRST)
    client.send(b"lives on")
    assert client.recv(9) == b"lives on"
    assert (scene.passes(FIRST), scene.passes(SECOND)) == (True, False)


HANDS = {
    "nftables": (
        "add element ip bwv-abc123 admitted { 50001 . 198.51.100.101 }",
        "delete element ip bwv-abc123 bound { 50001 }",
        "delete element ip bwv-abc123 admitted { 50001 . 198.51.100.100 }",
        "delete table ip bwv-abc123",
    ),
}


@pytest.mark.parametrize("line", HANDS["nftables"])
async def test_what_a_foreign_hand_changed_is_mended(tmp_path: Path, line: str) -> None:
    policy = replace(POLICY, backend="nftables", admission="owner-address")
    for kind in KINDS:
        (home := tmp_path / kind).mkdir()
        with a_world_of(kind, home) as world:
            scene = Scene(world, policy)
            await scene.admit(FIRST)
            world.nft("gw1", line)
            scene.leader.clock.now += 5
            assert (await scene.leader.sync.reconcile()).drifted
            assert (scene.passes(FIRST), scene.passes(SECOND)) == (True, False)


@pytest.mark.parametrize(
    "change",
    [
        "-t nat -A bwv-abc123-pre -s 198.51.100.101 -p tcp --dport 50001 -j DNAT --to-destination 10.77.0.101:50001",
        "-t nat -A bwv-abc123-pre -p tcp --dport 50001 -j DNAT --to-destination 10.77.0.101:50001",
        "-t nat -F bwv-abc123-pre",
        "-t filter -F bwv-abc123-in",
        "-t filter -F INPUT",
    ],
)
async def test_what_a_foreign_hand_changed_with_iptables_is_mended(tmp_path: Path, change: str) -> None:
    with a_world_of("real", tmp_path) as world:
        assert isinstance(world, World)
        scene = Scene(world, replace(POLICY, backend="iptables", admission="owner-address"))
        await scene.admit(FIRST)
        world.hosts["gw1"].run("iptables", *change.split())
        intruder = None
        if scene.outside.hear(OUTER, 50001, SECOND):
            intruder = scene.outside.connect(OUTER, 50001, SECOND)
            assert intruder.recv(9) == b"j1\n"
        scene.leader.clock.now += 5
        assert (await scene.leader.sync.reconcile()).drifted
        assert (scene.passes(FIRST), scene.passes(SECOND)) == (True, False)
        assert intruder is None or world.muted(intruder)  # type: ignore[arg-type]


async def test_an_end_cuts_everybody_and_foreign_rules_stay(scene: Scene) -> None:
    foreign = "-A PREROUTING -p tcp -m tcp --dport 9999 -j REDIRECT --to-ports 22"
    scene.world.foreign("gw1", foreign)
    await scene.admit(FIRST)
    client = scene.outside.connect(OUTER, 50001, FIRST)
    assert client.recv(9) == b"j1\n"
    record = scene.books.records["j1"].record
    scene.books.put(record.model_copy(update={"grants": held("j1", [50001], GrantPhase.CLOSING).grants}))
    assert (await scene.leader.sync.reconcile()).quarantined == 1
    assert is_cut(client)
    assert foreign in scene.world.saved("gw1")

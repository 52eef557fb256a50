"""Grants leave gateways that are lost or vacated: read from the ledger after passes."""

import asyncio

import pytest

from keyhole.domain import Grant, GrantPhase, JobForwards
from keyhole.interfaces import Answer, NoAnswer
from keyhole.reach import Reach
from keyhole.reconciler import ForwardsReconciler, Knocker, ListeningShell
from keyhole.reconciler.board import GatewayState
from keyhole.scripts import PROBE, RESOLVE
from tests.support.keyhole import FIRST, GATEWAY, Clock, NamesAndPorts, grant, report, tenancy
from tests.unit.keyhole.reconciler.test_forwards import OTHER, House


class Left(House):
    """Two gateways, of which some are left."""

    def new_leader(self) -> None:
        self.left: set[str] = set()
        self.connections: dict[str, int] = {}
        self.gateways = {"gw1": GATEWAY, "gw2": OTHER}
        self.board.saw("gw2", GatewayState(usable=True))
        self.reconciler = ForwardsReconciler(
            policy=self.policy,
            gateways=self.gateways,
            books=self.books,
            tenants=self.tenants,
            shell=self.shell,
            board=self.board,
            clock=self.clock,
            drained=lambda: self.drained,
            left=lambda: self.left,
            connections=lambda: self.connections,
            on_change=self.nudged.append,
        )

    def has(self, *grants: Grant, job_id: str = "j1") -> None:
        """A wanted job that has these."""
        self.tenants.become(job_id, tenancy(hosts=grants[0].hosts))
        self.books.put(JobForwards(job_id=job_id, grants=grants))

    def ways(self, job_id: str = "j1") -> list[tuple[str, GrantPhase, list[int]]]:
        return [
            (each.gateway, each.phase, [forward.external_port for forward in each.forwards])
            for each in self.books.grants(job_id)
        ]


@pytest.fixture
def house() -> Left:
    return Left()


async def test_a_live_grant_moves_with_its_inner_ports_in_one_write(house: Left) -> None:
    house.has(grant([50001, 50002], hosts=["node1", "node2"]))
    house.shell.names["node1"] = ("10.77.0.201",)  # as gw2 sees it
    house.shell.listening = {"10.77.0.201:50001", "10.77.0.201:50002"}
    house.left = {"gw1"}
    revision, looks = house.books.revision, house.tenants.looks
    told = await house.reconciler.move()
    assert (told.moved, told.touched, house.nudged) == (1, frozenset({"gw1", "gw2"}), ["gw1", "gw2"])
    assert house.ways() == [
        ("gw1", GrantPhase.CLOSING, [50001, 50002]),
        ("gw2", GrantPhase.RESERVED, [50001, 50002]),
    ]
    new = house.books.grants("j1")[1]
    assert [(each.internal_host, each.internal_address, each.internal_port) for each in new.forwards] == [
        ("node1", "10.77.0.201", 50001),
        ("node1", "10.77.0.201", 50002),
    ]
    assert new.external_host == OTHER.external_ip
    assert (house.books.revision, house.tenants.looks) == (revision + 1, looks), "one write, and no look"
    assert {gateway for gateway, _ in house.shell.calls} == {"gw2"}
    assert (await house.reconciler.move()).moved == 0


@pytest.mark.parametrize("phase", [GrantPhase.RESERVED, GrantPhase.OPEN])
async def test_only_what_lives_moves(house: Left, phase: GrantPhase) -> None:
    house.has(grant([50001], phase))
    house.has(grant([50005], GrantPhase.CLOSING), job_id="j2")
    house.has(grant([50006], gateway="gw2"), job_id="j3")
    house.left = {"gw1"}
    assert (await house.reconciler.move()).moved == 1
    assert house.ways("j2") == [("gw1", GrantPhase.CLOSING, [50005])]
    assert house.ways("j3") == [("gw2", GrantPhase.OPEN, [50006])]


async def test_a_gateway_that_the_settings_do_not_name_any_more_is_left(house: Left) -> None:
    house.has(grant([50001], gateway="gw9"))
    told = await house.reconciler.move()
    assert (told.moved, house.books.grants("j1")[1].gateway in {"gw1", "gw2"}) == (1, True)


async def test_nothing_moves_where_there_is_no_other_gateway(house: Left) -> None:
    house.has(grant())
    before = house.ways()
    for left, drained, usable in (({"gw1"}, {"gw2"}, True), ({"gw1", "gw2"}, set(), True), ({"gw1"}, set(), False)):
        house.left, house.drained = left, drained
        house.board.saw("gw2", GatewayState(usable=usable))
        told = await house.reconciler.move()
        assert (told.moved, told.waiting["j1"].code, house.ways()) == (0, "no-gateway", before)


async def test_what_finds_no_room_stays_and_is_refused_nothing(house: Left) -> None:
    house.has(grant([50001]))
    house.has(grant(range(50000, 60001), gateway="gw2", hosts=["node3"]), job_id="j2")
    house.left = {"gw1"}
    told = await house.reconciler.move()
    assert (told.moved, told.refused, house.books.record("j1").refusals) == (0, {}, {})
    assert house.ways() == [("gw1", GrantPhase.OPEN, [50001])]


async def test_jobs_that_have_lost_their_right_or_are_left_alone_do_not_move(house: Left) -> None:
    house.left = {"gw1"}
    house.has(grant())
    for shown in (None, tenancy(wanted=False), tenancy(hosts=["node2"]), tenancy(hosts=[])):
        house.tenants.become("j1", shown)
        assert (await house.reconciler.move()).moved == 0
    house.tenants.jobs = None
    assert (await house.reconciler.move()).blind


async def test_a_number_with_a_foreign_listener_on_the_new_gateway_is_avoided(house: Left) -> None:
    house.has(grant([50001]))
    house.left = {"gw1"}
    house.shell.listening = {f"{OTHER.internal_ip}:50001", "10.77.0.101:50001"}
    await house.reconciler.move()
    ((_, _, old), (_, _, new)) = house.ways()
    assert (old, new != [50001]) == ([50001], True)


async def test_a_job_that_ends_while_it_moves_keeps_its_end(house: Left) -> None:
    house.has(grant())
    house.left = {"gw1"}
    house.shell.on_call = lambda _: house.tenants.become("j1", tenancy(wanted=False))
    told = await house.reconciler.move()
    assert (told.moved, told.waiting["j1"].code) == (0, "changed")


async def test_a_lost_port_is_replaced_once_its_grant_has_moved(house: Left) -> None:
    house.has(grant([50001]))
    house.books.said = [report("port-taken", 50001)]
    house.left = {"gw1"}
    house.board.silent("gw1", "away")
    assert (await house.reconciler.serve()).replaced == 0
    assert (await house.reconciler.move()).moved == 1
    house.confirm()
    told = await house.reconciler.serve()
    live = house.books.record("j1").grant_for(FIRST)
    assert told.replaced == 1
    assert live is not None
    assert (live.gateway, live.forwards[0].internal_port != 50001) == ("gw2", True)


async def test_two_loops_give_no_port_twice(house: Left) -> None:
    """A request is served while a grant moves: neither is in the books when the other is chosen for."""
    house.has(grant([50001]))
    house.drained = {"gw1"}
    house.left = {"gw1"}
    for n in range(20):
        house.job(f"new{n}", hosts=("node2",))
    await asyncio.gather(house.reconciler.serve(), house.reconciler.move())
    ports = [
        forward.external_port
        for job_id in house.books.records
        for each in house.books.grants(job_id)
        if each.gateway == "gw2"
        for forward in each.forwards
    ]
    assert len(ports) == len(set(ports)) == 21


async def test_new_forwards_go_where_fewer_connections_are_open(house: Left) -> None:
    house.connections = {"gw1": 5}
    for n in range(5):
        house.job(f"j{n}")
    await house.reconciler.serve()
    assert {each.gateway for n in range(5) for each in house.books.grants(f"j{n}")} == {"gw2"}


async def test_a_moved_grants_old_ports_are_free_after_quarantine_while_the_job_runs_on(house: Left) -> None:
    house.has(grant([50001]))
    house.left = {"gw1"}
    await house.reconciler.move()
    house.confirm()
    await house.reconciler.retire()
    house.clock.now += 119.0
    await house.reconciler.retire()
    assert len(house.ways()) == 2
    house.clock.now += 1.0
    await house.reconciler.retire()
    assert house.ways() == [("gw2", GrantPhase.OPEN, [50001])]


async def test_every_question_is_heard_and_a_quiet_gateway_is_asked_for_that_alone() -> None:
    shell, clock, reach = NamesAndPorts(), Clock(), Reach(("gw1",), 15.0)
    listening = ListeningShell(shell, reach, clock)
    knocker = Knocker(gateway=GATEWAY, shell=listening, reach=reach, clock=clock)
    assert (await knocker.reconcile()).asked
    assert shell.calls == [("gw1", PROBE)]
    assert not (await knocker.reconcile()).asked
    clock.now += 2.0
    assert isinstance(await listening.run("gw1", RESOLVE, (), b"", 1.0), Answer)
    clock.now += 2.0
    assert not (await knocker.reconcile()).asked, "somebody else was answered"
    shell.away = {"gw1"}
    clock.now += 2.0
    assert (await knocker.reconcile()).asked
    assert isinstance(await listening.run("gw1", RESOLVE, (), b"", 1.0), NoAnswer)
    assert (await knocker.reconcile()).asked
    assert shell.calls.count(("gw1", PROBE)) == 3

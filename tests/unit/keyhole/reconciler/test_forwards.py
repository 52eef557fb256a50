"""Requests become grants, grants end: read from the ledger after whole passes."""

import asyncio
from dataclasses import replace

import pytest

from keyhole.domain import Gateway, GrantPhase, JobForwards, Run, Tenancy
from keyhole.nat.conflicts import Conflict
from keyhole.nat.model import Translation
from keyhole.reconciler import ForwardsPass, ForwardsReconciler, GatewayBoard
from keyhole.reconciler.board import GatewayState
from keyhole.scripts import PROBE, RESOLVE
from tests.support.keyhole import (
    FIRST,
    GATEWAY,
    POLICY,
    Clock,
    MemoryBooks,
    MemoryTenants,
    NamesAndPorts,
    grant,
    report,
    request,
    tenancy,
)
from tests.support.waiting import eventually

LATER = Run(1, 1)
OTHER = Gateway("gw2", internal_ip="10.77.0.22", external_ip="198.51.100.22", sudo="")


class House:
    """One cluster's reconciler with everything it sees."""

    def __init__(self) -> None:
        self.books, self.tenants, self.shell = MemoryBooks(), MemoryTenants(), NamesAndPorts()
        self.board, self.clock, self.policy = GatewayBoard(), Clock(), POLICY
        self.drained: set[str] = set()
        self.nudged: list[str] = []
        self.board.saw("gw1", GatewayState(usable=True))
        self.new_leader()

    def new_leader(self) -> None:
        self.reconciler = ForwardsReconciler(
            policy=self.policy,
            gateways={"gw1": GATEWAY, "gw2": OTHER},
            books=self.books,
            tenants=self.tenants,
            shell=self.shell,
            board=self.board,
            clock=self.clock,
            drained=lambda: self.drained,
            on_change=self.nudged.append,
        )

    async def reconcile(self) -> ForwardsPass:
        """One pass of each loop; what both did."""
        retired, served = await self.reconciler.retire(), await self.reconciler.serve()
        return replace(
            served,
            closed=retired.closed,
            freed=retired.freed,
            deleted=retired.deleted,
            unwritten=retired.unwritten + served.unwritten,
            touched=retired.touched | served.touched,
        )

    def job(self, job_id: str = "j1", run: Run = FIRST, hosts: tuple[str, ...] = ("node1",), ports: int = 1) -> None:
        """A wanted job whose client has asked."""
        assert self.tenants.jobs is not None
        self.tenants.jobs = {**self.tenants.jobs, job_id: tenancy(run, hosts)}
        self.books.asked.append(request(job_id, run, hosts, ports))

    def phases(self, job_id: str = "j1") -> list[GrantPhase]:
        return [each.phase for each in self.books.grants(job_id)]

    def confirm(self) -> None:
        """What a gateway's sync does."""
        for each in list(self.books.records.values()):
            text = each.record.model_dump_json().replace('"reserved"', '"open"').replace('"closing"', '"quarantined"')
            self.books.put(JobForwards.model_validate_json(text))


@pytest.fixture
def house() -> House:
    return House()


async def test_a_request_becomes_a_reserved_grant_and_the_gateway_is_nudged(house: House) -> None:
    house.job(hosts=("node1", "node2"), ports=3)
    told = await house.reconcile()
    (held,) = house.books.grants("j1")
    assert (told.reserved, told.touched, house.nudged) == (1, frozenset({"gw1"}), ["gw1"])
    assert held.phase is GrantPhase.RESERVED
    assert held.hosts == ("node1", "node2")
    assert {(each.internal_host, each.internal_address) for each in held.forwards} == {("node1", "10.77.0.101")}
    assert len({each.internal_port for each in held.forwards}) == 3


async def test_one_look_and_two_sessions_serve_all_that_waits(house: House) -> None:
    for n in range(200):
        house.job(f"j{n}", hosts=(f"node{1 + n % 8}",))
    told = await house.reconcile()
    assert (told.reserved, house.tenants.looks) == (200, 1)
    assert house.shell.calls == [("gw1", RESOLVE), ("gw1", PROBE)]
    ports = [each.external_port for n in range(200) for held in house.books.grants(f"j{n}") for each in held.forwards]
    assert len(set(ports)) == 200


async def test_a_pass_with_nothing_to_do_asks_nobody(house: House) -> None:
    house.job()
    await house.reconcile()
    house.confirm()
    before = (house.tenants.looks, len(house.shell.calls), house.books.revision)
    await house.reconcile()
    assert (house.tenants.looks, len(house.shell.calls), house.books.revision) == before


async def test_a_granted_run_that_ends_is_not_judged_again(house: House) -> None:
    """Its request stands for as long as the job is kept; nobody asks the scheduler about it any more."""
    house.job()
    await house.reconcile()
    house.confirm()
    house.tenants.jobs = {"j1": tenancy(wanted=False)}
    looks = house.tenants.looks
    told = await house.reconcile()
    assert (told.closed, told.refused, house.tenants.looks) == (1, {}, looks)
    assert house.books.record("j1").refusals["1.0"].code == "not-wanted"


async def test_requests_of_jobs_that_are_gone_cost_no_look_and_leave_no_record(house: House) -> None:
    house.books.asked = [request("unknown"), request("over")]
    house.tenants.jobs = {"over": tenancy(wanted=False, gone=True)}
    told = await house.reconcile()
    assert (told.strangers, house.tenants.looks, house.books.records) == (2, 0, {})


async def test_a_hanging_scheduler_delays_requests_and_no_end(house: House) -> None:
    house.job()
    house.books.put(JobForwards(job_id="j2", grants=(grant(),)))
    house.tenants.jobs = {**(house.tenants.jobs or {}), "j2": tenancy(wanted=False)}
    house.tenants.answers.clear()
    serving = asyncio.create_task(house.reconciler.serve())
    await eventually(lambda: house.tenants.looks == 1)
    assert (await house.reconciler.retire()).closed == 1
    assert (house.phases("j2"), house.nudged, serving.done()) == ([GrantPhase.CLOSING], ["gw1"], False)
    house.tenants.answers.set()
    assert (await serving).reserved == 1
    assert (house.phases("j1"), house.phases("j2")) == ([GrantPhase.RESERVED], [GrantPhase.CLOSING])


async def test_could_not_look_changes_nothing(house: House) -> None:
    house.job()
    house.books.put(JobForwards(job_id="j2", grants=(grant(),)))
    house.tenants.jobs = {**(house.tenants.jobs or {}), "j2": tenancy()}
    house.tenants.can_look = False
    told = await house.reconcile()
    assert told.waiting["j1"].code == "could-not-look"
    assert (house.phases("j1"), house.phases("j2")) == ([], [GrantPhase.OPEN])


async def test_before_the_first_complete_look_nothing_is_closed(house: House) -> None:
    house.books.put(JobForwards(job_id="j1", grants=(grant(),)))
    house.tenants.jobs = None
    assert (await house.reconcile()).blind
    assert house.phases() == [GrantPhase.OPEN]


async def test_a_refusal_is_written_once_and_for_good(house: House) -> None:
    house.job()
    house.tenants.jobs = {"j1": tenancy(hosts=["node2"])}
    told = await house.reconcile()
    assert told.refused["j1"].code == "foreign-host"
    assert house.books.record("j1").refusals["1.0"].final
    revision, looks = house.books.revision, house.tenants.looks
    await house.reconcile()
    assert (house.books.revision, house.tenants.looks) == (revision, looks)


async def test_a_name_that_leads_elsewhere_is_refused_and_never_probed(house: House) -> None:
    house.job()
    house.shell.names["node1"] = ("127.0.1.1", "8.8.8.8")
    assert (await house.reconcile()).refused["j1"].code == "address-not-allowed"
    assert [script for _, script in house.shell.calls] == [RESOLVE]


async def test_a_silent_gateway_keeps_the_request_waiting_and_others_serve_it(house: House) -> None:
    house.job()
    house.shell.away = {"gw1"}
    assert (await house.reconcile()).waiting["j1"].code == "gateway-silent"
    assert house.books.records == {}
    assert (await house.reconcile()).waiting["j1"].code == "no-gateway"
    house.board.saw("gw2", GatewayState(usable=True))
    await house.reconcile()
    assert [each.gateway for each in house.books.grants("j1")] == ["gw2"]


async def test_a_drained_gateway_gets_no_new_forwards(house: House) -> None:
    house.job()
    house.drained = {"gw1"}
    assert (await house.reconcile()).waiting["j1"].code == "no-gateway"
    assert house.books.records == {}


async def test_ports_with_foreign_listeners_on_any_host_or_the_gateway_are_avoided(house: House) -> None:
    house.job(hosts=("node1", "node2"))
    house.shell.listening = {"10.77.0.102:50000", "10.77.0.21:50001"}
    await house.reconcile()
    (held,) = house.books.grants("j1")
    assert held.forwards[0].internal_port not in {50000, 50001}
    assert [script for _, script in house.shell.calls].count(PROBE) == 3


async def test_a_port_that_could_not_be_probed_is_not_free(house: House) -> None:
    house.job()
    house.shell.unprobeable = {"10.77.0.101:50000"}
    assert (await house.reconcile()).waiting["j1"].code == "not-probed"
    assert house.books.records == {}


async def test_ports_of_foreign_rules_are_avoided(house: House) -> None:
    house.board.saw("gw1", GatewayState(usable=True, conflicts=(Conflict(50000, 59999, "-A …"),)))
    house.job()
    await house.reconcile()
    assert house.books.grants("j1")[0].forwards[0].external_port == 60000


async def test_ports_of_records_that_cannot_be_read_are_avoided(house: House) -> None:
    house.books.owned_unread = [grant((50000,), GrantPhase.QUARANTINED)]
    house.board.holds("gw1", {50001: Translation("10.77.0.108", 50002)})
    house.job()
    await house.reconcile()
    (forward,) = house.books.grants("j1")[0].forwards
    assert not {forward.external_port, forward.internal_port} & {50000, 50001, 50002}


async def test_a_full_pool_says_so_and_serves_as_soon_as_there_is_room(house: House) -> None:
    house.policy = replace(POLICY, first_port=50000, last_port=50000)
    house.new_leader()
    house.job("old")
    await house.reconcile()
    house.job("new")
    await house.reconcile()
    refusal = house.books.record("new").refusals["1.0"]
    assert (refusal.code, refusal.final) == ("port-pool-exhausted", False)
    revision = house.books.revision
    await house.reconcile()
    assert house.books.revision == revision
    del house.books.records["old"]
    house.books.asked.pop(0)
    await house.reconcile()
    assert house.phases("new") == [GrantPhase.RESERVED]
    assert not house.books.record("new").refusals


async def test_a_reservation_in_doubt_is_given_to_nobody_else(house: House) -> None:
    house.job("j1")
    house.books.in_doubt = {"j1"}
    assert (await house.reconcile()).waiting["j1"].code == "write-in-doubt"
    house.job("j2")
    await house.reconcile()
    assert house.books.grants("j2")[0].forwards[0].external_port not in {50000, 50001}


async def test_a_taken_port_is_replaced_on_the_same_gateway(house: House) -> None:
    house.job(ports=2)
    await house.reconcile()
    house.confirm()
    kept, lost = house.books.grants("j1")[0].forwards
    house.books.said = [report("port-taken", lost.internal_port)]
    house.drained = {"gw1"}
    told = await house.reconcile()
    live = house.books.record("j1").grant_for(FIRST)
    assert live is not None
    assert (told.replaced, live.phase, live.forwards[0]) == (1, GrantPhase.RESERVED, kept)
    assert live.forwards[1].internal_port not in {kept.internal_port, lost.internal_port}
    house.confirm()
    assert (await house.reconcile()).replaced == 0
    assert sorted(house.phases()) == [GrantPhase.OPEN, GrantPhase.QUARANTINED]


async def test_an_ended_job_s_ports_go_the_whole_way(house: House) -> None:
    house.job()
    await house.reconcile()
    house.confirm()
    house.tenants.jobs = {"j1": tenancy(wanted=False)}
    assert (await house.reconcile()).closed == 1
    assert house.phases() == [GrantPhase.CLOSING]
    house.clock.now += 1000
    await house.reconcile()
    assert house.phases() == [GrantPhase.CLOSING]
    house.confirm()
    await house.reconcile()
    house.clock.now += 1000
    await house.reconcile()
    assert house.phases() == [GrantPhase.QUARANTINED], "the job hangs in COMPLETING"
    house.tenants.jobs = {"j1": tenancy(wanted=False, gone=True)}
    told = await house.reconcile()
    assert (told.deleted, told.freed, house.books.records) == (1, 1, {})
    assert (await house.reconcile()).strangers == 1
    assert house.books.records == {}


async def test_a_new_leader_starts_the_quarantine_anew(house: House) -> None:
    house.books.put(JobForwards(job_id="j1", grants=(grant(phase=GrantPhase.QUARANTINED),)))
    await house.reconcile()
    house.clock.now += 119
    house.new_leader()
    await house.reconcile()
    house.clock.now += 119
    await house.reconcile()
    assert house.phases() == [GrantPhase.QUARANTINED]
    house.clock.now += 1
    await house.reconcile()
    assert house.books.records == {}


async def test_a_requeued_run_gets_other_ports_while_the_older_ones_close(house: House) -> None:
    house.job()
    await house.reconcile()
    house.confirm()
    house.job(run=LATER, hosts=("node2",))
    await house.reconcile()
    old, new = house.books.grants("j1")
    assert (old.phase, new.phase) == (GrantPhase.CLOSING, GrantPhase.RESERVED)
    assert (old.run, new.run) == (FIRST, LATER)
    assert old.forwards[0].external_port != new.forwards[0].external_port
    assert house.books.record("j1").refusals["1.0"].code == "superseded"


async def test_a_record_changed_meanwhile_is_left_to_the_next_pass(house: House) -> None:
    house.books.put(JobForwards(job_id="j1", grants=(grant(),)))
    house.books.in_doubt = {"j1"}
    assert (await house.reconcile()).unwritten == 1
    house.books.in_doubt = set()
    assert (await house.reconcile()).closed == 1


@pytest.mark.parametrize("script", [RESOLVE, PROBE])
@pytest.mark.parametrize("now", [None, tenancy(wanted=False), tenancy(LATER), tenancy(hosts=("node2",))])
async def test_a_job_is_judged_again_when_the_gateway_has_answered(
    house: House, script: str, now: Tenancy | None
) -> None:
    house.job()
    house.shell.on_call = lambda asked: house.tenants.become("j1", now) if asked == script else None
    assert (await house.reconciler.serve()).waiting["j1"].code == "changed"
    assert house.books.records == {}


async def test_a_taken_port_of_a_job_that_has_ended_meanwhile_is_not_replaced(house: House) -> None:
    house.job()
    await house.reconcile()
    house.confirm()
    house.books.said = [report("port-taken", house.books.grants("j1")[0].forwards[0].internal_port)]
    house.shell.on_call = lambda _: house.tenants.become("j1", tenancy(wanted=False))
    assert (await house.reconciler.serve()).replaced == 0
    assert house.phases() == [GrantPhase.OPEN]

"""Nothing goes on after a pass that has failed (seed 2416 of the simulation: a port was given away twice)."""

import asyncio
from collections.abc import Sequence

import pytest

from keyhole.domain import Gateway, JobForwards
from keyhole.interfaces import Answer, NoAnswer
from keyhole.nat.model import Target
from keyhole.parallel import in_parallel
from keyhole.reconciler import ForwardsReconciler, GatewayBoard
from keyhole.reconciler.board import GatewayState
from tests.support.keyhole import (
    FIRST,
    GATEWAY,
    POLICY,
    Clock,
    MemoryBooks,
    MemoryTenants,
    NamesAndPorts,
    request,
    tenancy,
)
from tests.support.waiting import eventually

OTHER = Gateway("gw2", internal_ip="10.77.0.22", external_ip="198.51.100.22", sudo="")


class Lost(Exception):
    """The store cannot be reached."""


async def test_all_are_waited_for_before_an_error_is_raised() -> None:
    held, done = asyncio.Event(), []

    async def slow() -> None:
        await held.wait()
        done.append("slow")

    async def broken() -> None:
        raise Lost

    waiting = asyncio.create_task(in_parallel([broken(), slow()]))
    await asyncio.wait([waiting], timeout=0.05)
    assert not waiting.done()
    held.set()
    with pytest.raises(Lost):
        await waiting
    assert done == ["slow"]


async def test_whoever_is_cancelled_takes_all_along() -> None:
    begun: list[int] = []
    ended: list[int] = []

    async def patient(number: int) -> None:
        begun.append(number)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    waiting = asyncio.create_task(in_parallel(patient(number) for number in range(3)))
    await eventually(lambda: len(begun) == 3)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert sorted(ended) == [0, 1, 2]


class LosesOne(MemoryBooks):
    """A store that cannot be reached when one job's record is written, once."""

    def __init__(self, job_id: str) -> None:
        super().__init__()
        self.lost = {job_id}

    async def write(self, record: JobForwards, revision: int | None) -> bool:
        if record.job_id in self.lost:
            self.lost.clear()
            raise Lost
        return await super().write(record, revision)


class SlowGateway(NamesAndPorts):
    """One gateway's answers are held back."""

    def __init__(self, gateway: str) -> None:
        super().__init__()
        self.slow, self.released = gateway, asyncio.Event()

    async def run(
        self, gateway: str, script: str, args: Sequence[str], stdin: bytes, seconds: float
    ) -> Answer | NoAnswer:
        if gateway == self.slow:
            await self.released.wait()
        return await super().run(gateway, script, args, stdin, seconds)


async def test_a_gateway_that_answers_late_does_not_enter_ports_beside_the_next_pass() -> None:
    books, tenants, shell, board = LosesOne("j2"), MemoryTenants(), SlowGateway("gw1"), GatewayBoard()
    for gateway in ("gw1", "gw2"):
        board.saw(gateway, GatewayState(usable=True))
    tenants.jobs = {job: tenancy(FIRST, ("node1",)) for job in ("j1", "j2")}
    books.asked = [request(job) for job in ("j1", "j2")]
    reconciler = ForwardsReconciler(
        policy=POLICY,
        gateways={"gw1": GATEWAY, "gw2": OTHER},
        books=books,
        tenants=tenants,
        shell=shell,
        board=board,
        clock=Clock(),
    )
    first = asyncio.create_task(reconciler.serve())
    await eventually(lambda: not books.lost)
    assert not first.done(), "it waits for gw1"
    shell.released.set()
    with pytest.raises(Lost):
        await first
    await reconciler.serve()
    grants = [grant for job in ("j1", "j2") for grant in books.grants(job)]
    places = [Target(each.internal_address, each.internal_port) for grant in grants for each in grant.forwards]
    assert len(places) == len(set(places)) == 2

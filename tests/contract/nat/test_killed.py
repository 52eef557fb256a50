"""A leader killed before or after any effect: the next one converges, with the gateway as the witness (fault 10)."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from keyhole.domain import Fence, ForwardPolicy, GrantPhase, JobForwards
from keyhole.interfaces import Answer, GatewayShell, NoAnswer
from keyhole.reconciler import ForwardsReconciler, GatewayBoard, GatewaySync
from tests.contract.nat.conftest import KINDS, Either, Kind, a_world_of
from tests.support.keyhole import POLICY, Clock, MemoryBooks, MemoryOffice, MemoryTenants, request, tenancy

OUTER = "198.51.100.21"


class KilledError(BaseException):
    """The process is no more."""


class Fate:
    """Kills at the n-th moment between two effects."""

    def __init__(self, moments: int) -> None:
        self.moments = moments

    def moment(self) -> None:
        self.moments -= 1
        if self.moments == 0:
            raise KilledError


class MortalShell:
    def __init__(self, shell: GatewayShell, fate: Fate) -> None:
        self.shell = shell
        self.fate = fate

    async def run(
        self, gateway: str, script: str, args: Sequence[str], stdin: bytes, seconds: float
    ) -> Answer | NoAnswer:
        self.fate.moment()
        answer = await self.shell.run(gateway, script, args, stdin, seconds)
        self.fate.moment()
        return answer


class MortalBooks(MemoryBooks):
    """The store outlives its writers; ``fate`` is that of the present one."""

    fate = Fate(0)

    async def write(self, record: JobForwards, revision: int | None) -> bool:
        self.fate.moment()
        done = await super().write(record, revision)
        self.fate.moment()
        return done

    async def delete(self, job_id: str, revision: int) -> bool:
        self.fate.moment()
        done = await super().delete(job_id, revision)
        self.fate.moment()
        return done


class Story:
    """A cluster with one job, through the hands of several leaders."""

    def __init__(self, world: Either, policy: ForwardPolicy) -> None:
        self.world, self.policy = world, policy
        self.books, self.tenants = MortalBooks(), MemoryTenants()
        self.epoch = 0

    async def lead(self, fate: Fate) -> None:
        """One leader's life: passes until nothing changes any more."""
        self.epoch += 1
        self.books.fate, board, clock = fate, GatewayBoard(), Clock()
        shell, gateways = MortalShell(self.world.shell(), fate), self.world.gateways
        office = MemoryOffice(Fence(1, self.epoch))
        sync = GatewaySync(
            gateway=gateways["gw1"],
            installation="abc123",
            policy=self.policy,
            books=self.books,
            shell=shell,
            office=office,
            board=board,
            clock=clock,
        )
        forwards = ForwardsReconciler(
            policy=self.policy,
            gateways=gateways,
            books=self.books,
            tenants=self.tenants,
            shell=shell,
            board=board,
            clock=clock,
        )
        before = -1
        while self.books.revision != before or clock.now < 2000:
            before = self.books.revision
            await sync.reconcile()
            await forwards.retire()
            await forwards.serve()
            clock.now += self.policy.quarantine

    async def survives(self, fate: Fate) -> bool:
        """Whether a leader with this fate came to its end; another one takes over either way."""
        try:
            await self.lead(fate)
        except KilledError:
            await self.lead(Fate(0))
            return False
        return True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", [False, True], ids=["opening", "ending"])
async def test_the_next_leader_converges_wherever_the_last_one_was_killed(
    tmp_path: Path, ending: bool, kind: Kind
) -> None:
    with a_world_of(kind, tmp_path) as world:
        await sweep(world, POLICY, ending=ending)


async def sweep(world: Either, policy: ForwardPolicy, *, ending: bool) -> None:
    """Leaders that are killed at one moment after the other, until one of them meets none any more."""
    story, moment, survived = Story(world, policy), 0, False
    while not survived:
        moment += 1
        job_id = f"j{moment}"
        story.tenants.jobs = {job_id: tenancy()}
        story.books.asked = [request(job_id)]
        survived = await story.survives(Fate(0 if ending else moment))
        (held,) = story.books.grants(job_id)
        port, inner = held.forwards[0].external_port, held.forwards[0].internal_port
        listener = world.hosts["node1"].serve(inner)
        assert (held.phase, world.hosts["outside"].hear(OUTER, port)) == (GrantPhase.OPEN, b"hello\n")
        story.tenants.jobs = {job_id: tenancy(wanted=False, gone=True)}
        survived = await story.survives(Fate(moment if ending else 0)) and survived
        assert story.books.records == {}
        assert world.hosts["outside"].hear(OUTER, port) is None
        listener.close()
    assert moment > 5, "the sweep met fewer moments than there are effects"

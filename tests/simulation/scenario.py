"""One world in which only that goes wrong which a test lets go wrong; its promises are checked at every step.

``@simulated`` makes a test of a story told about a `Scene`.  When the story is over, everything must come to rest: who
has a job is served, every job is ended, and nothing is left.
"""

import asyncio
import gc
import inspect
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial, wraps
from typing import Any, TypeVar

from bwvisu.domain.cluster import ClusterView
from bwvisu.domain.job import JobStatus
from bwvisu.domain.lifecycle import Phase
from keyhole.domain import LIVE, Forward, Grant
from keyhole.nat.model import Target
from tests.simulation.host import Program, Streams
from tests.simulation.invariants import Violation
from tests.simulation.job import Script
from tests.simulation.loop import WORLD, Process, SimLoop
from tests.simulation.odds import Odds
from tests.simulation.people import Person
from tests.simulation.recording import recording
from tests.simulation.rest import all_served, left_over
from tests.simulation.run import until, within
from tests.simulation.service import CLUSTER, KEYS, Reconciler, Service
from tests.simulation.slurm import Job, Pace, Request
from tests.simulation.world import World

T = TypeVar("T")
Trick = Callable[[Program, Sequence[str], Streams], Awaitable[int]]
"""What a program does for once: it is given the real program, its arguments and its files."""


class StepLoop(SimLoop):
    """A `SimLoop` that knows who made the last step, and each process's first task."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self.last = WORLD
        self.mains: dict[Process, asyncio.Task[Any]] = {}

    def spawn(self, process: Process, work: Coroutine[Any, Any, T], name: str | None = None) -> asyncio.Task[T]:
        """See `SimLoop.spawn`."""
        task = super().spawn(process, work, name)
        self.mains.setdefault(process, task)
        return task

    def _choose(self) -> Process:
        self.last = super()._choose()
        return self.last


class Scene(World):
    """A world with a test's hands on it."""

    loop: StepLoop

    def __init__(self, seed: int = 1, pace: Pace | None = None) -> None:
        self.odds = Odds()
        chance = random.Random(seed)  # noqa: S311  nothing here is secret
        loop = StepLoop(chance)  # type: ignore[abstract]  # what nobody asks for raises
        super().__init__(loop, chance, self.odds, pace or Pace())
        self.on_step: Callable[[], None] = lambda: None
        """Called after every step of anybody."""
        self.foreign: set[int] = set()
        """Slurm jobs that have nothing to do with us, whatever their names."""
        self._moments: list[tuple[Callable[[], object], asyncio.Future[None]]] = []
        loop.on_step = self._step

    def play(self, story: Callable[["Scene"], Coroutine[Any, Any, None]]) -> None:
        """Tell a story, and let everything come to rest; raises `Violation` as soon as a promise is broken."""
        gc.disable()
        try:
            with recording(self):
                self.loop.run_until_complete(self._play(story))
        finally:
            with recording(self):
                self.loop.end()
            gc.enable()

    async def _play(self, story: Callable[["Scene"], Coroutine[Any, Any, None]]) -> None:
        for service in self.services:
            service.start()
        await self.until(lambda: self.leader is not None, "somebody leads")
        await story(self)
        await self.rest()

    async def rest(self) -> None:
        """Nothing goes wrong any more; everybody is served; every job is ended; nothing is left of any."""
        self.odds.clear()
        self.weather.cut.clear()
        for service in self.services:
            if not service.alive:
                service.start()
        await until(self, partial(all_served, self))
        ends = asyncio.gather(*(each.delete() for each in self.people))
        await within(self, 200.0, ends, "not every job could be ended")
        await until(self, partial(left_over, self))
        defects = [defect for service in self.services for defect in service.defects] + self.defects
        defects += [str(crash) for crash in self.loop.crashes]
        if defects:
            raise Violation(defects[0])
        if len(self.invariants.specs) > len(self.people):
            raise Violation("one request became several jobs")

    # ---- waiting ----------------------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], object], what: str, seconds: float = 60.0) -> float:
        """Go on to the very step after which ``condition`` holds; how many seconds that took."""
        began = self.loop.time()
        if condition():
            return 0.0
        moment: asyncio.Future[None] = self.loop.create_future()
        self._moments.append((condition, moment))
        try:
            async with asyncio.timeout(seconds):
                await moment
        except TimeoutError:
            raise Violation(f"not within {seconds:g} s: {what}") from None
        return self.loop.time() - began

    async def never(self, condition: Callable[[], object], what: str, seconds: float) -> None:
        """For so long, ``condition`` does not hold after any step."""
        try:
            await self.until(condition, what, seconds)
        except Violation:
            return
        raise Violation(f"it happened: {what}")

    def _step(self) -> None:
        self.invariants.check()
        self.on_step()
        for each in list(self._moments):
            condition, moment = each
            if moment.done() or condition():
                self._moments.remove(each)
                if not moment.done():
                    moment.set_result(None)

    # ---- jobs -------------------------------------------------------------------------------------------------

    async def wanted(self, user: str = "alice", cluster: str | None = None) -> Person:
        """Somebody whose job is accepted."""
        person = self.person(user, cluster)
        await person.post()
        assert person.job_id is not None, person.refused
        return person

    async def served(self, user: str = "alice", cluster: str | None = None) -> Person:
        """Somebody whose job is available."""
        person = await self.wanted(user, cluster)
        await self.reaches(person, Phase.READY)
        return person

    async def reaches(self, person: Person, phase: Phase, seconds: float = 60.0) -> float:
        """Wait for a phase of a person's job; how many seconds that took."""
        return await self.until(lambda: self.phase(person) is phase, f"the job is {phase}", seconds)

    def phase(self, person: Person) -> Phase:
        """Where a person's job is, as the store has it."""
        status = self.invariants.status.get(person.job_id or "")
        return Phase(status["phase"]) if status is not None else Phase.NEW

    def status(self, person: Person) -> JobStatus:
        """Everything that the store has of it."""
        return JobStatus.model_validate(self.invariants.status.get(person.job_id or "", {}))

    def reason(self, person: Person) -> str:
        """Why it is where it is: the code."""
        status = self.invariants.status.get(person.job_id or "", {})
        return str((status.get("reason") or {}).get("code", ""))

    def statuses(self) -> Mapping[str, Mapping[str, Any]]:
        """Every job's status now, but who is connected: equal to an earlier answer while nothing has changed."""
        return {job_id: _without_use(status) for job_id, status in self.invariants.status.items()}

    def lasting(self, person: Person) -> JobStatus:
        """A job's status, but who is connected."""
        return JobStatus.model_validate(self.statuses()[person.job_id or ""])

    def taken(self, person: Person) -> Sequence[tuple[int, int]]:
        """(attempt, Slurm job id) of all Slurm jobs that there ever were for this one."""
        return list(self.invariants.submitted.get(person.job_id or "", ()))

    def slurm_job(self, person: Person) -> Job:
        """The Slurm job that the service believes to be this one."""
        status = self.invariants.status[person.job_id or ""]
        return self.slurm.jobs[status["slurm"]["job_id"]]

    def script(self, person: Person) -> tuple[Script, Process]:
        """What runs for it on a compute node."""
        return next(each for each in self.scripts.values() if each[0].job_id == person.job_id)

    def live(self, job_id: str) -> list[tuple[int, int]]:
        """See `World.live`; without those that only look like the job's."""
        return [each for each in super().live(job_id) if each[1] not in self.foreign]

    def somebody_submits(self, user: str, name: str) -> Job:
        """A user's own job, by whatever name."""
        number = self.slurm.next_id
        self.foreign.add(number)
        self._seen.add(number)
        return self.slurm.submit(Request(user, name))

    def reset_slurm(self) -> None:
        """Slurm has lost its state, and gives the same ids again."""
        self.slurm.reset()
        self._seen.clear()

    # ---- forwards ---------------------------------------------------------------------------------------------

    def grants(self, person: Person) -> tuple[Grant, ...]:
        """All that the books hold for a job."""
        record = self.invariants.forwards.get(person.job_id or "")
        return record.grants if record is not None else ()

    def forward(self, person: Person) -> tuple[str, Forward]:
        """The gateway and the one forward of a job's live grant."""
        (grant,) = (grant for grant in self.grants(person) if grant.phase in LIVE)
        return grant.gateway, grant.forwards[0]

    def leads(self, gateway: str, port: int) -> Target | None:
        """Where a gateway leads a port."""
        return self.gateways[gateway].rules().get(port)

    # ---- the service ------------------------------------------------------------------------------------------

    @property
    def head(self) -> Reconciler:
        """Who leads."""
        leader = self.leader
        assert leader is not None
        return leader

    @property
    def cluster(self) -> ClusterView:
        """What users are shown of the cluster."""
        return self.shown(CLUSTER)

    def shown(self, cluster: str) -> ClusterView:
        """What users are shown of any cluster."""
        entry = self.etcd.entries.get(KEYS.cluster(cluster))
        return ClusterView(name=cluster) if entry is None else ClusterView.model_validate_json(entry.value)

    async def terminate(self, service: Service) -> bool:
        """SIGTERM: wait for its end; whether it has ended as it was told to."""
        task = self.loop.mains[service.process]
        task.cancel()
        await asyncio.wait({task})
        self.kill(service)
        return task.cancelled()

    def once(self, program: str, trick: Trick, *, text: str = "") -> None:
        """The next time that a command node runs ``program`` (the one with this text), it does ``trick`` instead."""
        waiting = [True]

        def wrap(real: Program) -> Program:
            async def run(args: Sequence[str], streams: Streams) -> int:
                if waiting and (not text or text in args):
                    waiting.clear()
                    return await trick(real, args, streams)
                return await real(args, streams)

            return run

        for node in self.command_nodes.values():
            node.programs[program] = wrap(node.programs[program])


def counted(scene: Scene, program: str) -> list[float]:
    """When command nodes run ``program`` from now on."""
    times: list[float] = []

    def wrap(real: Program) -> Program:
        def run(args: Sequence[str], streams: Streams) -> Awaitable[int]:
            times.append(scene.loop.time())
            return real(args, streams)

        return run

    for node in scene.command_nodes.values():
        node.programs[program] = wrap(node.programs[program])
    return times


def simulated(story: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that tells ``story(scene, ...)`` in simulated time; further arguments are pytest's."""

    @wraps(story)
    def test(**arguments: Any) -> None:
        Scene().play(lambda scene: story(scene, **arguments))

    signature = inspect.signature(story)
    test.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
    return test


def _without_use(status: Mapping[str, Any]) -> Mapping[str, Any]:
    use = ("connections", "bytes_in", "bytes_out", "last_active_at")
    return {**status, "services": [{**each, **dict.fromkeys(use)} for each in status.get("services", ())]}

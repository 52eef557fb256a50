"""I3 and I5 in time: once nothing is wrong with the world, gateways carry what is wanted, and soon.

Rules may differ from the records while a gateway, etcd, Slurm or the leader is away.  When the last trouble is over,
they may do so no longer than the service needs to notice and to act.
"""

from collections.abc import Callable

from bwvisu.domain.lifecycle import Phase
from bwvisu.domain.naming import SlurmJobName
from keyhole.domain import LIVE
from tests.simulation.rest import wrong_rules
from tests.simulation.service import FIRST_PORT, LAST_PORT
from tests.simulation.world import ADDRESSES, World

RULES_WITHIN = 30.0
"""Seconds for rules to equal the records."""
MOVED_WITHIN = 45.0
"""Seconds for a job's way to lead through a gateway that is there, once the one that it had is away."""
TENANTS_WITHIN = 45.0
"""Seconds for a rule to go after its job is no longer where it leads."""
_EVERY = 1.0


class Promptness:
    """Looks once in a simulated second.

    ``troubled``: whether something is wrong with the world at this moment; ``calamity``, asked after it: whether more
    is wrong than that a gateway is away.
    """

    def __init__(self, world: World, troubled: Callable[[], bool], calamity: Callable[[], bool]) -> None:
        self.slowest: dict[str, float] = {}
        """The longest that each difference has lasted in a fair world; seconds."""
        self._world = world
        self._troubled = troubled
        self._calamity = calamity
        self._spared_since = 0.0
        self._next = 0.0
        self._fair_since = 0.0
        self._since: dict[str, float] = {}

    def check(self) -> None:
        """Note what differs for too long as a breach."""
        now = self._world.loop.time()
        if now < self._next:
            return
        self._next = now + _EVERY
        if self._troubled():
            self._fair_since = now
        if self._calamity():
            self._spared_since = now
        self._weigh("rules", wrong_rules(self._world), now - self._fair_since, RULES_WITHIN)
        self._weigh("tenants", self._strange_tenant(), now - self._fair_since, TENANTS_WITHIN)
        self._weigh("moves", self._stranded(), now - self._spared_since, MOVED_WITHIN)

    def _weigh(self, name: str, wrong: str, fair: float, within: float) -> None:
        now = self._world.loop.time()
        if not wrong:
            self._since.pop(name, None)
            return
        lasts = min(now - self._since.setdefault(name, now), fair)
        self.slowest[name] = max(self.slowest.get(name, 0.0), lasts)
        if lasts > within:
            self._world.invariants.breach(f"for {lasts:.0f} s, though nothing is wrong with the world: {wrong}")

    def _stranded(self) -> str:
        """A running job whose way leads through a gateway that is away, although another has room; empty: none."""
        invariants = self._world.invariants
        there = {name for name, each in self._world.gateways.items() if each.up}
        free = dict.fromkeys(there, LAST_PORT - FIRST_PORT + 1)
        for grant in (grant for record in invariants.forwards.values() for grant in record.grants):
            if grant.gateway in free:
                free[grant.gateway] -= len(grant.forwards)
        if max(free.values(), default=0) <= 0:
            return ""
        for job_id, record in invariants.forwards.items():
            ready = invariants.status.get(job_id, {}).get("phase") == Phase.READY
            for grant in record.grants if ready and invariants.specs[job_id]["wanted"] == "running" else ():
                if grant.phase in LIVE and grant.gateway not in there:
                    return f"{job_id} is stranded on {grant.gateway}"
        return ""

    def _strange_tenant(self) -> str:
        """A rule that leads to where its owner's job does not run; empty: none."""
        homes = {
            (name.job_id, ADDRESSES[host])
            for slurm in self._world.slurms
            for job in slurm.jobs.values()
            if job.state == "RUNNING" and (name := SlurmJobName.parse(job.name)) is not None
            for host in job.hosts
        }
        for gateway in self._world.gateways.values():
            for port, target in gateway.rules().items():
                owner = self._world.invariants.owner(gateway.name, port)
                if (owner, target.address) not in homes:
                    return f"{gateway.name}:{port} leads to {target}, where {owner} does not run"
        return ""

"""One world: doubles, the service's processes, people, and what they know of each other."""

import asyncio
import json
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from bwvisu.adapters.etcd import Entry, Put
from bwvisu.adapters.records import encode
from bwvisu.domain.admission import Admissions
from bwvisu.domain.cluster import Installation
from bwvisu.domain.naming import SlurmJobName
from bwvisu.settings.cluster import LimitSettings
from keyhole.domain import Run
from keyhole.nat.model import Target
from tests.simulation.asgi import Reply, post
from tests.simulation.command_node import SimCommandNode
from tests.simulation.etcd import SimEtcd, SimStore
from tests.simulation.gateway import SimGateway
from tests.simulation.host import Host
from tests.simulation.invariants import Invariants
from tests.simulation.job import Script
from tests.simulation.loop import Process, SimLoop
from tests.simulation.people import Person
from tests.simulation.service import EPOCH, KEYS, ApiReplica, KeyholeReplica, Reconciler, Service, bound, limited
from tests.simulation.slurm import Job, Pace, SimSlurm
from tests.simulation.weather import Storm

INSTALLATION = Installation(id="simulate")
NODES = ("node1", "node2", "node3")
OTHER_NODES = ("node4", "node5", "node6")
"""Of a second cluster, where there is one."""
ADDRESSES: Mapping[str, str] = {name: f"10.1.0.{number}" for number, name in enumerate((*NODES, *OTHER_NODES), 1)}


class World:
    """Everything that there is in one simulation."""

    def __init__(
        self,
        loop: SimLoop,
        chance: random.Random,
        odds: Mapping[str, float],
        pace: Pace,
        limits: LimitSettings | None = None,
        *,
        doors: bool = False,
    ) -> None:
        self.loop = loop
        self.chance = chance
        self.weather = Storm(chance, odds)
        self.invariants = Invariants(loop.time)
        self.etcd = self._make_etcd()
        self.slurms: list[SimSlurm] = []
        """Of every cluster; their job ids differ."""
        self.slurm = self._make_slurm(pace)
        self.gateways = {name: self._make_gateway(name) for name in ("gw1", "gw2")}
        self.command_nodes = {name: SimCommandNode(name, self.slurm) for name in ("c1", "c2")}
        self.hosts: dict[str, Host] = {**self.command_nodes, **self.gateways}
        """What the service can log in to."""
        make = (loop, self.weather, self._store, chance)
        self.reconcilers = [Reconciler(name, *make, self.hosts) for name in ("r1", "r2")]
        self.keyholes = [KeyholeReplica(name, *make) for name in ("k1", "k2")]
        self.apis = [ApiReplica("a1", *make)]
        if limits is not None:
            self._limit(limits)
        if doors:
            self._bind()
        self.people: list[Person] = []
        self.scripts: dict[tuple[int, int], tuple[Script, Process]] = {}
        """By Slurm's job id and run: what has processes."""
        self.listeners: dict[Target, Script] = {}
        self.trace: list[str] = []
        self.defects: list[str] = []
        self.time_was_wrong = False
        """A wall clock was off by so much that retention, which goes by it, may come an hour late."""
        self._stores: dict[str, list[SimStore]] = {}
        self._seen: set[int] = set()
        self._watch_over()

    @property
    def services(self) -> list[Service]:
        """Every process of the service."""
        return [*self.reconcilers, *self.keyholes, *self.apis]

    @property
    def leader(self) -> Reconciler | None:
        """Who holds the office, as etcd sees it."""
        name = self._leader_name()
        return next((each for each in self.reconcilers if each.name == name), None)

    def say(self, what: str) -> None:
        """A line of the trace."""
        self.invariants.overheard("a line of the log", what)
        self.trace.append(f"{self.loop.time():9.3f} {what}")

    def _limit(self, limits: LimitSettings) -> None:
        self.invariants.limits = limits
        for service in self.services:
            service.settings = limited(limits)

    def _bind(self) -> None:
        self.invariants.doors.bound = True
        for service in self.services:
            service.settings = bound(service.settings)

    def admit(self, job_id: str, admissions: Admissions) -> None:
        """What the API writes when a job's owner says so; nothing for a job that is forgotten."""
        if KEYS.spec(job_id) in self.etcd.entries:
            self.etcd.commit("a1", [], [Put(KEYS.admissions(job_id), encode(admissions))])

    def kill(self, service: Service) -> None:
        """SIGKILL: nothing of it runs any more, and its connections end."""
        service.kill()
        for store in self._stores.pop(service.name, []):
            store.hang_up()

    def person(self, user: str, cluster: str | None = None) -> Person:
        """Somebody new who wants a job."""
        person = Person(len(self.people), user, self.apis, self.weather, cluster)
        person.on_accepted = self.invariants.promised
        self.people.append(person)
        return person

    # ---- what the doubles are given ---------------------------------------------------------------------------

    def _make_etcd(self) -> SimEtcd:
        etcd = SimEtcd(self.loop.time)
        etcd.commit("world", [], [Put(KEYS.installation, encode(INSTALLATION))])
        etcd.on_commit = self.invariants.committed
        return etcd

    def _make_slurm(self, pace: Pace, nodes: Sequence[str] = NODES) -> SimSlurm:
        slurm = SimSlurm(lambda: EPOCH + self.loop.time(), self.weather, pace, nodes=nodes)
        slurm.on_start, slurm.on_end = partial(self._job_started, slurm), self._job_ended
        slurm.on_change = partial(self._slurm_changed, slurm)
        slurm.on_limit = self._time_set
        beliefs = self.invariants.beliefs
        slurm.on_asked, slurm.on_told, slurm.on_looked = beliefs.asked, beliefs.told, beliefs.looked
        self.slurms.append(slurm)
        return slurm

    def _make_gateway(self, name: str) -> SimGateway:
        gateway = SimGateway(
            name,
            self.weather,
            backend="nftables" if self.chance.random() < 0.5 else "iptables",
            listening=lambda address, port: Target(address, port) in self.listeners,
            names={node: [address] for node, address in ADDRESSES.items()},
        )
        gateway.on_change = partial(self._gateway_changed, gateway)
        gateway.on_sent = partial(self.invariants.idleness.sent, name)
        return gateway

    def _store(self, client: str) -> SimStore:
        store = SimStore(self.etcd, client, self.weather, timeout=3.0)
        self._stores.setdefault(client, []).append(store)
        return store

    # ---- what invariants watch --------------------------------------------------------------------------------

    def _run_on(self, host: Host) -> Callable[[Sequence[str]], None]:
        return lambda argv: self.invariants.overheard(f"an argument on {host.name}", "\n".join(argv))

    def _watch_over(self) -> None:
        self.invariants.leader = self._leader_name
        self.invariants.live = self.live
        for host in self.hosts.values():
            host.on_run = self._run_on(host)
            host.on_answer = self.invariants.beliefs.answered
            host.on_heard = partial(self.invariants.moves.heard, host.name)
        self.invariants.errors = self._errors
        self.invariants.limit = self.limit
        self.invariants.flows = lambda name: [(flow.port, flow.target) for flow in self.gateways[name].flows]

    def live(self, job_id: str) -> list[tuple[int, int]]:
        """(attempt, Slurm job id) of this job's Slurm jobs that wait or run."""
        found = []
        for job in [job for slurm in self.slurms for job in slurm.jobs.values()]:
            name = SlurmJobName.parse(job.name)
            if name is not None and name.job_id == job_id and job.state in {"PENDING", "CONFIGURING", "RUNNING"}:
                found.append((name.attempt, job.job_id))
        return found

    def limit(self, number: int) -> int | None:
        """Minutes that a Slurm job has in all; None: there is no such job that waits or runs."""
        job = self.slurm.jobs.get(number)
        if job is None or job.over or job.completing or job.request.time_limit is None:
            return None
        return job.request.time_limit // 60

    def _time_set(self, job: Job) -> None:
        name = SlurmJobName.parse(job.name)
        ours = name is not None and name.installation == INSTALLATION.id and job.user == self._owner(name.job_id)
        self.say(f"slurm: job {job.job_id} is given {self.limit(job.job_id)} minutes")
        self.invariants.time_set(name.job_id if name is not None and ours else "", self.limit(job.job_id) or 0)

    def _owner(self, job_id: str) -> str:
        return str(self.invariants.specs.get(job_id, {}).get("user"))

    def _leader_name(self) -> str | None:
        entry: Entry | None = self.etcd.entries.get(KEYS.leader)
        return str(json.loads(entry.value)["name"]) if entry is not None else None

    def _errors(self, name: str) -> frozenset[float]:
        return next(service.errors for service in self.reconcilers if service.name == name)

    def _gateway_changed(self, gateway: SimGateway) -> None:
        self.invariants.rules_changed(gateway.name, gateway.ways())
        for load in gateway.loads[-1:]:
            if load.accepted:
                self.invariants.loaded(gateway.name, load.fence)
        if not gateway.foreign_intact():
            self.invariants.breach(f"a foreign rule of {gateway.name} was touched")

    def _slurm_changed(self, slurm: SimSlurm) -> None:
        for number in sorted(slurm.jobs.keys() - self._seen):
            self._seen.add(number)
            job = slurm.jobs[number]
            name = SlurmJobName.parse(job.name)
            if name is not None and name.installation == INSTALLATION.id and name.job_id in self.invariants.specs:
                script = Script(number, 0, (), job.request.script.decode(), self)
                self.say(f"slurm: job {number} is {name.job_id} attempt {name.attempt}")
                self.invariants.slurm_took(name.job_id, name.attempt, number, whole=script.whole)

    # ---- jobs -------------------------------------------------------------------------------------------------

    def _job_started(self, slurm: SimSlurm, job: Job) -> None:
        name = SlurmJobName.parse(job.name)
        script = Script(job.job_id, job.run, job.hosts, job.request.script.decode(), self)
        if name is None or not script.job_id:
            return
        self.say(f"slurm: job {job.job_id} run {job.run} starts on {','.join(job.hosts)}")
        self.invariants.hosts[name.job_id, Run(name.attempt, job.run)].update(job.hosts)
        process = Process(f"job-{job.job_id}.{job.run}")
        self.scripts[job.job_id, job.run] = script, process
        task = self.loop.spawn(process, script.run())
        task.add_done_callback(partial(self._script_ended, slurm, job.job_id, job.run))

    def _script_ended(self, slurm: SimSlurm, number: int, run: int, task: asyncio.Task[int]) -> None:
        if not task.cancelled():
            slurm.finish(number, task.result(), run=run)

    def _job_ended(self, job: Job, run: int) -> None:
        found = self.scripts.pop((job.job_id, run), None)
        if found is None:
            return
        script, process = found
        self.say(f"slurm: job {job.job_id} run {run} ends as {job.shown}")
        self.loop.kill(process)
        for target in [target for target, owner in self.listeners.items() if owner is script]:
            self._close(target)

    # ---- `Surroundings` of the scripts ------------------------------------------------------------------------

    async def call_keyhole(self, path: str, body: bytes, headers: Mapping[str, str], host: str) -> Reply | None:
        """Over the network to a replica that may refuse, hang, die, or lose the answer."""
        weather = self.weather
        replica = self.keyholes[int(weather.between(0, 1.999))]
        await asyncio.sleep(weather.between(0.001, 0.1))
        if weather.strikes("keyhole.refused") or not replica.alive or not hasattr(replica, "app"):
            return None
        if weather.strikes("keyhole.lost"):
            await asyncio.sleep(3600)
        answering = self.loop.spawn(replica.process, post(replica.app, path, body, headers, ADDRESSES[host]))
        reply = await asyncio.shield(answering)
        if weather.strikes("keyhole.lost"):
            await asyncio.sleep(3600)
        return reply

    def unix_time(self, host: str) -> float:
        """All compute nodes have the right time."""
        del host
        return EPOCH + self.loop.time()

    def can_bind(self, script: Script, port: int) -> bool:
        """Whether nobody else listens there: what Slurm has given up may live on."""
        return self.listeners.get(Target(ADDRESSES[script.hosts[0]], port), script) is script

    def listen(self, script: Script, port: int) -> None:
        """The application listens on the first host."""
        target = Target(ADDRESSES[script.hosts[0]], port)
        if self.listeners.setdefault(target, script) is script:
            self.invariants.listening(script.job_id, target, self.gateways)

    def close(self, script: Script, port: int) -> None:
        """The application stops listening; whoever was connected is not any more."""
        self._close(Target(ADDRESSES[script.hosts[0]], port))

    def _close(self, target: Target) -> None:
        self.listeners.pop(target, None)

"""Thousands of jobs at rest: their records as the service left them, and the cluster that they are on, of doubles.

Every live job is available behind a forward of its own, half of them on each of two gateways: of all jobs these have
the most records, the longest row in a look, and the most loops that go over them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel

from bwvisu.adapters.etcd import Operation, Put, Store
from bwvisu.adapters.records import Keys, encode
from bwvisu.domain.cluster import Installation
from bwvisu.domain.job import JobId, JobSpec, JobStatus, Moment, Service, ServiceName, SlurmView
from bwvisu.domain.lifecycle import Outcome, Phase, State
from bwvisu.domain.naming import SlurmJobName
from bwvisu.settings import Settings
from keyhole.domain import Forward, Grant, GrantPhase, JobForwards, PortRequest, Report
from tests.simulation.command_node import SimCommandNode
from tests.simulation.gateway import SimGateway
from tests.simulation.host import Host
from tests.simulation.service import CLUSTER, SETTINGS
from tests.simulation.slurm import Job, Request, SimSlurm, User
from tests.simulation.weather import CALM

INSTALLATION = Installation(id="simulate")
USERS, NODES = 1000, 200
GATEWAYS = ("gw1", "gw2")
FIRST_PORT = 50000
LIMIT = 8 * 3600
"""Seconds for which a job may run."""


def settings() -> Settings:
    """The simulation's, with a block of 10,000 ports, and a week for which finished jobs are kept, as by default."""
    cluster = SETTINGS.clusters[CLUSTER]
    forwards = cluster.forwards.model_copy(update={"port_range": (FIRST_PORT, FIRST_PORT + 9999)})
    retention = SETTINGS.retention.model_copy(update={"finished": 7 * 24 * 3600})
    clusters = {CLUSTER: cluster.model_copy(update={"forwards": forwards})}
    return SETTINGS.model_copy(update={"clusters": clusters, "retention": retention})


@dataclass(frozen=True, slots=True)
class Fleet:
    """``live`` available jobs, and ``finished`` ones that ended not long before ``now``."""

    live: int
    finished: int
    now: datetime
    """Whole seconds, UTC."""

    def job_id(self, number: int) -> JobId:
        """From 0; live ones first.  Finished ones are older."""
        return f"01jd{10**9 - number:022d}"

    # ---- records --------------------------------------------------------------------------------------------------

    async def store(self, store: Store, keys: Keys) -> None:
        """Write every record, a hundred in a transaction."""
        batch: list[Operation] = [Put(keys.installation, encode(INSTALLATION))]
        for key, record in self.records(keys):
            batch.append(Put(key, encode(record)))
            if len(batch) == 100:
                await store.commit([], batch)
                batch = []
        await store.commit([], batch)

    def records(self, keys: Keys) -> Iterator[tuple[str, BaseModel]]:
        """Keys, and what lies there."""
        for number in range(self.live + self.finished):
            job_id = self.job_id(number)
            yield keys.spec(job_id), self._spec(number)
            yield keys.status(job_id), self._status(number) if number < self.live else self._finished(number)
            if number < self.live:
                yield keys.forwards(job_id), self._forwards(number)
            yield from self._told(keys, number)

    def _spec(self, number: int) -> JobSpec:
        return JobSpec(
            id=self.job_id(number),
            user=f"user{number % USERS}",
            application="terminal",
            cluster=CLUSTER,
            parameters={"minutes": LIMIT // 60, "cores": 1, "memory": 0, "directory": "", "partition": ""},
            bundle="0" * 64,
            services=(ServiceName(name="web", protocol="http", path="/"),),
            created_at=self._began - timedelta(seconds=5),
            created_by="portal",
        )

    def _status(self, number: int) -> JobStatus:
        states = (State.ACCEPTED, State.SUBMITTED, State.RUNNING, State.AVAILABLE)
        moments = [Moment(state=state, at=self._began + timedelta(seconds=at)) for at, state in enumerate(states)]
        return JobStatus(
            phase=Phase.READY,
            attempt=1,
            intent_at=self._began,
            intent_clock=self._epoch,
            slurm=SlurmView(
                job_id=number + 1,
                state="RUNNING",
                nodes=(_node(number),),
                partition="batch",
                submitted_at=self._began,
                started_at=self._began,
                ends_at=self._began + timedelta(seconds=LIMIT),
                time_limit=LIMIT,
            ),
            services=(self._service(number),),
            timeline=tuple(moments),
        )

    def _service(self, number: int) -> Service:
        forward = self._forward(number)
        return Service(
            name="web",
            protocol="http",
            gateway=_gateway(number),
            external_host=_external(number),
            external_port=forward.external_port,
            internal_host=forward.internal_host,
            internal_port=forward.internal_port,
            reachable=True,
            connections=0,
            bytes_in=0,
            bytes_out=0,
        )

    def _finished(self, number: int) -> JobStatus:
        status = self._status(number)
        end = Moment(state=State.FINISHED, at=self.now)
        return status.model_copy(
            update={
                "phase": Phase.FINISHED, "outcome": Outcome.COMPLETED, "exit_code": 0, "services": (),
                "timeline": (*status.timeline, end),
            }
        )  # fmt: skip

    def _forwards(self, number: int) -> JobForwards:
        grant = Grant(
            attempt=1,
            restart=0,
            gateway=_gateway(number),
            external_host=_external(number),
            hosts=(_node(number),),
            forwards=(self._forward(number),),
            phase=GrantPhase.OPEN,
        )
        return JobForwards(job_id=self.job_id(number), cluster=CLUSTER, grants=(grant,))

    def _told(self, keys: Keys, number: int) -> Iterator[tuple[str, BaseModel]]:
        """What the job itself said, which is kept for as long as the job."""
        job_id, at, port = self.job_id(number), self._began, self._forward(number).internal_port
        common = {"job_id": job_id, "attempt": 1, "restart": 0, "received_at": at}
        asked = PortRequest.model_validate(
            {**common, "slurm_job_id": number + 1, "hosts": (_node(number),), "ports": 1}
        )
        yield keys.request(job_id, asked.run), asked
        reports: tuple[dict[str, object], ...] = ({"event": "started"}, {"event": "listening", "port": port})
        for seq, said in enumerate(reports):
            yield keys.report(job_id, asked.run, seq), Report.model_validate({**common, **said, "seq": seq})

    def _forward(self, number: int) -> Forward:
        return Forward(
            external_port=FIRST_PORT + number // len(GATEWAYS),
            internal_host=_node(number),
            internal_address=_address(number),
            internal_port=20000 + number // NODES,
        )

    @property
    def _began(self) -> datetime:
        """When all of them were started: an hour ago."""
        return self.now - timedelta(hours=1)

    @property
    def _epoch(self) -> int:
        return int(self._began.timestamp())

    # ---- the cluster ----------------------------------------------------------------------------------------------

    def hosts(self, wall: Callable[[], datetime]) -> Mapping[str, Host]:
        """Two command nodes and two gateways; Slurm, by this clock, runs every live job, and each of them answers."""
        slurm = SimSlurm(
            lambda: wall().timestamp(),
            nodes=[_node(number) for number in range(NODES)],
            users=[User(f"user{number}", 20001 + number) for number in range(USERS)],
        )
        for number in range(self.live):
            slurm.jobs[number + 1] = self._slurm_job(number)
        names = {_node(number): [_address(number)] for number in range(NODES)}
        gateways = [SimGateway(name, CALM, names=names) for name in GATEWAYS]
        return {host.name: host for host in (SimCommandNode("c1", slurm), SimCommandNode("c2", slurm), *gateways)}

    def _slurm_job(self, number: int) -> Job:
        name = str(SlurmJobName("bwv", INSTALLATION.id, self.job_id(number), 1))
        return Job(
            number + 1,
            20001 + number % USERS,
            Request(f"user{number % USERS}", name, time_limit=LIMIT),
            submit_time=self._epoch,
            state="RUNNING",
            hosts=(_node(number),),
            start_time=self._epoch,
            end_time=self._epoch + LIMIT,
            alive=True,
        )


def _node(number: int) -> str:
    return f"node{number % NODES}"


def _address(number: int) -> str:
    return f"10.1.0.{number % NODES + 1}"


def _gateway(number: int) -> str:
    return GATEWAYS[number % len(GATEWAYS)]


def _external(number: int) -> str:
    return f"192.0.2.{number % len(GATEWAYS) + 1}"

"""The outermost wires of the leader's keyhole: a ledger in memory, a scheduler that says what it is told."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Network

from keyhole.domain import (
    Fence,
    Forward,
    ForwardPolicy,
    Gateway,
    Grant,
    GrantPhase,
    JobForwards,
    Network,
    PortRequest,
    Report,
    Run,
    Tenancy,
)
from keyhole.interfaces import Answer, NoAnswer, Versioned
from keyhole.scripts import PROBE, RESOLVE

POLICY = ForwardPolicy(compute_networks=(IPv4Network("10.77.0.0/24"),), quarantine=120.0)
GATEWAY = Gateway("gw1", internal_ip="10.77.0.21", external_ip="198.51.100.21", sudo="")
FIRST = Run(1, 0)


class Clock:
    """Monotonic seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class MemoryBooks:
    """`Books` with etcd's compare-and-swap."""

    def __init__(self) -> None:
        self.records: dict[str, Versioned] = {}
        self.asked: list[PortRequest] = []
        self.said: list[Report] = []
        self.revision = 0
        self.in_doubt: set[str] = set()
        """Jobs whose writes come to nothing, or look so."""
        self.owned_unread: Sequence[Grant] | None = None
        self.admissions: dict[str, tuple[Network, ...]] = {}

    def requests(self) -> Sequence[PortRequest]:
        return tuple(self.asked)

    def reports(self, job_id: str) -> Sequence[Report]:
        return tuple(report for report in self.said if report.job_id == job_id)

    def forwards(self) -> Mapping[str, Versioned]:
        return dict(self.records)

    def unread(self) -> Sequence[Grant] | None:
        return self.owned_unread

    def admitted(self, job_id: str) -> Sequence[Network]:
        return self.admissions.get(job_id, ())

    async def write(self, record: JobForwards, revision: int | None) -> bool:
        await asyncio.sleep(0)
        known = self.records.get(record.job_id)
        if (known.revision if known else None) != revision or record.job_id in self.in_doubt:
            return False
        self.put(record)
        return True

    async def delete(self, job_id: str, revision: int) -> bool:
        await asyncio.sleep(0)
        known = self.records.get(job_id)
        if known is None or known.revision != revision:
            return False
        del self.records[job_id]
        return True

    def put(self, record: JobForwards) -> None:
        self.revision += 1
        self.records[record.job_id] = Versioned(record, self.revision)

    def record(self, job_id: str) -> JobForwards:
        return self.records[job_id].record

    def grants(self, job_id: str) -> list[Grant]:
        return list(self.record(job_id).grants) if job_id in self.records else []


class MemoryTenants:
    """`Tenants` whose looks show `jobs`."""

    def __init__(self) -> None:
        self.jobs: dict[str, Tenancy] | None = {}
        self.can_look = True
        self.looks = 0
        self.answers = asyncio.Event()
        """Cleared: the scheduler hangs."""
        self.answers.set()

    def current(self) -> Mapping[str, Tenancy] | None:
        return self.jobs

    def become(self, job_id: str, tenancy: Tenancy | None) -> None:
        """A later look shows the job otherwise, or as forgotten."""
        others = {each: known for each, known in (self.jobs or {}).items() if each != job_id}
        self.jobs = others if tenancy is None else {**others, job_id: tenancy}

    async def look_again(self) -> bool:
        self.looks += 1
        await self.answers.wait()
        return self.can_look


class MemoryOffice:
    """`Office` of a leader with a given fence; None: not the leader."""

    def __init__(self, fence: Fence | None) -> None:
        self.held = fence

    def fence(self, seconds: float) -> Fence | None:
        del seconds
        return self.held


class NamesAndPorts:
    """A `GatewayShell` that answers questions about names and ports from tables; it has no packet filter."""

    def __init__(self) -> None:
        self.names: dict[str, tuple[str, ...]] = {f"node{n}": (f"10.77.0.{100 + n}",) for n in range(1, 9)}
        self.listening: set[str] = set()
        """``address:port``"""
        self.unprobeable: set[str] = set()
        self.away: set[str] = set()
        self.calls: list[tuple[str, str]] = []
        self.on_call: Callable[[str], None] = lambda _: None
        """What happens while a question is on its way; told the script."""

    async def run(
        self, gateway: str, script: str, args: Sequence[str], stdin: bytes, seconds: float
    ) -> Answer | NoAnswer:
        del args, seconds
        await asyncio.sleep(0)
        self.calls.append((gateway, script))
        self.on_call(script)
        if gateway in self.away:
            return NoAnswer("unreachable")
        lines = stdin.decode().split()
        told = {RESOLVE: self._resolve, PROBE: self._probe}[script](lines)
        return Answer(0, f"{told}\nEND ok\n".encode(), b"")

    def _resolve(self, names: Sequence[str]) -> str:
        return "\n".join(f"{name} {address}" for name in names for address in self.names.get(name, ()))

    def _probe(self, targets: Sequence[str]) -> str:
        return "\n".join(
            f"{each} {int(each not in self.listening)}" for each in targets if each not in self.unprobeable
        )


def request(job_id: str = "j1", run: Run = FIRST, hosts: Sequence[str] = ("node1",), ports: int = 1) -> PortRequest:
    """What a job's client asked."""
    return PortRequest(
        job_id=job_id,
        attempt=run.attempt,
        restart=run.restart,
        slurm_job_id=4711,
        hosts=tuple(hosts),
        ports=ports,
        received_at=datetime(2026, 11, 22, tzinfo=UTC),
    )


def tenancy(
    run: Run = FIRST,
    hosts: Sequence[str] = ("node1",),
    *,
    slurm_job_id: int | None = 4711,
    wanted: bool = True,
    gone: bool = False,
    lingering: frozenset[Run] = frozenset(),
) -> Tenancy:
    """What the scheduler shows of a job."""
    return Tenancy(run, slurm_job_id, tuple(hosts), wanted, gone, lingering)


def grant(
    ports: Sequence[int] = (50001,),
    phase: GrantPhase = GrantPhase.OPEN,
    *,
    run: Run = FIRST,
    gateway: str = "gw1",
    hosts: Sequence[str] = ("node1",),
    address: str = "10.77.0.101",
) -> Grant:
    """A grant with the same ports outside and inside."""
    forwards = tuple(
        Forward(external_port=port, internal_host=hosts[0], internal_address=address, internal_port=port)
        for port in ports
    )
    return Grant(
        attempt=run.attempt,
        restart=run.restart,
        gateway=gateway,
        external_host=f"{gateway}.example.org",
        hosts=tuple(hosts),
        forwards=forwards,
        phase=phase,
    )


def report(event: str, port: int, seq: int = 1, job_id: str = "j1", run: Run = FIRST) -> Report:
    """What a job's client said of one of its ports."""
    return Report.model_validate(
        {
            "job_id": job_id,
            "attempt": run.attempt,
            "restart": run.restart,
            "seq": seq,
            "event": event,
            "port": port,
            "received_at": datetime(2026, 11, 22, tzinfo=UTC),
        }
    )

"""What the keyhole needs from its host, as five small protocols; bwvisu's wiring implements them.

``Ledger`` serves the API replicas; ``Books``, ``Tenants``, ``Office`` and ``GatewayShell`` serve the leader.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from keyhole.domain import Fence, Grant, JobForwards, Network, PortRequest, Refusal, Report, Run, Tenancy


class LedgerUnavailable(Exception):
    """The store did not answer, or the result of a write is unknown.  Time must act: the client tries again."""


class Ledger(Protocol):
    """Records as any keyhole replica sees them.  Every call may raise `LedgerUnavailable`."""

    async def secret(self, job_id: str) -> bytes | None:
        """The job's secret, or None where no such job is known."""
        ...

    async def add_request(self, request: PortRequest) -> PortRequest:
        """Store the request of this run once; answers the stored one, which may be an earlier, different one."""
        ...

    async def add_report(self, report: Report) -> bool:
        """Store the report; False where this run has already used its ``seq``."""
        ...

    async def answer(self, job_id: str, run: Run, seconds: float) -> Grant | Refusal | None:
        """Wait up to ``seconds`` for this run's open grant or its refusal; None: not yet."""
        ...


@dataclass(frozen=True, slots=True)
class Versioned:
    """A record with the revision that a compare-and-swap needs."""

    record: JobForwards
    revision: int


class Books(Protocol):
    """Records as the leader sees them: a complete, recent copy in memory, and fenced writes."""

    def requests(self) -> Sequence[PortRequest]:
        """All requests of all jobs of this cluster."""
        ...

    def reports(self, job_id: str) -> Sequence[Report]:
        """All reports of one job, oldest first within a run."""
        ...

    def forwards(self) -> Mapping[str, Versioned]:
        """Every job's record of this cluster, by job id."""
        ...

    def unread(self) -> Sequence[Grant] | None:
        """What else is owned on this cluster's gateways: by records that cannot be read, as far as they tell.

        None: every record can be read, so that what no record names belongs to nobody.
        """
        ...

    def admitted(self, job_id: str) -> Sequence[Network]:
        """From where connections to this job's forwards pass at this moment, where not everybody's do.

        Empty: nobody's, also where no record of it could ever be read.
        """
        ...

    async def write(self, record: JobForwards, revision: int | None) -> bool:
        """Compare-and-swap (None: create).  True: `forwards` already shows the record when this returns.

        False: someone was quicker, or the result is unknown: nothing is known of the record before it was read again.
        """
        ...

    async def delete(self, job_id: str, revision: int) -> bool:
        """Compare-and-delete."""
        ...


class Tenants(Protocol):
    """The scheduler's truth about jobs."""

    def current(self) -> Mapping[str, Tenancy] | None:
        """From the last complete look; a job that is not listed is forgotten: neither wanted nor running.

        None: this leader has not had a complete look yet, so that nothing can be concluded about any job.
        """
        ...

    async def look_again(self) -> bool:
        """Wait until a complete look that began after this call is in `current`; False: could not look."""
        ...


class Office(Protocol):
    """The right to act as the leader."""

    def fence(self, seconds: float) -> Fence | None:
        """The fence to act under, if leadership surely lasts ``seconds`` from now; None: start nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command on a gateway printed, and how it ended."""

    exit_status: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The gateway could not be asked, or its answer was lost; the command may or may not have run."""

    reason: str
    tried: bool = True
    """False: nobody tried, since the gateway had failed just before; this says nothing about it now."""


class GatewayShell(Protocol):
    """Runs one fixed POSIX shell text on a gateway as the middleware's user."""

    async def run(
        self, gateway: str, script: str, args: Sequence[str], stdin: bytes, seconds: float
    ) -> Answer | NoAnswer:
        """Run ``/bin/sh -c script sh args…`` with ``stdin``; never longer than ``seconds``.  Never raises."""
        ...

"""When a service counts as reachable: two witnesses and some patience.  Pure.

The gateway's probe says that *something* accepts connections; the client on the batch host says whether the listener
is the job's own.  Both must be good.  Probes pass a hysteresis, so that one lost packet changes nothing, and a probe
that could not be made is no probe.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from keyhole.domain import Grant, GrantPhase, Report, Run

GOOD_NEEDED = 2
"""Good probes in a row that make a service reachable."""
BAD_NEEDED = 3
"""Bad probes in a row that make it unreachable again."""


class Service(NamedTuple):
    """One port of one run."""

    job_id: str
    run: Run
    internal_port: int


@dataclass(frozen=True, slots=True)
class Health:
    """What the probes of a service have shown so far."""

    reachable: bool | None = None
    """None: too few probes were made to say, by a leader who is new in office for instance."""
    against: int = 0
    """Probes in a row that do not say ``reachable``: good ones count up, bad ones down."""

    def after(self, good: bool | None) -> "Health":
        """After one more probe; None: it could not be made."""
        if good is None:
            return self
        if good == self.reachable:
            return Health(self.reachable)
        against = max(self.against, 0) + 1 if good else min(self.against, 0) - 1
        decided = against >= GOOD_NEEDED or against <= -BAD_NEEDED
        return Health(good) if decided else Health(self.reachable, against)


def own_listeners(run: Run, reports: Iterable[Report]) -> frozenset[int]:
    """Ports on which, by the run's last word about each, a process of the job itself listens."""
    last = {
        report.port: report.event
        for report in sorted(reports, key=lambda report: report.seq)
        if report.run == run and report.port is not None
    }
    return frozenset(port for port, event in last.items() if event == "listening" and port is not None)


def services_ready(
    job_id: str, grant: Grant, probes: Mapping[Service, Health], reports: Sequence[Report]
) -> tuple[bool | None, ...]:
    """For each forward of the grant, in its order, whether a user can reach the job's own service there.

    None: it is not known yet; what was known before still holds.
    """
    if grant.phase is not GrantPhase.OPEN:
        return tuple(False for _ in grant.forwards)
    own = own_listeners(grant.run, reports)
    ports = [forward.internal_port for forward in grant.forwards]
    known = [probes.get(Service(job_id, grant.run, port), Health()).reachable for port in ports]
    return tuple(each if port in own else False for port, each in zip(ports, known, strict=True))

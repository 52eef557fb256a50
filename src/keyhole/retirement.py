"""Which grants end, which ports become free, and what is left of a record.  Pure.

``reserved | open -> closing``: the job is not wanted any more, or a later run of it has begun, or Slurm shows other
hosts, or its gateway is left.  ``quarantined -> (gone)``: the quarantine is over *and* nothing of the run can still be
there; what was moved need not wait for that, since its inner ports are owned where they have moved to.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from keyhole.domain import LIVE, Forward, Gateway, Grant, GrantPhase, JobForwards, Report, Run, Tenancy
from keyhole.verification import outlived


class GrantKey(NamedTuple):
    """Names one grant among all, over its life; a run's live grant and what was taken from it differ in their ports."""

    job_id: str
    run: Run
    gateway: str
    external_ports: tuple[int, ...]


def key_of(job_id: str, grant: Grant) -> GrantKey:
    """The key of a job's grant."""
    return GrantKey(job_id, grant.run, grant.gateway, tuple(forward.external_port for forward in grant.forwards))


def in_phase(grant: Grant, phase: GrantPhase) -> Grant:
    """The same grant, further on in its life."""
    return grant.model_copy(update={"phase": phase})


def close_ended(record: JobForwards, tenancy: Tenancy | None) -> JobForwards:
    """Live grants that have lost their right become closing, at once.

    A run that is over gets its refusal with that: its request was answered, and is not to be judged once more.
    """
    ended = [grant for grant in record.grants if grant.phase in LIVE and not _entitled(grant, tenancy)]
    if not ended:
        return record
    grants = tuple(in_phase(grant, GrantPhase.CLOSING) if grant in ended else grant for grant in record.grants)
    over = {str(grant.run): why for grant in ended if tenancy and (why := outlived(grant.run, tenancy))}
    return record.model_copy(update={"grants": grants, "refusals": {**record.refusals, **over}})


def _entitled(grant: Grant, tenancy: Tenancy | None) -> bool:
    if tenancy is None or not tenancy.wanted or grant.run < tenancy.run:
        return False
    if grant.run > tenancy.run or not tenancy.hosts:
        return True
    return all(forward.internal_host in tenancy.hosts for forward in grant.forwards)


def taken(grant: Grant, reports: Iterable[Report]) -> tuple[Forward, ...]:
    """Forwards of an open grant whose port on the host another process has, as the job itself reports."""
    if grant.phase is not GrantPhase.OPEN:
        return ()
    ports = {report.port for report in reports if report.event == "port-taken" and report.run == grant.run}
    return tuple(forward for forward in grant.forwards if forward.internal_port in ports)


def replaced(record: JobForwards, grant: Grant, new: Mapping[Forward, Forward]) -> JobForwards:
    """The record with ``new`` forwards in place of old ones of ``grant``, whose ports stay owned in a closing grant."""
    closing = grant.model_copy(update={"forwards": tuple(new), "phase": GrantPhase.CLOSING})
    forwards = tuple(new.get(forward, forward) for forward in grant.forwards)
    live = grant.model_copy(update={"forwards": forwards, "phase": GrantPhase.RESERVED})
    others = tuple(each for each in record.grants if each != grant)
    return record.model_copy(update={"grants": (*others, closing, live)})


def moved(record: JobForwards, grant: Grant, to: Grant) -> JobForwards:
    """The record with ``to`` in place of ``grant``, which closes: nothing leads through the old gateway once it knows.

    Both in one write, so that a run has one live grant at any time.
    """
    others = tuple(each for each in record.grants if each != grant)
    return record.model_copy(update={"grants": (*others, in_phase(grant, GrantPhase.CLOSING), to)})


def no_successors(grant: Grant, gateways: Mapping[str, Gateway]) -> frozenset[str]:
    """Gateways to which a grant cannot move: on the machine that it leaves, or of another address family.

    Its users may have no addresses of another family, and the job may listen at none.
    """
    old = gateways.get(grant.gateway)
    machine = old.host if old is not None else ""
    others = (
        each.name for each in gateways.values() if (machine and each.host == machine) or not grant.leads(each.family)
    )
    return frozenset([grant.gateway, *others])


def drop_free(
    record: JobForwards, tenancy: Tenancy | None, quarantined: Mapping[GrantKey, float], now: float, seconds: float
) -> JobForwards:
    """Without the grants whose ports may be reused.  ``quarantined``: since when, on the clock of ``now``."""
    grants = tuple(
        grant
        for grant in record.grants
        if grant.phase is not GrantPhase.QUARANTINED
        or now - quarantined.get(key_of(record.job_id, grant), now) < seconds
        or not (_gone(grant.run, tenancy) or _lives_on(grant, record))
    )
    return record if len(grants) == len(record.grants) else record.model_copy(update={"grants": grants})


def _lives_on(grant: Grant, record: JobForwards) -> bool:
    """Whether its run's live grant, on another gateway, owns all its inner ports on all its hosts."""
    live = record.grant_for(grant.run)
    if live is None or live.gateway == grant.gateway or live.hosts != grant.hosts:
        return False
    return {each.internal_port for each in grant.forwards} <= {each.internal_port for each in live.forwards}


def _gone(run: Run, tenancy: Tenancy | None) -> bool:
    if tenancy is None or tenancy.gone:
        return True
    return run < tenancy.run and run not in tenancy.lingering


def finished(record: JobForwards, tenancy: Tenancy | None) -> bool:
    """Whether the record may go: it owns nothing, and nobody waits for its refusals any more."""
    return not record.grants and (tenancy is None or tenancy.gone)

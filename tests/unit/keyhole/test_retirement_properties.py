"""Ports become free only when their quarantine is over and nothing of the run can be there (I4, faults 9 and 26)."""

from hypothesis import assume, given
from hypothesis import strategies as st

from keyhole.domain import LIVE, Forward, Grant, GrantPhase, JobForwards, Run, Tenancy
from keyhole.retirement import close_ended, drop_free, finished, key_of, replaced, taken
from tests.support.effort import effort
from tests.support.keyhole import grant, report

QUARANTINE = 120.0
NOW = 1000.0
runs = st.builds(Run, st.integers(1, 2), st.integers(0, 1))
hosts = st.sampled_from([("node1",), ("node2",), ("node1", "node2"), ("node2", "node1")])
tenancies = st.none() | st.builds(
    Tenancy,
    run=runs,
    slurm_job_id=st.none() | st.just(4711),
    hosts=st.just(()) | hosts,
    wanted=st.booleans(),
    gone=st.booleans(),
    lingering=st.frozensets(runs),
)


@st.composite
def records(draw: st.DrawFn) -> JobForwards:
    """Up to four grants of a job, each port in one of them, as the allocator hands them out."""
    grants, port = [], 50000
    for _ in range(draw(st.integers(0, 4))):
        count = draw(st.integers(1, 3))
        phase, run = draw(st.sampled_from(GrantPhase)), draw(runs)
        grants.append(grant(range(port, port + count), phase, run=run, hosts=draw(hosts)))
        port += count
    return JobForwards(job_id="j1", grants=tuple(grants))


def owned(record: JobForwards) -> set[tuple[str, int]]:
    """All gateway ports that the record keeps from everybody else."""
    return {(held.gateway, forward.external_port) for held in record.grants for forward in held.forwards}


def may_still_run(run: Run, tenancy: Tenancy | None) -> bool:
    """Whether a process of this run may be on its hosts, by what complete looks have shown."""
    if tenancy is None or tenancy.gone:
        return False
    return run >= tenancy.run or run in tenancy.lingering


@effort(2)
@given(records(), tenancies, st.lists(st.none() | st.floats(0, NOW), min_size=4, max_size=4))
def test_a_port_is_dropped_exactly_when_its_quarantine_is_over_and_the_run_is_gone(
    record: JobForwards, tenancy: Tenancy | None, since: list[float | None]
) -> None:
    times = zip(record.grants, since, strict=False)
    quarantined = {key_of("j1", held): at for held, at in times if at is not None}

    def free(held: Grant) -> bool:
        began = quarantined.get(key_of("j1", held))
        over = held.phase is GrantPhase.QUARANTINED and began is not None and NOW - began >= QUARANTINE
        return over and not may_still_run(held.run, tenancy)

    after = drop_free(record, tenancy, quarantined, NOW, QUARANTINE)
    assert after.grants == tuple(held for held in record.grants if not free(held))


@effort()
@given(records(), tenancies)
def test_closing_lets_no_port_go_and_leaves_no_live_grant_without_a_right(
    record: JobForwards, tenancy: Tenancy | None
) -> None:
    after = close_ended(record, tenancy)
    assert owned(after) == owned(record)
    for before, held in zip(record.grants, after.grants, strict=True):
        assert held.phase is before.phase or (before.phase in LIVE and held.phase is GrantPhase.CLOSING)
        if held.phase in LIVE:
            assert tenancy is not None
            assert tenancy.wanted
            assert held.run >= tenancy.run
            foreign = {forward.internal_host for forward in held.forwards} - set(tenancy.hosts)
            assert not foreign or not tenancy.hosts or held.run > tenancy.run, "a forward to a host of others (I5)"
    assert close_ended(after, tenancy) == after


@effort(0.5)
@given(records(), st.sets(st.integers(50000, 50012)))
def test_a_replaced_port_stays_owned_beside_the_new_one(record: JobForwards, lost: set[int]) -> None:
    live = next((held for held in record.grants if held.phase is GrantPhase.OPEN), None)
    assume(live is not None)
    assert live is not None
    gone = taken(live, [report("port-taken", port, run=live.run) for port in lost])
    new: dict[Forward, Forward] = {
        old: old.model_copy(update={"external_port": 60000 + n}) for n, old in enumerate(gone)
    }
    after = replaced(record, live, new)
    added = {(live.gateway, forward.external_port) for forward in new.values()}
    assert owned(after) == owned(record) | added
    phases = {forward: held.phase for held in after.grants for forward in held.forwards}
    assert all(phases[old] is GrantPhase.CLOSING and phases[new[old]] is GrantPhase.RESERVED for old in gone)


@given(records(), tenancies)
def test_a_record_that_owns_anything_stays(record: JobForwards, tenancy: Tenancy | None) -> None:
    assert not (record.grants and finished(record, tenancy))

"""A grant ends at once where its right ends; its ports become free only when nothing can still use them."""

import pytest

from keyhole.domain import Grant, GrantPhase, JobForwards, Refusal, Run, Tenancy
from keyhole.retirement import close_ended, drop_free, finished, key_of, moved, replaced, taken
from tests.support.keyhole import FIRST, grant, report, tenancy

LATER = Run(1, 1)
LIVE = [GrantPhase.RESERVED, GrantPhase.OPEN]


def of(*grants: object) -> JobForwards:
    return JobForwards.model_validate({"job_id": "j1", "grants": grants})


@pytest.mark.parametrize("phase", LIVE)
@pytest.mark.parametrize(
    ("shown", "closes"),
    [
        (tenancy(), False),
        (tenancy(hosts=[]), False),
        (tenancy(slurm_job_id=None, hosts=[]), False),
        (tenancy(wanted=False), True),
        (tenancy(wanted=False, gone=True), True),
        (tenancy(LATER, hosts=["node1"]), True),
        (tenancy(hosts=["node2"]), True),
        (None, True),
    ],
)
def test_grants_close_with_their_right(phase: GrantPhase, shown: Tenancy | None, closes: bool) -> None:
    (after,) = close_ended(of(grant(phase=phase)), shown).grants
    assert after.phase is (GrantPhase.CLOSING if closes else phase)


def test_what_is_not_live_stays_as_it_is() -> None:
    record = of(grant(phase=GrantPhase.CLOSING), grant([50002], GrantPhase.QUARANTINED))
    assert close_ended(record, None) is record


@pytest.mark.parametrize(
    ("shown", "since", "free"),
    [
        (tenancy(wanted=False, gone=True), 0.0, True),
        (tenancy(wanted=False, gone=True), 0.1, False),
        (tenancy(wanted=False, gone=False), 0.0, False),
        (None, 0.0, True),
        (tenancy(LATER), 0.0, True),
        (tenancy(LATER, lingering=frozenset({FIRST})), 0.0, False),
        (tenancy(), 0.0, False),
    ],
)
def test_ports_are_free_after_quarantine_when_nothing_of_the_run_is_left(
    shown: Tenancy | None, since: float, free: bool
) -> None:
    held = grant(phase=GrantPhase.QUARANTINED)
    after = drop_free(of(held), shown, {key_of("j1", held): since}, now=120.0, seconds=120.0)
    assert (after.grants == ()) is free


def test_a_quarantine_that_this_leader_has_not_seen_begin_is_not_over() -> None:
    record = of(grant(phase=GrantPhase.QUARANTINED))
    assert drop_free(record, None, {}, now=1e9, seconds=120.0) is record


@pytest.mark.parametrize("phase", [GrantPhase.RESERVED, GrantPhase.OPEN, GrantPhase.CLOSING])
def test_only_quarantined_grants_are_ever_dropped(phase: GrantPhase) -> None:
    held = grant(phase=phase)
    record = of(held)
    assert drop_free(record, None, {key_of("j1", held): 0.0}, now=1e9, seconds=1.0) is record


def test_a_taken_port_is_replaced_in_its_place_and_stays_owned() -> None:
    held = grant([50001, 50002, 50003])
    (lost,) = taken(held, [report("port-taken", 50002), report("port-taken", 50003, run=LATER)])
    new = lost.model_copy(update={"external_port": 50009, "internal_port": 50009})
    closing, live = replaced(of(held), held, {lost: new}).grants
    assert [forward.internal_port for forward in live.forwards] == [50001, 50009, 50003]
    assert (live.phase, closing.phase) == (GrantPhase.RESERVED, GrantPhase.CLOSING)
    assert closing.forwards == (lost,)
    assert of(closing, live).grant_for(FIRST) == live


def test_reports_change_nothing_of_a_grant_that_is_not_open() -> None:
    assert taken(grant(phase=GrantPhase.RESERVED), [report("port-taken", 50001)]) == ()
    assert taken(grant(), [report("listening", 50001)]) == ()


def test_a_record_goes_when_it_owns_nothing_and_its_job_is_gone() -> None:
    refused = JobForwards(job_id="j1", refusals={"1.0": Refusal(code="x", message="y")})
    assert finished(refused, None)
    assert finished(refused, tenancy(wanted=False, gone=True))
    assert not finished(refused, tenancy())
    assert not finished(of(grant(phase=GrantPhase.QUARANTINED)), None)


def test_a_move_closes_the_old_way_and_reserves_the_new_one_in_one_version() -> None:
    old, new = grant([50001]), grant([50001], GrantPhase.RESERVED, gateway="gw2")
    record = moved(of(old), old, new)
    assert {each.gateway: each.phase for each in record.grants} == {
        "gw1": GrantPhase.CLOSING,
        "gw2": GrantPhase.RESERVED,
    }
    assert record.grant_for(FIRST) == new
    assert record.moved(FIRST)
    assert not of(old).moved(FIRST)


@pytest.mark.parametrize(
    ("live", "free"),
    [
        (grant([50001], gateway="gw2"), True),
        (grant([50000, 50001], gateway="gw2"), True),
        (grant([50002], gateway="gw2"), False),
        (grant([50001], gateway="gw2", hosts=["node1", "node2"]), False),
        (grant([50001], GrantPhase.CLOSING, gateway="gw2"), False),
        (grant([50001], gateway="gw2", run=LATER), False),
    ],
)
def test_what_has_moved_need_not_wait_for_the_end_of_its_run(live: Grant, free: bool) -> None:
    """Its inner ports are owned where it has moved to."""
    held = grant([50001], GrantPhase.QUARANTINED)
    record = of(held, live)
    early = drop_free(record, tenancy(hosts=live.hosts), {key_of("j1", held): 0.1}, now=120.0, seconds=120.0)
    assert early is record
    after = drop_free(record, tenancy(hosts=live.hosts), {key_of("j1", held): 0.0}, now=120.0, seconds=120.0)
    assert (held not in after.grants) is free


def test_a_port_that_was_replaced_waits_for_the_end_of_its_run_wherever_the_rest_has_moved() -> None:
    replaced_one = grant([50000], GrantPhase.QUARANTINED)
    record = of(replaced_one, grant([50003], GrantPhase.QUARANTINED), grant([50003], gateway="gw2"))
    since = {key_of("j1", each): 0.0 for each in record.grants}
    after = drop_free(record, tenancy(), since, now=500.0, seconds=120.0)
    assert [each.forwards[0].internal_port for each in after.grants] == [50000, 50003]

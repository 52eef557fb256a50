"""Two witnesses and some patience."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhole.domain import Grant, GrantPhase, Report, Run
from keyhole.readiness import Health, Service, services_ready
from tests.support.keyhole import FIRST, grant, report

GOOD = {Service("j1", FIRST, 50001): Health(reachable=True)}


def after(*probes: bool | None) -> bool | None:
    health = Health()
    for good in probes:
        health = health.after(good)
    return health.reachable


def test_two_good_make_it_reachable_and_three_bad_unmake_it() -> None:
    assert [after(True), after(True, True), after(True, False, True)] == [None, True, None]
    ready = (True, True)
    assert [after(*ready, False, False), after(*ready, False, False, False)] == [True, False]
    assert after(*ready, False, False, True, False, False)


@given(st.lists(st.one_of(st.booleans(), st.none())))
def test_a_probe_that_could_not_be_made_changes_nothing(probes: list[bool | None]) -> None:
    assert after(*probes) == after(*(good for good in probes if good is not None))


@pytest.mark.parametrize(
    ("given_grant", "reports", "ready"),
    [
        (grant(), [report("listening", 50001)], True),
        (grant(), [], False),
        (grant(), [report("listening", 50002)], False),
        (grant(), [report("listening", 50001, run=Run(1, 1))], False),
        (grant(), [report("port-taken", 50001, seq=2), report("listening", 50001, seq=1)], False),
        (grant(), [report("listening", 50001, seq=2), report("port-taken", 50001, seq=1)], True),
        (grant(phase=GrantPhase.RESERVED), [report("listening", 50001)], False),
        (grant(phase=GrantPhase.CLOSING), [report("listening", 50001)], False),
    ],
)
def test_probe_and_client_must_both_say_so(given_grant: Grant, reports: list[Report], ready: bool) -> None:
    assert services_ready("j1", given_grant, GOOD, reports) == (ready,)


def test_each_forward_is_judged_by_itself() -> None:
    reports = [report("listening", 50001, seq=1), report("listening", 50002, seq=2)]
    assert services_ready("j1", grant([50002, 50001]), GOOD, reports) == (None, True)


def test_a_new_leader_says_nothing_before_it_has_probed_enough() -> None:
    """Else every available job would flicker at each change of leader."""
    reports = [report("listening", 50001)]
    for health in (Health(), Health().after(True), Health().after(False), Health().after(False).after(False)):
        probes = {Service("j1", FIRST, 50001): health}
        assert services_ready("j1", grant([50001]), probes, reports) == (None,)

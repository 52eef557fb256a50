"""The table of a job's life: what follows from any table, and what ours must say."""

from itertools import product

import pytest

from bwvisu.domain.lifecycle import TRANSITIONS, Event, IllegalTransition, Outcome, Phase, State, after


def reachable(start: Phase) -> set[Phase]:
    found, open_ends = {start}, [start]
    while open_ends:
        here = open_ends.pop()
        onward = {there for (phase, _), there in TRANSITIONS.items() if phase is here} - found
        found |= onward
        open_ends += onward
    return found


@pytest.mark.parametrize(("phase", "event"), list(product(Phase, Event)))
def test_what_is_not_in_the_table_is_impossible(phase: Phase, event: Event) -> None:
    if (phase, event) in TRANSITIONS:
        assert after(phase, event) is TRANSITIONS[phase, event]
    else:
        with pytest.raises(IllegalTransition, match=phase.value):
            after(phase, event)


def test_nothing_leads_out_of_the_end() -> None:
    """I1."""
    assert reachable(Phase.FINISHED) == {Phase.FINISHED}


@pytest.mark.parametrize("phase", Phase)
def test_the_end_can_be_reached_from_everywhere(phase: Phase) -> None:
    assert Phase.FINISHED in reachable(phase)


def test_every_phase_can_be_reached_and_every_event_can_happen() -> None:
    assert reachable(Phase.NEW) == set(Phase)
    assert {event for _, event in TRANSITIONS} == set(Event)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.FINISHED])
def test_every_job_that_is_not_over_can_end(phase: Phase) -> None:
    assert after(phase, Event.ENDED) is Phase.FINISHED


def test_the_states_that_users_see() -> None:
    assert [phase.state for phase in Phase] == [State.ACCEPTED, *State]
    assert [state.value for state in State] == [
        "accepted",
        "submitted",
        "running",
        "available",
        "completing",
        "finished",
    ]


def test_the_outcomes_of_the_contract() -> None:
    said = "completed cancelled failed timeout out_of_memory node_failed rejected lost"
    assert {outcome.value for outcome in Outcome} == set(said.split())

"""A person's limit: what is held back, what is let go, and which jobs count."""

from dataclasses import replace

from bwvisu.domain.job import JobSpec, JobStatus
from bwvisu.domain.lifecycle import Outcome, Phase
from bwvisu.domain.quota import Quota
from bwvisu.planning import words
from bwvisu.planning.plan import plan
from bwvisu.planning.quota import counted
from bwvisu.planning.snapshot import JobView, Snapshot
from bwvisu.planning.verbs import Record, Submit, Verb
from tests.unit.planning.build import ALICE, POLICY, known, snapshot, spec, submitting

BOB = ALICE.model_copy(update={"name": "bob", "home": "/home/bob"})
ONE, TWO, THREE, FOUR = (f"01jd000000000000000000000{number}" for number in range(1, 5))


def view(job_id: str, status: JobStatus | None = None, *, user: str = "alice", stopped: bool = False) -> JobView:
    wanted: JobSpec = spec(job_id=job_id, stopped=stopped).model_copy(update={"user": user})
    return JobView(wanted, status or JobStatus())


def limited(*views: JobView, running: int = 1, busy: frozenset[str] = frozenset()) -> Snapshot:
    policy = replace(POLICY, running_per_user=running)
    return snapshot(*views, policy=policy, users={"alice": ALICE, "bob": BOB}, busy=busy)


def planned(*views: JobView, running: int = 1, busy: frozenset[str] = frozenset()) -> dict[str, Verb]:
    verbs = plan(limited(*views, running=running, busy=busy)).verbs
    return {verb.job_id: verb for verb in verbs if not isinstance(verb, tuple) and hasattr(verb, "job_id")}


def test_the_oldest_goes_first_and_the_others_are_told_why_they_wait() -> None:
    verbs = planned(view(THREE), view(ONE), view(TWO), running=2)
    assert isinstance(verbs[ONE], Submit)
    assert isinstance(verbs[TWO], Submit)
    held = verbs[THREE]
    assert isinstance(held, Record)
    assert held.status.reason == words.OWN_LIMIT
    assert held.status.phase is Phase.NEW


def test_who_was_told_is_not_told_again() -> None:
    told = JobStatus(reason=words.OWN_LIMIT)
    assert planned(view(ONE, known(Phase.QUEUED)), view(TWO, told)).get(TWO) is None


def test_everything_from_the_intent_to_the_end_takes_a_place() -> None:
    for status in (submitting(), *(known(phase) for phase in (Phase.QUEUED, Phase.RUNNING, Phase.READY, Phase.ENDING))):
        assert not isinstance(planned(view(ONE, status), view(TWO)).get(TWO), Submit), status.phase


def test_a_submission_that_is_just_beginning_takes_a_place() -> None:
    assert isinstance(planned(view(ONE), view(TWO), busy=frozenset({ONE}))[TWO], Record)


def test_a_finished_job_takes_none() -> None:
    over = known(Phase.FINISHED).model_copy(update={"outcome": Outcome.COMPLETED})
    assert isinstance(planned(view(ONE, over), view(TWO))[TWO], Submit)


def test_each_person_has_places_of_their_own() -> None:
    verbs = planned(view(ONE, known(Phase.RUNNING)), view(TWO), view(THREE, user="bob"), view(FOUR, user="bob"))
    assert isinstance(verbs[TWO], Record)
    assert isinstance(verbs[THREE], Submit)
    assert isinstance(verbs[FOUR], Record)


def test_a_job_that_waits_for_its_owners_others_can_be_stopped() -> None:
    verb = planned(view(ONE, known(Phase.RUNNING)), view(TWO, stopped=True))[TWO]
    assert isinstance(verb, Record)
    assert verb.status.outcome is Outcome.CANCELLED


def test_once_it_is_its_turn_it_no_longer_says_that_it_waits() -> None:
    verb = planned(view(ONE, JobStatus(reason=words.OWN_LIMIT)))[ONE]
    assert isinstance(verb, Submit)
    assert verb.status.reason is None


def test_the_books_hold_what_lives_and_what_nobody_can_judge() -> None:
    books = Quota(jobs={"over": "xpra", "unreadable": "xpra", "lives": "xpra"})
    right = counted(books, {"lives": "xpra", "unrecorded": "jupyter"}, {"unreadable"})
    assert right.jobs == {"lives": "xpra", "unrecorded": "jupyter", "unreadable": "xpra"}
    assert counted(Quota(jobs={"over": "xpra"}), {}, set()).jobs == {}

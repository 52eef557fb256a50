"""The planner over many jobs at once, in any mixture of states, looks and failures to look (I1, I2, I7)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from bwvisu.domain.job import JobStatus
from bwvisu.domain.lifecycle import TRANSITIONS, Phase
from bwvisu.domain.observation import CouldNotLook, Look, Observation, SlurmJob, SlurmState
from bwvisu.planning.evidence import Absence, Missing, weigh
from bwvisu.planning.plan import missing, plan, remember
from bwvisu.planning.snapshot import JobView, Memory, Snapshot
from bwvisu.planning.verbs import Cancel, Forget, Inspect, Record, Submit
from tests.support.effort import effort
from tests.unit.planning.build import ALICE, NOW, known, look, name_of, row, spec, submitting
from tests.unit.planning.build import POLICY as ORDINARY

IDS = tuple(f"01jd000000000000000000000{n}" for n in range(4))
POLICY = replace(ORDINARY, min_job_age=900.0)
LIVE = (Phase.QUEUED, Phase.RUNNING, Phase.READY, Phase.ENDING)
REACHABLE = {
    phase: {phase} | {after for (before, _), after in TRANSITIONS.items() if before is phase} for phase in Phase
}
"""By one event."""


rarely = st.integers(0, 4).map(lambda number: number == 4)


@dataclass(frozen=True)
class World:
    """Jobs in the store, and what the leader saw one after another since it began."""

    views: tuple[JobView, ...]
    seen: tuple[Observation, ...]
    busy: frozenset[str]
    reachable: bool


def _reached(phase: Phase) -> set[Phase]:
    """All phases that any number of events leads to."""
    found, grown = {phase}, REACHABLE[phase]
    while grown - found:
        found |= grown
        grown = {after for each in found for after in REACHABLE[each]}
    return found


@st.composite
def statuses(draw: st.DrawFn, number: int) -> JobStatus:
    """As the store may hold it; Slurm's ids are 10, 11, … by job."""
    phase, attempt = draw(st.sampled_from((Phase.SUBMITTING, Phase.SUBMITTING, *Phase))), draw(st.integers(1, 2))
    match phase:
        case Phase.NEW:
            return JobStatus(attempt=attempt - 1)
        case Phase.SUBMITTING:
            begun = submitting(attempt=attempt, since=draw(st.sampled_from((1.0, 200.0, 400.0))))
            return begun.model_copy(update={"doubtful": draw(st.integers(0, 5))})
    status = known(phase, slurm_job_id=10 + number, attempt=attempt)
    return (
        status
        if draw(st.booleans())
        else status.model_copy(update={"slurm": None})
        if phase is Phase.FINISHED
        else status
    )


@st.composite
def rows(draw: st.DrawFn) -> SlurmJob:
    """A job under one of our names, or nearly; of its owner or of somebody who imitates it."""
    number = draw(st.integers(0, len(IDS) - 1))
    return row(
        draw(st.sampled_from((SlurmState.PENDING, SlurmState.RUNNING, SlurmState.COMPLETING, SlurmState.COMPLETED))),
        job_id=draw(st.sampled_from((10 + number, 10 + number, 20 + number))),
        name=name_of(draw(st.integers(1, 3)), IDS[number], draw(st.sampled_from(("abc123", "abc123", "zzz999")))),
        user=draw(st.sampled_from(("alice", "alice", "mallory"))),
        restarts=draw(st.integers(0, 1)),
    )


crowds = st.lists(rows(), max_size=3, unique_by=lambda each: each.job_id)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    views = tuple(
        JobView(
            spec(stopped=draw(rarely), job_id=job_id),
            draw(statuses(number)),
            heard=frozenset(draw(st.sampled_from(((), (), (1,), (1, 2))))),
            holds_ports=draw(st.booleans()),
        )
        for number, job_id in enumerate(IDS)
    )
    seen: list[Observation] = []
    clock = draw(st.sampled_from((1000.0, 1160.0)))
    for _ in range(draw(st.integers(0, 5))):
        clock += draw(st.sampled_from((1.0, 6.0, 16.0, 16.0, 160.0)))
        shown = look(
            *draw(st.just([]) | st.just([]) | st.lists(rows(), max_size=3, unique_by=lambda each: each.job_id)),
            began=clock,
        )
        seen.append(CouldNotLook("squeue ended with 1", clock) if draw(st.integers(0, 2)) == 2 else shown)
    return World(views, tuple(seen), frozenset(draw(st.sets(st.sampled_from(IDS), max_size=2))), not draw(rarely))


def learnt(world: World, seen: tuple[Observation, ...]) -> Snapshot:
    """What a leader knows after these observations, by the planner's own folding; as `Watcher` hands looks on."""
    now = Snapshot(
        policy=POLICY,
        jobs={view.spec.id: view for view in world.views},
        look=None,
        users={"alice": ALICE},
        busy=world.busy,
        memory=Memory(),
        now=NOW,
        monotonic=1000.0,
        reachable=world.reachable,
    )
    now = replace(now, memory=replace(now.memory, met=remember(now)))
    for each in seen:
        if isinstance(each, Look):
            now = replace(now, look=each)
            now = replace(now, memory=replace(now.memory, absences=weigh(now.memory.absences, each, missing(now))))
        now = replace(now, monotonic=1001.0 + (each.ended_at if isinstance(each, Look) else each.at) - 1000.0)
    return now


@effort(3)
@given(worlds())
def test_no_plan_doubts_an_end_doubles_a_job_or_touches_anybody_elses(world: World) -> None:
    now = learnt(world, world.seen)
    verbs = plan(now).verbs
    strays = [verb for verb in verbs if isinstance(verb, Cancel) and verb.stray]
    others = [verb for verb in verbs if verb not in strays]
    ids = [getattr(verb, "job_id", "") for verb in others]
    assert len(set(ids)) == len(ids), "two verbs for one job"
    assert not world.busy & {verb.job_id for verb in verbs if hasattr(verb, "job_id")}
    assert sum(isinstance(verb, Submit) for verb in verbs) <= POLICY.submissions_in_flight
    for verb in verbs:
        match verb:
            case Submit():
                _judge_submission(now, verb)
            case Record():
                before = now.jobs[verb.job_id].status
                assert verb.status != before
                assert verb.status.phase in _reached(before.phase)
                assert before.phase is not Phase.FINISHED, "an end was left (I1)"
                assert verb.status.attempt == before.attempt
            case Cancel():
                assert verb.user == "alice"
                assert verb.name.startswith(f"bwv-abc123-{verb.job_id}-")
            case Inspect():
                assert now.jobs[verb.job_id].status.phase in LIVE
            case Forget():
                assert now.jobs[verb.job_id].status.phase is Phase.FINISHED


def _judge_submission(now: Snapshot, verb: Submit) -> None:
    """I2 and I7: never a second one without complete, late, agreeing looks that show nothing of the first."""
    view = now.jobs[verb.job_id]
    assert view.status.phase in {Phase.NEW, Phase.SUBMITTING}
    assert verb.status.attempt == view.status.attempt + 1
    assert now.reachable
    assert not view.spec.stopped
    if view.status.phase is Phase.NEW:
        return
    assert view.status.attempt not in view.heard
    absence, met = now.memory.absences[verb.job_id], now.memory.met[verb.job_id]
    assert absence.looks >= 2
    assert absence.first_began >= met.since + POLICY.submit_settle
    assert absence.last_began - absence.first_began >= POLICY.agree_after
    assert now.look is not None
    mine = [each for each in now.look.rows.values() if (each.user, each.name) == ("alice", view.name(POLICY))]
    assert mine == []


@effort()
@given(worlds())
def test_who_could_not_look_plans_as_if_nobody_had_looked(world: World) -> None:
    """Faults 4 and 5: any number of failed looks, anywhere between complete ones, changes no plan."""
    complete = tuple(each for each in world.seen if isinstance(each, Look))
    now, blind = learnt(world, world.seen), learnt(world, complete)
    assert plan(now) == plan(replace(blind, monotonic=now.monotonic))


@effort()
@given(worlds(), st.floats(0.0, 86_400.0))
def test_time_alone_ends_or_submits_nothing(world: World, seconds: float) -> None:
    """Without a new look an hour proves no more than a moment: only repeats fall due."""
    now = learnt(world, world.seen)
    later = replace(now, now=now.now + timedelta(seconds=seconds), monotonic=now.monotonic + seconds)
    assert _phases(now) == _phases(later)


def _phases(now: Snapshot) -> Mapping[str, Phase]:
    verbs = plan(now).verbs
    return {verb.job_id: verb.status.phase for verb in verbs if isinstance(verb, Record | Submit)}


@dataclass(frozen=True)
class Seen:
    """One look at one job: when it began, whether it showed the job, and from when on it had to."""

    began: float
    shown: bool
    since: float
    attempt: int


glances = st.builds(
    Seen,
    st.sampled_from([float(at) for at in range(0, 100, 5)]),
    st.booleans(),
    st.sampled_from((0.0, 30.0)),
    st.integers(1, 2),
)


@effort(3)
@given(st.lists(glances, max_size=15))
def test_an_absence_counts_late_looks_in_a_row_and_nothing_else(glances: list[Seen]) -> None:
    """Against a count by hand: a sight, an early look or another attempt begins anew; an old look counts nothing."""
    absences: dict[str, Absence] = {}
    row_of_looks: list[float] = []
    attempt = 0
    for each in glances:
        absent = [] if each.shown else [Missing("j", each.attempt, None, each.since, 0.0)]
        absences = weigh(absences, Look({}, each.began, each.began + 1.0, 0), absent)
        if each.shown or each.began < each.since:
            row_of_looks = []
        elif attempt != each.attempt or not row_of_looks:
            row_of_looks, attempt = [each.began], each.attempt
        elif each.began > row_of_looks[-1]:
            row_of_looks.append(each.began)
        known_absence = absences.get("j")
        assert (known_absence.looks if known_absence else 0) == len(row_of_looks)
        if known_absence is not None:
            assert (known_absence.first_began, known_absence.last_began) == (row_of_looks[0], row_of_looks[-1])
            far = row_of_looks[-1] - row_of_looks[0]
            assert known_absence.agreed(15.0) is (len(row_of_looks) >= 2 and far >= 15.0)

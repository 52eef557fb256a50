"""A leader without I/O: carries a plan's verbs out faithfully on the small Slurm, and remembers what a leader may."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from bwvisu.domain.job import JobId, JobSpec, JobStatus, SlurmView
from bwvisu.domain.lifecycle import Event, Phase
from bwvisu.domain.observation import CouldNotLook, Details, Look
from bwvisu.planning.evidence import Absence, weigh
from bwvisu.planning.plan import missing, plan, remember
from bwvisu.planning.progress import advance
from bwvisu.planning.snapshot import JobView, Memory, Met, Snapshot
from bwvisu.planning.submission import unsent
from bwvisu.planning.verbs import Cancel, Forget, Inspect, LookUpUser, Record, Submit, Verb
from bwvisu.planning.words import STOPPING
from tests.unit.planning.build import ALICE, CLUSTER_NOW, ID, NOW, POLICY, name_of, spec
from tests.unit.planning.slurm_model import MIN_JOB_AGE, Slurm

LINGER = 60.0
"""Seconds for which an sbatch that was given up may still get through."""
RULES = replace(POLICY, submit_settle=LINGER, min_job_age=MIN_JOB_AGE)


@dataclass(slots=True)
class Books:
    """What one leader remembers; a new one starts with empty books."""

    look: Look | None = None
    met: dict[JobId, Met] = field(default_factory=dict)
    absences: dict[JobId, Absence] = field(default_factory=dict)
    details: dict[JobId, Details] = field(default_factory=dict)
    inspected: dict[JobId, float] = field(default_factory=dict)
    cancelled: dict[int, float] = field(default_factory=dict)


@dataclass(slots=True)
class Fate:
    """How the next verb fares."""

    submission: str = "told"
    details: str = "told"
    stubborn: bool = False


class Leader:
    """Whoever leads, over one job of alice."""

    def __init__(self, slurm: Slurm, now: float) -> None:
        self.slurm = slurm
        self.now = now
        self.spec: JobSpec = spec()
        self.status: JobStatus | None = JobStatus()
        self.heard: set[int] = set()
        self.books = Books()

    @property
    def clock(self) -> int:
        """The cluster's."""
        return CLUSTER_NOW + int(self.now)

    @property
    def over(self) -> bool:
        return self.status is None or self.status.phase is Phase.FINISHED

    def snapshot(self) -> Snapshot:
        assert self.status is not None
        books = self.books
        memory = Memory(books.met, books.absences, books.details, books.inspected, {}, books.cancelled)
        shown = Snapshot(
            policy=RULES,
            jobs={ID: JobView(self.spec, self.status, heard=frozenset(self.heard))},
            look=books.look,
            users={"alice": ALICE},
            busy=frozenset(),
            memory=memory,
            now=NOW + timedelta(seconds=self.now),
            monotonic=self.now,
        )
        books.met = remember(shown)
        return replace(shown, memory=replace(memory, met=books.met))

    def learn(self, look: Look) -> None:
        """A complete look has come."""
        books = self.books
        books.look = look
        if self.status is None:
            return
        books.absences = weigh(books.absences, look, missing(self.snapshot()))
        books.details = {job_id: told for job_id, told in books.details.items() if job_id in books.absences}
        books.inspected = {job_id: at for job_id, at in books.inspected.items() if job_id in books.absences}

    def one_pass(self, fate: Fate) -> None:
        """Plan, and carry out the first verb: the others are planned again."""
        for verb in plan(self.snapshot()).verbs[:1] if self.status is not None else ():
            self.execute(verb, fate)

    def execute(self, verb: Verb, fate: Fate) -> None:
        match verb:
            case Record():
                self.write(verb.status)
            case Submit():
                self.submit(verb, fate.submission)
            case Cancel():
                self.cancel(verb, fate)
            case Inspect():
                told = CouldNotLook("no answer", self.now)
                self.books.inspected[ID] = self.now
                self.books.details[ID] = told if fate.details == "silent" else self.slurm.details(verb.slurm_job_id)
            case Forget():
                self.status = None
            case LookUpUser():
                raise AssertionError("alice is known")

    def write(self, status: JobStatus) -> None:
        assert self.status is not None
        assert self.status.phase is not Phase.FINISHED, "an end state was left (I1)"
        assert status != self.status, "the same was written again"
        self.status = status

    def submit(self, verb: Submit, answer: str) -> None:
        assert self.status is not None
        name, before = name_of(verb.status.attempt), name_of(max(1, self.status.attempt))
        assert before not in self.slurm.existed, "a submission on a guess: the one before was there (I2, I7)"
        assert not self.slurm.lingering, "a submission while another may still get through"
        self.write(verb.status)
        match answer:
            case "leader dies":
                self.books = Books()
            case "lingers":
                self.slurm.lingering.append((self.now + LINGER, name, "alice"))
            case "unsent":
                self.write(unsent(verb.status, "refused", at=NOW))
            case "refused":
                self.write(advance(verb.status, Event.REFUSED, at=NOW))
            case "dies after":
                self.slurm.submit(name, "alice", self.clock)
            case "told":
                slurm = SlurmView(job_id=self.slurm.submit(name, "alice", self.clock), state="PENDING")
                self.write(advance(verb.status, Event.SUBMITTED, at=NOW).model_copy(update={"slurm": slurm}))

    def cancel(self, verb: Cancel, fate: Fate) -> None:
        assert verb.user == "alice"
        self.books.cancelled[verb.slurm_job_id] = self.now
        taken = self.slurm.cancel(verb.slurm_job_id, verb.user, verb.name, self.now, stubborn=fate.stubborn)
        assert self.status is not None
        if taken and not verb.stray and self.status.phase in {Phase.QUEUED, Phase.RUNNING, Phase.READY}:
            self.write(advance(self.status, Event.ENDING, at=NOW, reason=STOPPING))

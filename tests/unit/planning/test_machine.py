"""The planner against a small Slurm in which everything that can go wrong does, at any moment.

Invariants I1, I2 and I7, that nothing is written twice, and that a world that falls quiet comes to rest.
"""

from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bwvisu.domain.job import Wanted
from bwvisu.domain.lifecycle import Phase
from bwvisu.domain.observation import SlurmState, StateGroup
from bwvisu.planning.plan import plan, remember
from bwvisu.planning.verbs import Record
from tests.unit.planning.build import ID, name_of
from tests.unit.planning.leader_model import LINGER, Books, Fate, Leader
from tests.unit.planning.slurm_model import Slurm

FATES = st.builds(
    Fate,
    submission=st.sampled_from(["told", "unsent", "nothing", "dies after", "lingers", "refused", "leader dies"]),
    details=st.sampled_from(["told", "silent"]),
    stubborn=st.booleans(),
)
UNKNOWN = Fate("nothing", "silent", stubborn=True)


class World(RuleBasedStateMachine):
    """One job of one owner; the store, Slurm, and a leader that may be replaced at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.slurm = Slurm()
        self.leader = Leader(self.slurm, 1000.0)
        self.slipped: set[str] = set()

    # ---- the leader ---------------------------------------------------------------------------------------------

    @initialize(foreign=st.booleans(), first=FATES)
    def begin(self, foreign: bool, first: Fate) -> None:
        if foreign:
            self.slurm.submit(name_of(), "mallory", self.leader.clock)
            self.slurm.existed.clear()
        self.look()
        self.leader.one_pass(first)

    @rule(fate=FATES)
    def one_pass(self, fate: Fate) -> None:
        self.leader.one_pass(fate)

    @rule(seconds=st.sampled_from([1.0, 5.0, 15.0, 20.0, LINGER, 301.0]))
    def time_passes(self, seconds: float) -> None:
        self.leader.now += seconds
        self.slurm.purge(self.leader.now)

    @rule()
    def look(self) -> None:
        self.leader.now += 0.5
        self.leader.learn(self.slurm.look(self.leader.now, self.leader.clock))

    @rule(fate=FATES)
    def look_that_comes_late(self, fate: Fate) -> None:
        """It began before something happened that it does not show."""
        look = self.slurm.look(self.leader.now, self.leader.clock)
        self.leader.now += 0.5
        self.leader.one_pass(fate)
        self.leader.learn(replace(look, ended_at=self.leader.now))

    @rule(looks=st.integers(2, 8), gap=st.sampled_from([6.0, 16.0, 30.0]), fate=FATES, late=st.integers(0, 20))
    def a_spell_of_watching(self, looks: int, gap: float, fate: Fate, late: int) -> None:
        for turn in range(looks):
            self.time_passes(gap)
            if turn == late and self.slurm.lingering:
                self.an_sbatch_gets_through()
            self.look()
            self.leader.one_pass(fate)
            self.at_most_one_live_slurm_job()

    @rule()
    def another_leads(self) -> None:
        self.leader.books = Books()

    @rule()
    def the_owner_stops_it(self) -> None:
        self.leader.spec = self.leader.spec.model_copy(update={"wanted": Wanted.STOPPED})

    # ---- Slurm --------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.slurm.lingering)
    @rule()
    def an_sbatch_gets_through(self) -> None:
        _, name, user = self.slurm.lingering.pop()
        self.slurm.submit(name, user, self.leader.clock)

    @precondition(lambda self: self.leader.status is not None and self.leader.status.attempt > 1)
    @rule()
    def a_superseded_attempt_slips_through(self) -> None:
        """Fault 3: later than anybody thought possible."""
        assert self.leader.status is not None
        name = name_of(self.leader.status.attempt - 1)
        if name not in self.slurm.existed:
            self.slipped.add(name)
            self.slurm.submit(name, "alice", self.leader.clock)

    @precondition(lambda self: self.slurm.live())
    @rule(
        data=st.data(),
        state=st.sampled_from(["RUNNING", "COMPLETING", "COMPLETED", "FAILED", "UNRECOGNISED"]).map(SlurmState),
    )
    def slurm_moves_on(self, data: Any, state: SlurmState) -> None:
        row = data.draw(st.sampled_from(self.slurm.live()))
        if row.state.group is StateGroup.COMPLETING and not state.is_terminal:
            return
        self.slurm.change(row.job_id, self.leader.now, state)
        if state is SlurmState.RUNNING and row.user == "alice":
            self.leader.heard.add(int(row.name.rpartition("-")[2]))

    @precondition(lambda self: self.slurm.live("alice"))
    @rule(speaks=st.booleans())
    def it_ends_and_is_purged_unseen(self, speaks: bool) -> None:
        (row, *_) = self.slurm.live("alice")
        if speaks:
            self.leader.heard.add(int(row.name.rpartition("-")[2]))
        self.slurm.change(row.job_id, self.leader.now, SlurmState.COMPLETED)
        self.time_passes(301.0)

    @precondition(lambda self: self.slurm.live())
    @rule(data=st.data())
    def slurm_requeues(self, data: Any) -> None:
        row = data.draw(st.sampled_from(self.slurm.live()))
        changed = {"restarts": row.restarts + 1, "submitted_at": self.leader.clock}
        self.slurm.change(row.job_id, self.leader.now, SlurmState.PENDING, **changed)

    @rule()
    def slurm_is_reset(self) -> None:
        """Everything is gone, and a stranger is the first to submit."""
        self.slurm.reset()
        self.slurm.submit("somebody-elses", "bob", self.leader.clock)

    # ---- what must hold -----------------------------------------------------------------------------------------

    @invariant()
    def at_most_one_live_slurm_job(self) -> None:
        assert len([row for row in self.slurm.live("alice") if row.name not in self.slipped]) < 2, "I2"

    @invariant()
    def what_is_written_is_not_written_again(self) -> None:
        """In an unchanged world a few records settle it."""
        if self.leader.status is None:
            return
        now = self.leader.snapshot()
        for _ in range(4):
            records = [verb for verb in plan(now).verbs if isinstance(verb, Record)]
            if not records:
                return
            now = replace(now, jobs={ID: replace(now.jobs[ID], status=records[0].status)})
            now = replace(now, memory=replace(now.memory, met=remember(now)))
        raise AssertionError("records without an end")

    def teardown(self) -> None:
        """The world falls quiet, the owner wants an end, Slurm works: everything ends."""
        strangers = [row for row in self.slurm.live() if row.user != "alice"]
        self.the_owner_stops_it()
        for _ in range(40):
            self.time_passes(20.0)
            for row in self.slurm.live("alice"):
                if row.state.group is StateGroup.COMPLETING:
                    self.slurm.change(row.job_id, self.leader.now, SlurmState.CANCELLED)
            self.look()
            for _ in range(3):
                self.leader.one_pass(Fate(stubborn=True))
        assert self.leader.over
        assert self.leader.status is None or self.leader.status.phase is Phase.FINISHED
        assert self.slurm.live("alice") == []
        assert self.slurm.live() == strangers, "nobody else's job was touched"


World.TestCase.settings = settings(max_examples=400, stateful_step_count=30, deadline=None)
TestWorld = World.TestCase

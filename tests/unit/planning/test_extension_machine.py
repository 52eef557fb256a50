"""Times that are asked for one after another, told to Slurm over wires that lose answers and deliver late, by leaders
that are replaced: what is said to be applied is so, and stays so until another time is asked for."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bwvisu.domain.job import Extension, ExtensionState, JobStatus
from bwvisu.domain.lifecycle import Phase
from bwvisu.domain.observation import ExtendResult, Look, NotStarted, Refused, TimeSet, Unknown
from bwvisu.planning.plan import plan, remember
from bwvisu.planning.snapshot import JobView, Memory, Met, Snapshot, Told
from bwvisu.planning.verbs import Extend, Record
from tests.support.effort import effort
from tests.unit.planning.build import ID, NOW, POLICY, known, look, row, snapshot, spec

RULES = replace(POLICY, longest=240)
FATES = st.sampled_from(["told", "answer lost", "late", "never", "unsent", "refused", "leader dies", "dies, late"])


class World(RuleBasedStateMachine):
    """One running job; Slurm is its time limit and what is still on its way there."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.limit = 60
        self.late: list[tuple[float, int]] = []
        """(last moment, minutes): said to Slurm, and not heard yet."""
        self.spec = spec()
        self.status: JobStatus = known(Phase.READY, time_limit=3600)
        self.look: Look | None = None
        self.met: dict[str, Met] = {}
        self.told: dict[str, Told] = {}
        self.one_look()

    def snapshot(self) -> Snapshot:
        memory = Memory(met=self.met, told=self.told)
        wall = NOW + timedelta(seconds=self.now - 1000.0)
        view = JobView(self.spec, self.status)
        shown = snapshot(view, policy=RULES, look=self.look, memory=memory, monotonic=self.now, now=wall)
        self.met = remember(shown)
        return replace(shown, memory=replace(memory, met=self.met))

    @rule(minutes=st.sampled_from([60, 120, 180]))
    def somebody_asks(self, minutes: int) -> None:
        number = self.spec.extension.number + 1 if self.spec.extension else 1
        wanted = Extension(number=number, minutes=minutes, asked_at=NOW)
        self.spec = self.spec.model_copy(update={"extension": wanted})

    @rule(fate=FATES)
    def one_pass(self, fate: str) -> None:
        for verb in plan(self.snapshot()).verbs:
            if isinstance(verb, Record):
                self.status = verb.status
            else:
                assert isinstance(verb, Extend)
                self.tell(verb, fate)

    def tell(self, verb: Extend, fate: str) -> None:
        assert not self.late, "Slurm is told another time while an earlier one is on its way"
        self.status = verb.status
        self.now += 0.1
        if fate in {"told", "answer lost", "leader dies"}:
            self.limit = verb.minutes
        if fate in {"late", "dies, late"}:
            self.late.append((self.now + RULES.extend_settle, verb.minutes))
        if "dies" in fate:
            self.another_leads()
            return
        results: dict[str, ExtendResult] = {"told": TimeSet(), "unsent": NotStarted("no"), "refused": Refused("no")}
        last = self.told.get(ID)
        tries = 1 + (last.tries if last is not None and last.number == verb.number else 0)
        self.told[ID] = Told(verb.number, results.get(fate, Unknown("no answer")), self.now, tries)

    @precondition(lambda self: self.late)
    @rule()
    def a_late_one_arrives(self) -> None:
        self.limit = self.late.pop(0)[1]

    @rule(seconds=st.sampled_from([1.0, 5.0, 30.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.late = [each for each in self.late if self.now < each[0]]

    @rule()
    def one_look(self) -> None:
        self.now += 0.5
        self.look = look(row(time_limit=self.limit * 60), began=self.now)
        self.late = [each for each in self.late if self.now < each[0]]

    @rule()
    def another_leads(self) -> None:
        self.met, self.told, self.look = {}, {}, None
        self.snapshot()

    @rule(looks=st.integers(1, 20))
    def a_calm_spell(self, looks: int) -> None:
        for _ in range(looks):
            self.time_passes(5.0)
            self.one_look()
            self.one_pass("told")
            self.what_is_applied_is_so()

    @invariant()
    def what_is_applied_is_so(self) -> None:
        wanted, answered = self.spec.extension, self.status.extension
        if wanted is None or answered is None or answered.number != wanted.number:
            return
        if answered.state is ExtensionState.APPLIED:
            assert self.limit == wanted.minutes
            assert not self.late, "it may still become another"

    def teardown(self) -> None:
        """In calm, everything is answered."""
        for _ in range(20):
            self.a_calm_spell(1)
        if self.spec.extension is not None:
            assert self.status.extension is not None
            assert self.status.extension.number == self.spec.extension.number
            assert self.status.extension.state is not ExtensionState.PENDING


World.TestCase.settings = effort(2, stateful_step_count=40)
TestWorld = World.TestCase

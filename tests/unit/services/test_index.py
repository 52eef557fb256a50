"""The index of jobs says what a plain sorted list would say."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bwvisu.services.index import Ids, JobIndex

IDS = st.text("0123", min_size=1, max_size=4)
USERS = st.sampled_from(["alice", "bob"])


@given(st.lists(st.tuples(IDS, st.booleans())), IDS)
def test_ids_are_a_sorted_set(changes: list[tuple[str, bool]], begin: str) -> None:
    ids, model = Ids(), set[str]()
    for job_id, present in changes:
        ids.keep(job_id, present=present)
        (model.add if present else model.discard)(job_id)
    assert list(ids.before(None)) == sorted(model, reverse=True)
    assert list(ids.before(begin)) == sorted((each for each in model if each < begin), reverse=True)
    assert len(ids) == len(model)


class Index(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.index = JobIndex()
        self.jobs: dict[str, tuple[str, bool]] = {}

    @rule(job_id=IDS, user=USERS, live=st.booleans())
    def keep(self, job_id: str, user: str, live: bool) -> None:
        owner = self.jobs[job_id][0] if job_id in self.jobs else user
        self.index.keep(job_id, owner, present=True, live=live)
        self.jobs[job_id] = (owner, live)

    @rule(job_id=IDS, user=USERS)
    def forget(self, job_id: str, user: str) -> None:
        owner, _ = self.jobs.pop(job_id, (user, False))
        self.index.keep(job_id, owner, present=False, live=True)

    @invariant()
    def agrees(self) -> None:
        assert list(self.index.candidates(user=None, live=False).before(None)) == sorted(self.jobs, reverse=True)
        live = [job_id for job_id, (_, is_live) in self.jobs.items() if is_live]
        assert list(self.index.candidates(user=None, live=True).before(None)) == sorted(live, reverse=True)
        for user in ("alice", "bob"):
            own = sorted((job_id for job_id, (owner, _) in self.jobs.items() if owner == user), reverse=True)
            assert list(self.index.candidates(user=user, live=False).before(None)) == own


TestIndex = Index.TestCase

"""Another run time carried out: what is in etcd and in Slurm afterwards, and in which order it came there."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from bwvisu.adapters.etcd import Store
from bwvisu.adapters.records import Keys
from bwvisu.domain.job import Extension, ExtensionState, ExtensionStatus, JobStatus
from bwvisu.domain.lifecycle import Phase
from bwvisu.domain.observation import ExtendResult, NotStarted, Refused, SlurmState, Unknown
from bwvisu.planning.extension import TRIES
from tests.unit.planning.build import ID, NOW, name_of, spec
from tests.unit.reconcilers.term import POLICY, Clock, FakeSlurm, Term


@pytest.fixture
def slurm() -> FakeSlurm:
    return FakeSlurm(Clock())


async def runs(term: Term, slurm: FakeSlurm) -> None:
    await term.ask()
    await term.turn()
    slurm.slurm.change(1, 0.0, SlurmState.RUNNING)
    await term.turn()
    assert term.phase() is Phase.READY


async def wants(term: Term, minutes: int, number: int = 1) -> None:
    await term.ask(spec().model_copy(update={"extension": Extension(number=number, minutes=minutes, asked_at=NOW)}))
    await term.turn()


def limit(term: Term) -> int | None:
    return term.status.slurm.time_limit if term.status.slurm is not None else None


def state(term: Term) -> ExtensionState | None:
    return term.status.extension.state if term.status.extension is not None else None


def set_times(lines: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """The audit trail's lines about run times."""
    told = [line for line in lines if line["event"] == "audit" and line["action"] == "setTime"]
    return [tuple(line[field] for field in ("result", "job", "user", "reason")) for line in told]


async def test_a_time_is_told_and_applied_once_a_look_has_shown_it(store: Store, keys: Keys, slurm: FakeSlurm) -> None:
    async with Term(store, keys, slurm) as term:
        await runs(term, slurm)
        await wants(term, 120)
        assert slurm.told == [(1, "alice", name_of(), 120)]
        assert (state(term), limit(term)) == (ExtensionState.PENDING, 3600)
        await term.turn()
        assert (state(term), limit(term)) == (ExtensionState.APPLIED, 7200)
        await term.watch(100)
        assert len(slurm.told) == 1
        assert await term.stored() == term.status


async def test_the_intent_is_stored_before_slurm_is_told(store: Store, keys: Keys, slurm: FakeSlurm) -> None:
    seen: list[JobStatus | None] = []

    class Watched(FakeSlurm):
        async def extend(self, job_id: int, user: str, name: str, minutes: int) -> ExtendResult:
            seen.append(await term.stored())
            return await super().extend(job_id, user, name, minutes)

    watched = Watched(slurm.clock)
    async with Term(store, keys, watched) as term:
        await runs(term, watched)
        await wants(term, 120)
    (stored,) = seen
    assert stored is not None
    assert stored.extension == ExtensionStatus(number=1, state=ExtensionState.PENDING)


async def test_a_no_is_written_down_in_its_words(store: Store, keys: Keys, slurm: FakeSlurm) -> None:
    slurm.says = lambda *_: Refused("Slurm says: Access/permission denied")
    async with Term(store, keys, slurm) as term:
        await runs(term, slurm)
        with capture_logs() as lines:
            await wants(term, 120)
        assert set_times(lines) == [("refused", ID, "alice", "rejected-by-slurm")]
        assert term.status.extension is not None
        assert term.status.extension.state is ExtensionState.REFUSED
        assert term.status.extension.reason is not None
        assert term.status.extension.reason.message == "Slurm says: Access/permission denied"
        slurm.says = slurm.set_time
        with capture_logs() as lines:
            await wants(term, 120, 2)
            await term.turn()
        assert set_times(lines) == [("accepted", ID, "alice", None)]
        assert (state(term), limit(term)) == (ExtensionState.APPLIED, 7200)


async def test_what_did_not_run_is_told_again_after_a_look(store: Store, keys: Keys, slurm: FakeSlurm) -> None:
    slurm.says = lambda *_: NotStarted("squeue ended with 1")
    async with Term(store, keys, slurm) as term:
        await runs(term, slurm)
        await wants(term, 120)
        slurm.says = slurm.set_time
        await term.watch(16)
        assert (state(term), len(slurm.told)) == (ExtensionState.APPLIED, 2)


async def test_an_unknown_answer_is_waited_out_some_times_then_given_up(
    store: Store, keys: Keys, slurm: FakeSlurm
) -> None:
    slurm.says = lambda *_: Unknown("Unspecified error")
    async with Term(store, keys, slurm) as term:
        await runs(term, slurm)
        await wants(term, 120)
        await term.watch(POLICY.extend_settle - 8)
        assert len(slurm.told) == 1
        await term.watch(TRIES * (POLICY.extend_settle + 16))
        assert (state(term), len(slurm.told)) == (ExtensionState.REFUSED, TRIES)
        assert limit(term) == 3600


async def test_the_next_leader_waits_before_it_believes(store: Store, keys: Keys, slurm: FakeSlurm) -> None:
    """The one before has told Slurm, and nobody knows when that takes effect."""
    async with Term(store, keys, slurm) as term:
        await runs(term, slurm)
        await wants(term, 120)
    async with Term(store, keys, slurm) as term:
        await term.watch(POLICY.extend_settle - 8)
        assert (state(term), limit(term)) == (ExtensionState.PENDING, 7200)
        await term.watch(16)
        assert (state(term), len(slurm.told)) == (ExtensionState.APPLIED, 1)

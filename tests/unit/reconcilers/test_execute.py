"""Verbs carried out: what is in etcd and in Slurm afterwards, and in which order it came there."""

from collections.abc import MutableMapping
from typing import Any

import pytest
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from bwvisu.adapters.etcd import EtcdUnavailable, Put, Store
from bwvisu.adapters.records import Keys, encode
from bwvisu.adapters.slurm import Submission
from bwvisu.adapters.vault import KeyMissing
from bwvisu.domain.audit import Action, AuditRecord, Result
from bwvisu.domain.job import Idleness, JobSpec, JobStatus
from bwvisu.domain.lifecycle import Outcome, Phase
from bwvisu.domain.observation import CouldNotLook, NoSuchUser, NotStarted, Refused, SlurmState, SubmitResult, Unknown
from bwvisu.errors import OperatorError
from bwvisu.planning.verbs import Forget, StopIdle
from bwvisu.reconcilers.accounts import FRESH_ABSENT
from bwvisu.reconcilers.execute import HOLD_BACK, HOLD_BACK_HOPELESS, HOLD_BACK_UNKNOWN
from tests.unit.planning.build import ID, NOW, name_of, spec
from tests.unit.reconcilers.term import Clock, FakeSlurm, Term


@pytest.fixture
def slurm() -> FakeSlurm:
    return FakeSlurm(Clock())


async def test_a_job_is_submitted_followed_and_stopped(store: Store, keys: Keys, slurm: FakeSlurm) -> None:
    async with Term(store, keys, slurm) as term:
        await term.ask()
        await term.turn()
        assert term.phase() is Phase.QUEUED
        (submission,) = slurm.submitted
        assert (submission.user, submission.home, submission.job_name) == ("alice", "/home/alice", name_of())
        assert submission.output == f"/home/alice/bwvisu-job-{ID}.out"
        slurm.slurm.change(1, 0.0, SlurmState.RUNNING)
        await term.turn()
        assert term.phase() is Phase.READY
        await term.stop()
        await term.watch(16)
        assert (await term.stored(), term.status.outcome) == (term.status, Outcome.CANCELLED)
        assert slurm.slurm.live() == []


async def test_every_step_of_a_job_is_audited(store: Store, keys: Keys, slurm: FakeSlurm) -> None:
    with capture_logs() as lines:
        async with Term(store, keys, slurm) as term:
            await term.ask()
            await term.turn()
            slurm.slurm.change(1, 0.0, SlurmState.RUNNING)
            await term.turn()
            await term.stop()
            await term.watch(16)
    told = [AuditRecord(**_plain(line)) for line in lines if line["event"] == "audit"]
    assert [step.state for step in told] == ["submitted", "running", "available", "completing", "finished"]
    assert {(step.action, step.result, step.by, step.job, step.user) for step in told} == {
        (Action.MOVE_JOB, Result.ACCEPTED, None, ID, "alice")
    }
    assert (told[-1].outcome, told[-1].reason) == (Outcome.CANCELLED, "cancelled-by-user")


async def test_what_the_leader_does_of_a_job_names_the_request_that_made_it(
    store: Store, keys: Keys, slurm: FakeSlurm
) -> None:
    seen: list[object] = []

    def look(submission: Submission) -> SubmitResult:
        seen.append(dict(get_contextvars()))
        return slurm.take(submission)

    slurm.answer = look
    with capture_logs() as lines:
        async with Term(store, keys, slurm) as term:
            await term.ask(spec().model_copy(update={"request": "0123456789abcdef0123456789abcdef"}))
            await term.turn()
    told = [line["request"] for line in lines if line["event"] == "audit"]
    assert told == ["0123456789abcdef0123456789abcdef"]
    assert seen == [{"job": ID, "request": "0123456789abcdef0123456789abcdef"}]
    assert get_contextvars() == {}


def _plain(line: MutableMapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name not in {"event", "log_level"}}


async def test_the_intent_is_stored_before_slurm_is_told(store: Store, keys: Keys, slurm: FakeSlurm) -> None:
    class Watched(FakeSlurm):
        seen: JobStatus | None = None

        async def submit(self, submission: Submission) -> SubmitResult:
            self.seen = await term.stored()
            return await super().submit(submission)

    watched = Watched(slurm.clock)
    async with Term(store, keys, watched) as term:
        await term.ask()
        await term.turn()
    assert watched.seen is not None
    assert (watched.seen.phase, watched.seen.attempt) == (Phase.SUBMITTING, 1)


async def test_a_known_refusal_rejects_the_job_in_slurms_words(store: Store, keys: Keys, slurm: FakeSlurm) -> None:
    slurm.answer = lambda _: Refused("Invalid partition name specified")
    async with Term(store, keys, slurm) as term:
        await term.ask()
        await term.turn()
        assert term.status.reason is not None
        assert (term.status.outcome, term.status.reason.message) == (
            Outcome.REJECTED,
            "Invalid partition name specified",
        )


@pytest.mark.parametrize(("retryable", "pause"), [(True, HOLD_BACK), (False, HOLD_BACK_HOPELESS)])
async def test_a_submission_that_reached_no_node_is_tried_again_after_a_while(
    store: Store, keys: Keys, slurm: FakeSlurm, retryable: bool, pause: float
) -> None:
    slurm.answer = lambda _: NotStarted("refused", retryable)
    async with Term(store, keys, slurm) as term:
        await term.ask()
        await term.turn()
        assert (term.status.phase, term.status.attempt) == (Phase.NEW, 1)
        slurm.answer = slurm.take
        slurm.clock.seconds += pause - 0.1
        await term.turn()
        assert term.status.attempt == 1
        slurm.clock.seconds += 0.2
        await term.turn()
        assert (term.status.phase, term.status.attempt) == (Phase.QUEUED, 2)


async def test_an_unknown_answer_is_resolved_by_name(store: Store, keys: Keys, slurm: FakeSlurm) -> None:
    """Fault 1."""

    def lost(submission: Submission) -> SubmitResult:
        slurm.take(submission)
        return Unknown("the connection was lost")

    slurm.answer = lost
    async with Term(store, keys, slurm) as term:
        await term.ask()
        await term.turn()
        assert term.phase() is Phase.SUBMITTING
        await term.watch(8)
        assert term.phase() is Phase.QUEUED
        assert len(slurm.submitted) == 1


async def test_an_unknown_answer_to_nothing_leads_to_one_other_attempt(
    store: Store, keys: Keys, slurm: FakeSlurm
) -> None:
    """Fault 2."""
    slurm.answer = lambda _: Unknown("the connection was lost")
    async with Term(store, keys, slurm) as term:
        await term.ask()
        await term.turn()
        slurm.answer = slurm.take
        await term.watch(60)
        assert len(slurm.submitted) == 1
        await term.watch(40)
        assert (term.status.phase, term.status.attempt, len(slurm.submitted)) == (Phase.QUEUED, 2, 2)


async def test_while_slurm_does_not_answer_nothing_is_begun_and_nothing_is_lost(
    store: Store, keys: Keys, slurm: FakeSlurm
) -> None:
    """Fault 4: for ten minutes."""
    async with Term(store, keys, slurm) as term:
        await term.turn()
        slurm.down = True
        await term.watch(16)
        await term.ask()
        await term.watch(600)
        assert slurm.submitted == []
        assert term.status.reason is not None
        assert (term.status.phase, term.status.reason.code) == (Phase.NEW, "cluster-unreachable")
        slurm.down = False
        await term.watch(8)
        assert term.phase() is Phase.QUEUED


@pytest.mark.parametrize("script", [b"echo no shebang\n", b"#!/bin/sh\n\0"])
async def test_a_script_that_cannot_be_submitted_rejects_the_job(
    store: Store, keys: Keys, slurm: FakeSlurm, script: bytes
) -> None:
    async def render(spec: JobSpec, attempt: int) -> bytes:
        return script

    async with Term(store, keys, slurm) as term:
        term.script = render
        await term.ask()
        await term.turn()
        assert (term.status.outcome, term.status.attempt, slurm.submitted) == (Outcome.REJECTED, 0, [])


async def test_a_bundle_that_cannot_be_rendered_rejects_the_job(store: Store, keys: Keys, slurm: FakeSlurm) -> None:
    async def render(spec: JobSpec, attempt: int) -> bytes:
        raise OperatorError("the job's application bundle is not in the store")

    async with Term(store, keys, slurm) as term:
        term.script = render
        await term.ask()
        await term.turn()
        assert term.status.reason is not None
        assert (term.status.outcome, term.status.reason.code) == (Outcome.REJECTED, "not-rendered")


async def test_a_store_that_does_not_answer_rejects_nothing(store: Store, keys: Keys, slurm: FakeSlurm) -> None:
    async def render(spec: JobSpec, attempt: int) -> bytes:
        term.script = good
        raise EtcdUnavailable("no member answers")

    async with Term(store, keys, slurm) as term:
        good, term.script = term.script, render
        await term.ask()
        await term.turn()
        assert term.phase() is Phase.QUEUED


async def test_a_job_whose_secret_cannot_be_opened_waits_and_leaves_its_place_to_others(
    store: Store, keys: Keys, slurm: FakeSlurm
) -> None:
    async def render(spec: JobSpec, attempt: int) -> bytes:
        raise KeyMissing("the secret is sealed with another key")

    async with Term(store, keys, slurm) as term:
        good, term.script = term.script, render
        await term.ask()
        await term.turn()
        assert (await term.stored(), (await term.jobs.reconcile()).verbs) == (None, 0)
        term.script = good
        slurm.clock.seconds += HOLD_BACK
        await term.turn()
        assert (term.status.phase, term.status.attempt) == (Phase.QUEUED, 1)


async def test_an_owner_who_cannot_be_asked_about_is_not_asked_all_the_time(
    store: Store, keys: Keys, slurm: FakeSlurm
) -> None:
    slurm.account = CouldNotLook("getent hangs", 0.0)
    async with Term(store, keys, slurm) as term:
        await term.ask()
        await term.turn()
        assert (await term.jobs.reconcile()).verbs == 0


async def test_an_owner_is_unknown_only_when_answers_agree(store: Store, keys: Keys, slurm: FakeSlurm) -> None:
    """The second question is better put to another command node."""
    slurm.account = NoSuchUser("alice", "login1")
    async with Term(store, keys, slurm) as term:
        await term.ask()
        await term.turn()
        assert term.phase() is Phase.NEW
        slurm.clock.seconds += FRESH_ABSENT
        await term.turn()
        assert term.status.outcome is Outcome.REJECTED
    assert slurm.asked_but == ["", "login1"]


async def test_an_owner_whom_sudo_does_not_find_is_asked_for_again(store: Store, keys: Keys, slurm: FakeSlurm) -> None:
    slurm.answer = lambda _: Refused("The cluster knows no user alice.", "unknown-user")
    async with Term(store, keys, slurm) as term:
        await term.ask()
        await term.turn()
        assert (term.phase(), len(slurm.asked_but)) == (Phase.NEW, 1)
        slurm.answer = slurm.take
        slurm.clock.seconds += HOLD_BACK_UNKNOWN
        await term.turn()
        assert (term.phase(), len(slurm.asked_but)) == (Phase.QUEUED, 2)


async def idled(term: Term) -> bool:
    status = await term.stored()
    return status is not None and status.idled


async def test_a_job_that_was_kept_meanwhile_is_not_stopped(store: Store, keys: Keys, slurm: FakeSlurm) -> None:
    """By the spec that the leader knows, and by one that it has not seen yet."""
    async with Term(store, keys, slurm) as term:
        await term.ask()
        await term.turn()
        known = term.records.specs.get(ID)
        assert known is not None
        stopped = term.status.model_copy(update={"idle": Idleness(warned_at=NOW, stops_at=NOW, stopped_at=NOW)})
        await term.executor.execute(StopIdle(ID, stopped, kept_at=NOW))
        assert not await idled(term)

        kept = known.model_copy(update={"kept_at": NOW})
        await store.commit([], [Put(keys.spec(ID), encode(kept))])
        await term.executor.execute(StopIdle(ID, stopped, kept_at=known.kept_at))
        assert not await idled(term)
        await term.executor.execute(StopIdle(ID, stopped, kept_at=NOW))
        assert await idled(term)


async def test_an_idle_world_costs_no_verb(store: Store, keys: Keys, slurm: FakeSlurm) -> None:
    async with Term(store, keys, slurm) as term:
        await term.ask()
        await term.turn()
        slurm.slurm.change(1, 0.0, SlurmState.RUNNING)
        await term.turn()
        for _ in range(3):
            slurm.clock.seconds += 30
            await term.watcher.reconcile()
            assert (await term.jobs.reconcile()).verbs == 0


async def test_a_forgotten_job_leaves_nothing(store: Store, keys: Keys, slurm: FakeSlurm) -> None:
    async with Term(store, keys, slurm) as term:
        await term.ask()
        await term.turn()
        await store.commit([], [Put(keys.secret(ID), b"s"), Put(keys.reports(ID) + "1.0.1", b"{}")])
        await term.executor.execute(Forget(ID))
        assert {key for key in (await store.list(keys.root)).entries if ID in key} == set()
        assert dict(term.views.current()) == {}


async def test_a_job_with_an_unreadable_record_is_neither_planned_nor_told_of(
    store: Store, keys: Keys, slurm: FakeSlurm, capsys: Any
) -> None:
    async with Term(store, keys, slurm) as term:
        await term.ask(spec(stopped=True))
        slurm.slurm.submit(name_of(), "alice", int(NOW.timestamp()))
        term.records.unreadable = {ID}
        term.views.changed(ID)
        await term.turn()
        assert (await term.stored(), len(slurm.slurm.live())) == (None, 1)
    assert "carries our name" not in capsys.readouterr().out

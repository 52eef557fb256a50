"""Faults 10 and 11: a leader dies, or is overtaken, between any two steps of a job's life; the next one converges."""

import asyncio

from bwvisu.adapters.etcd import Store
from bwvisu.adapters.records import Keys
from bwvisu.adapters.slurm import Submission
from bwvisu.domain.lifecycle import Outcome, Phase
from bwvisu.domain.observation import SubmitResult
from tests.support.waiting import eventually
from tests.unit.planning.build import name_of
from tests.unit.reconcilers.term import Clock, Doom, FakeSlurm, Term

STEPS_AT_MOST = 60


async def live(term: Term) -> None:
    """From POST to the end, as far as this leader gets."""
    await term.turn()
    await term.stop()
    await term.watch(16)


async def test_a_leader_that_dies_at_any_step_leaves_one_slurm_job_and_one_end(store: Store, keys: Keys) -> None:
    steps = 0
    while True:
        steps += 1
        assert steps < STEPS_AT_MOST
        slurm, mine = FakeSlurm(Clock()), Keys(f"{keys.prefix}-{steps}")
        async with Term(store, mine, slurm, Doom(steps)) as first:
            await first.ask()
            await live(first)
        async with Term(store, mine, slurm) as second:
            await second.watch(120)
            assert (second.status.phase, second.status.outcome) == (Phase.FINISHED, Outcome.CANCELLED), steps
        assert slurm.slurm.live() == [], steps
        assert slurm.slurm.existed <= {name_of(1)}, steps
        if not first.doom.struck:
            break
    assert steps > 10


async def test_a_leader_that_dies_at_any_step_of_a_submission_does_not_cost_the_job(store: Store, keys: Keys) -> None:
    for steps in range(1, 13):
        slurm, mine = FakeSlurm(Clock()), Keys(f"{keys.prefix}-{steps}")
        async with Term(store, mine, slurm, Doom(steps)) as first:
            await first.ask()
            await first.turn()
        async with Term(store, mine, slurm) as second:
            await second.watch(120)
            assert second.status.phase is Phase.QUEUED, steps
        assert len(slurm.slurm.existed) == len(slurm.slurm.live()) == 1, steps


async def test_a_leader_overtaken_while_it_submits_writes_nothing_and_its_job_is_adopted(
    store: Store, keys: Keys
) -> None:
    """It was stopped for longer than its lease, and goes on when sbatch has answered."""
    overtaken = asyncio.Event()

    class Slow(FakeSlurm):
        async def submit(self, submission: Submission) -> SubmitResult:
            result = await super().submit(submission)
            await overtaken.wait()
            return result

    slurm = Slow(Clock())
    async with Term(store, keys, slurm) as old:
        await old.ask()
        turning = asyncio.create_task(old.turn())
        await eventually(lambda: bool(slurm.submitted))
        async with Term(store, keys, slurm) as new:
            overtaken.set()
            await asyncio.wait({turning})
            assert not old.leadership.is_leader
            assert (new.status.phase, new.status.attempt) == (Phase.SUBMITTING, 1)
            await new.watch(8)
            assert new.phase() is Phase.QUEUED
        turning.cancel()
    assert len(slurm.submitted) == 1

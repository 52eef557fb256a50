"""etcd is restored from a backup: revisions run backwards, and Slurm and gateways are ahead of all that is known."""

import asyncio
import json
from typing import Any

from bwvisu.domain.lifecycle import Phase
from bwvisu.planning.words import SUBMISSION_UNKNOWN
from bwvisu.reconcilers.leadership import Candidate
from bwvisu.reconcilers.restored import Restored
from bwvisu.roles.base import Base
from bwvisu.roles.state import lead_once
from keyhole.domain import JobForwards
from tests.simulation.etcd import Backup, SimStore
from tests.simulation.people import Person
from tests.simulation.scenario import Scene, simulated
from tests.simulation.service import KEYS, SETTINGS, wall

NEXT_LEADER = 90.0
"""Seconds for a look that sees everything, and for two that agree on what is not there."""


async def backed_up_before_it_is_submitted(scene: Scene) -> tuple[Person, Backup]:
    """A job that was accepted at the very moment of the backup."""
    known = {key for key in scene.etcd.entries if KEYS.kind_of(key) == "specs"}
    backups: list[Backup] = []

    def accepted() -> bool:
        new = [key for key in scene.etcd.entries if KEYS.kind_of(key) == "specs" and key not in known]
        if new and KEYS.status(KEYS.tail(new[0])) not in scene.etcd.entries:
            backups.append(scene.etcd.backup())
        return bool(backups)

    person = scene.person("bob")
    posting = asyncio.ensure_future(person.post())
    await scene.until(accepted, "the job is accepted and not submitted")
    await posting
    return person, backups[0]


def back_to(scene: Scene, backup: Backup) -> None:
    """Stop all roles and restore; what the world's promises remember of jobs goes back, too."""
    for service in scene.services:
        scene.kill(service)
    scene.etcd.restore(backup)
    promises = scene.invariants

    def of(kind: str) -> dict[str, Any]:
        entries = scene.etcd.entries.items()
        return {KEYS.tail(key): json.loads(entry.value) for key, entry in entries if KEYS.kind_of(key) == kind}

    promises.specs, promises.status = of("specs"), of("status")
    promises.forwards = {job_id: JobForwards.model_validate(value) for job_id, value in of("forwards").items()}


async def state_restored(scene: Scene) -> Restored:
    """``bwvisu state restored``, by an administrator."""
    store = SimStore(scene.etcd, "admin", scene.weather, timeout=3.0)
    return await lead_once(
        Base(
            SETTINGS,
            store,
            KEYS,
            Candidate("admin", "admin"),
            monotonic=scene.loop.time,
            wall=lambda: wall(scene.loop.time()),
        )
    )


@simulated
async def test_fault_35a_after_a_restore_gateways_go_on_and_no_job_is_submitted_twice(scene: Scene) -> None:
    """One job was there long before the backup, one had only been accepted, one came after it."""
    old = await scene.served("alice")
    gateway, forward = scene.forward(old)
    new, backup = await backed_up_before_it_is_submitted(scene)
    await scene.reaches(new, Phase.READY)
    late = await scene.served("alice")
    number, left = scene.slurm_job(late).job_id, scene.forward(late)
    await scene.terminate(scene.head)  # the next leader's epoch is ahead of all that come after the restore
    await scene.until(lambda: scene.leader is not None, "another one leads")
    back_to(scene, backup)
    first = await state_restored(scene)
    second = await state_restored(scene)
    assert (first.before, first.in_doubt, first.unreadable) == (1, [new.job_id], [])
    assert second.generation > second.before == first.generation > 10**9
    assert scene.reason(new) == SUBMISSION_UNKNOWN.code
    for service in scene.services:
        service.start()
    await scene.until(lambda: scene.leader is not None, "somebody leads")
    await scene.until(lambda: any("left alone" in line for line in scene.trace), "the late one is told of")
    await scene.reaches(new, Phase.RUNNING, NEXT_LEADER)
    await scene.reaches(old, Phase.READY, NEXT_LEADER)
    assert scene.leads(gateway, forward.external_port) is not None
    assert [len(scene.taken(each)) for each in (old, new, late)] == [1, 1, 1]
    assert scene.slurm.jobs[number].alive, "a job that nobody knows is nobody's to cancel"
    await new.delete()
    await scene.reaches(new, Phase.FINISHED)
    scene.slurm.cancel(number, "alice")  # as docs/operations.md has it: by hand
    # No record knows that its port was in use: the gateway's rule tells, so the port rests like any other.
    assert len(scene.taken(next_one := await scene.served("alice"))) == 1
    assert scene.forward(next_one) != left


@simulated
async def test_fault_35a_what_was_never_submitted_is_lost_rather_than_submitted_by_guess(scene: Scene) -> None:
    person, backup = await backed_up_before_it_is_submitted(scene)
    await scene.reaches(person, Phase.READY)
    scene.slurm.cancel(scene.slurm_job(person).job_id, "bob")
    await scene.reaches(person, Phase.FINISHED)
    await scene.never(lambda: False, "nothing", 400.0)  # Slurm forgets it
    back_to(scene, backup)
    assert (await state_restored(scene)).in_doubt == [person.job_id]
    for service in scene.services:
        service.start()
    await scene.reaches(person, Phase.FINISHED, 2 * NEXT_LEADER)
    assert scene.status(person).outcome == "lost"
    assert len(scene.taken(person)) == 1

"""Two releases side by side, as during a rolling upgrade; and a store that a later release has made its own."""

import json
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import pytest

from bwvisu.adapters.etcd import Committed, Condition, Conflict, Entry, Operation, Put
from bwvisu.adapters.records import decode, encode
from bwvisu.domain.cluster import STORE_FORMAT, Installation
from bwvisu.domain.job import ExtensionState
from bwvisu.domain.lifecycle import Phase
from bwvisu.errors import OperatorError
from bwvisu.reconcilers.records import KINDS
from bwvisu.roles.installation import RELEASE, installation, refuse_the_future
from tests.simulation.etcd import SimStore
from tests.simulation.people import Person
from tests.simulation.scenario import Scene, simulated
from tests.simulation.service import KEYS

SINCE = "since_the_next_release"
SPOILT = b'{"somebody": "edited this"}'
JOBS = {"specs", "status", "forwards", "notices", "quota"}
"""Records that are read and written again; what a leader sees and answers it always writes anew."""


def added(entry: Entry | None) -> Any:
    """What the newer release has added to a record."""
    return json.loads(entry.value).get(SINCE) if entry is not None else None


def side_by_side(scene: Scene, newer: Iterable[str], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Processes of a newer release add a field to whatever they write; the others must keep it.

    The kinds of records that the others have rewritten.
    """
    real, kept = SimStore.commit, set[str]()

    def checked(operation: Operation) -> Operation:
        if isinstance(operation, Put) and (kind := KEYS.kind_of(operation.key)) in JOBS:
            before, after = added(scene.etcd.entries.get(operation.key)), json.loads(operation.value).get(SINCE)
            assert before == after, f"what another release has added to {operation.key} is lost"
            if before is not None:
                kept.add(kind)
        return operation

    def extended(operation: Operation) -> Operation:
        if isinstance(operation, Put) and KEYS.kind_of(operation.key) in KINDS:
            value = json.dumps({**json.loads(operation.value), SINCE: {"it": ["was", "there"]}})
            return Put(operation.key, value.encode(), operation.lease)
        return operation

    async def commit(
        store: SimStore, conditions: Sequence[Condition], operations: Sequence[Operation]
    ) -> Committed | Conflict:
        change = extended if store.client in newer else checked
        return await real(store, conditions, [change(each) for each in operations])

    monkeypatch.setattr(SimStore, "commit", commit)
    return kept


async def other_leader(scene: Scene) -> None:
    """Hand the office over to the other reconciler; both run afterwards."""
    before = scene.head
    await scene.terminate(before)
    await scene.until(lambda: scene.leader not in {None, before}, "the other one leads")
    before.start()


def has_its_time(scene: Scene, person: Person) -> bool:
    """Whether the leader has changed a job's run time."""
    told = scene.status(person).extension
    return told is not None and told.state is ExtensionState.APPLIED


def noted(scene: Scene) -> Installation:
    """The record as it is."""
    return decode(Installation, scene.etcd.entries[KEYS.installation].value)


@pytest.mark.parametrize("newer", [("r1", "k1"), ("r2", "k2", "a1")])
@simulated
async def test_fault_29_two_releases_side_by_side_lose_nothing_of_each_other(
    scene: Scene, newer: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs begin under a leader of one of them, and are changed and ended under one of the other."""
    kept = side_by_side(scene, newer, monkeypatch)
    for user in ("alice", "bob"):
        person = await scene.served(user)
        await other_leader(scene)
        await person.extend(90)
        await scene.until(partial(has_its_time, scene, person), "its time is changed")
        await scene.reaches(person, Phase.READY)
        await person.delete()
        await scene.reaches(person, Phase.FINISHED)
        assert len(scene.taken(person)) == 1
    assert {"status", "forwards"} <= kept


@simulated
async def test_a_leader_notes_its_release_once(scene: Scene) -> None:
    await scene.until(lambda: noted(scene).release == RELEASE, "the release is noted")
    drawn = noted(scene)
    assert drawn.store_format == STORE_FORMAT
    old = drawn.model_copy(update={"release": "0.0.1", "store_format": STORE_FORMAT})
    scene.etcd.commit("etcd", [], [Put(KEYS.installation, encode(old))])
    await other_leader(scene)
    await scene.until(lambda: noted(scene) == drawn, "the release is noted")


@simulated
async def test_a_store_of_the_future_is_refused_by_whoever_starts_and_whoever_comes_to_lead(scene: Scene) -> None:
    """A newer release has made the store its own and is gone again: nothing is done until it is back."""
    person = await scene.served()
    drawn = noted(scene)
    future = drawn.model_copy(update={"release": "9.0", "store_format": STORE_FORMAT + 1})
    scene.etcd.commit("etcd", [], [Put(KEYS.installation, encode(future))])
    store = SimStore(scene.etcd, "r3", scene.weather)
    for asked in (installation, refuse_the_future):
        with pytest.raises(OperatorError, match=r"release 9\.0 of bwVisu has made it its own, and this is release"):
            await asked(store, KEYS)
    head = scene.head
    await scene.terminate(head)
    await scene.never(lambda: scene.phase(person) is not Phase.READY, "somebody acts", 60.0)
    assert [defect for service in scene.services for defect in service.defects] == []
    scene.etcd.commit("etcd", [], [Put(KEYS.installation, encode(drawn))])
    head.start()
    await scene.until(lambda: scene.leader is not None, "somebody leads")


@simulated
async def test_an_installations_record_that_cannot_be_read_is_told_and_not_drawn_anew(scene: Scene) -> None:
    await scene.served()
    scene.etcd.commit("etcd", [], [Put(KEYS.installation, SPOILT)])
    for asked in (installation, refuse_the_future):
        with pytest.raises(
            OperatorError, match=r"installation cannot be read \(id: Field required\); restore a backup"
        ):
            await asked(SimStore(scene.etcd, "r3", scene.weather), KEYS)
    entry = scene.etcd.entries.get(KEYS.installation)
    assert entry is not None
    assert entry.value == SPOILT

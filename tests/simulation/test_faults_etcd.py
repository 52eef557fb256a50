"""Faults of etcd, at their full length and at every kind of record."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import pytest
from prometheus_client import CollectorRegistry

from bwvisu.adapters.etcd import Committed, Condition, Conflict, DeletePrefix, Operation
from bwvisu.api.metrics import watch_mirrors
from bwvisu.domain.lifecycle import Phase
from bwvisu.domain.principal import Principal, Scope
from bwvisu.errors import BwvisuError, OperatorError, TryAgain
from bwvisu.services.request import JobRequest
from bwvisu.services.submit import submit
from tests.simulation.etcd import SimStore
from tests.simulation.scenario import Scene, counted, simulated
from tests.simulation.service import KEYS

PORTAL = Principal("portal", frozenset(Scope))
OUTAGE = 300.0
RELISTED = 75.0
"""Seconds within which a mirror has listed everything again, and what it had missed has had its effects."""
STALLED = 15.0
"""Age of a mirror that is not right; seconds."""
RESUMED = 60.0
BLOCKED = 120.0
"""Seconds for which a port whose reservation is in doubt is given to nobody; there are few here."""


async def refused(scene: Scene, error: type[BwvisuError], key: str) -> None:
    """A POST is answered by an error of this kind."""
    (api,) = scene.apis
    with pytest.raises(error):
        await api.call(submit(api.context, JobRequest("bob", "one-port"), PORTAL, key))


@simulated
async def test_fault_12_five_minutes_without_a_majority_touch_no_session(scene: Scene) -> None:
    """Writes are answered by 503, nothing is begun in Slurm or on gateways, sessions go on; it resumes by itself."""
    person = await scene.served()
    (gateway, forward), (api,) = scene.forward(person), scene.apis
    scene.etcd.available = False
    began = scene.loop.time()
    await refused(scene, TryAgain, "while-away")
    with pytest.raises(TryAgain):  # what readiness asks
        await api.call(api.context.state.store.get(KEYS.installation))
    await scene.until(lambda: "leader-stood-down" in scene.trace[-1], "the leader stands down", 15.0)
    deeds = [counted(scene, program) for program in ("sbatch", "scancel")]
    loads = {name: len(each.loads) for name, each in scene.gateways.items()}
    await scene.never(
        lambda: scene.leads(gateway, forward.external_port) is None, "the session is cut", OUTAGE - scene.loop.time()
    )
    assert deeds == [[], []]
    assert {name: len(each.loads) for name, each in scene.gateways.items()} == loads
    assert scene.gateways[gateway].connect("203.0.113.9", forward.external_port) is not None
    assert scene.loop.time() - began >= OUTAGE - 30.0
    scene.etcd.available = True
    await scene.until(lambda: scene.leader is not None and scene.cluster.detail == "", "it resumes", RESUMED)
    await scene.served("bob")
    assert scene.phase(person) is Phase.READY


@pytest.mark.parametrize("client", ["k1", "k2", "a1", "r2"])
@simulated
async def test_fault_13_history_that_is_gone_when_a_watch_comes_back_is_listed_anew(scene: Scene, client: str) -> None:
    """No hang, no hot loop: whoever was cut off knows all that has happened."""
    service = next(each for each in scene.services if each.name == client)
    person = await scene.served()
    scene.weather.cut.add(frozenset((client, "etcd")))
    number = scene.slurm_job(person).job_id
    scene.slurm.requeue(number)
    await scene.reaches(person, Phase.QUEUED)
    scene.etcd.compact(scene.etcd.revision)
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += scene.loop.last is service.process

    scene.on_step = count
    await scene.never(lambda: steps > 2000, "it goes round in circles", 60.0)
    scene.weather.cut.clear()
    steps = 0
    await scene.reaches(person, Phase.READY, 200.0)
    await scene.served("bob")
    assert steps < 20_000


@simulated
async def test_fault_13a_all_watches_break_and_their_history_is_gone(scene: Scene) -> None:
    """etcd dies and comes back compacted: everybody lists anew and goes on."""
    person = await scene.served()
    for _ in range(5):
        scene.etcd.stop()
        await scene.never(lambda: scene.phase(person) is not Phase.READY, "the job is disturbed", 3.0)
        scene.etcd.start()
        if scene.etcd.compacted < scene.etcd.revision:
            scene.etcd.compact(scene.etcd.revision)
    await scene.served("bob")


@simulated
async def test_fault_14_watches_that_stall_in_silence_are_repaired_by_the_relist(scene: Scene) -> None:
    """Nobody is told of anything any more: within about a minute everything is known nevertheless.

    Until then the mirror's age, a metric, tells of it.
    """
    registry = CollectorRegistry()
    watch_mirrors(scene.apis[0].context.state, registry)

    def age() -> float:
        return registry.get_sample_value("bwvisu_mirror_age_seconds", {"mirror": "jobs"}) or 0.0

    await scene.served()
    assert age() < STALLED
    scene.odds.always.add("etcd.watch-stalled")
    person = await scene.wanted("bob")
    stalled = scene.weather.struck["etcd.watch-stalled"]
    assert stalled >= 2, "the leader's watch and the API's"
    await scene.until(lambda: age() > STALLED, "the mirror is old", RELISTED)
    await scene.until(lambda: scene.invariants.status.get(person.job_id or ""), "the leader knows of it", RELISTED)
    scene.odds.clear()
    await scene.until(lambda: age() < STALLED, "it is young again", RELISTED)
    await scene.reaches(person, Phase.READY, 2 * RELISTED)


def kinds(operations: Iterable[Operation]) -> set[str]:
    """What is written."""
    keys = (each.prefix if isinstance(each, DeletePrefix) else each.key for each in operations)
    return {KEYS.kind_of(key) for key in keys}


def lose_answers(scene: Scene, kind: str, _: pytest.MonkeyPatch) -> None:
    """The next three transactions that write such a record take effect, and nobody is told."""
    told, left = scene.etcd.on_commit, iter(range(3))

    def committed(
        client: str, conditions: Sequence[Condition], operations: Sequence[Operation], result: Committed | Conflict
    ) -> None:
        told(client, conditions, operations, result)
        if client != "etcd" and kind in kinds(operations) and next(left, None) is not None:
            scene.odds.coming["etcd.answer-lost"] += 1

    scene.etcd.on_commit = committed


def delay(scene: Scene, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are applied seconds after their client has given up."""
    real, left = SimStore.commit, iter(range(3))

    async def commit(
        store: SimStore, conditions: Sequence[Condition], operations: Sequence[Operation]
    ) -> Committed | Conflict:
        if kind in kinds(operations) and next(left, None) is not None:
            scene.odds.coming["etcd.late"] += 1
        return await real(store, conditions, operations)

    monkeypatch.setattr(SimStore, "commit", commit)


@pytest.mark.parametrize(("doubt", "fault"), [(lose_answers, "etcd.answer-lost"), (delay, "etcd.late")])
@pytest.mark.parametrize(
    "kind", ["specs", "status", "forwards", "users", "clusters", "requests", "reports", "lookups", "leader"]
)
@simulated
async def test_fault_15_writes_of_unknown_result_are_decided_by_reading(
    scene: Scene,
    kind: str,
    doubt: Callable[[Scene, str, pytest.MonkeyPatch], None],
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At every kind of record: nothing is allocated or submitted twice."""
    doubt(scene, kind, monkeypatch)
    if kind == "leader":
        scene.kill(scene.head)
        await scene.until(lambda: scene.leader is None, "the office is vacant")
    people = [await scene.wanted(user) for user in ("alice", "bob")]
    for person in people:
        await scene.reaches(person, Phase.READY, BLOCKED + RESUMED)
        assert len(scene.taken(person)) == 1
    assert len(scene.invariants.specs) == 2
    await asyncio.gather(*(person.delete() for person in people))
    for person in people:
        await scene.reaches(person, Phase.FINISHED)
    assert scene.weather.struck[fault] >= 1


@pytest.mark.parametrize("leader_dies", [False, True])
@simulated
async def test_fault_35_an_etcd_without_space_is_only_read(scene: Scene, leader_dies: bool) -> None:
    """Alarm NOSPACE: nothing crashes, sessions go on, requests are refused; when there is space, so does the rest."""
    person = await scene.served()
    gateway, forward = scene.forward(person)
    scene.etcd.full = True
    if leader_dies:
        victim = scene.head
        scene.kill(victim)
        victim.start()
    starts = [service.starts for service in scene.services]
    await refused(scene, OperatorError, "while-full")
    await scene.never(lambda: scene.leads(gateway, forward.external_port) is None, "the session is cut", OUTAGE)
    assert [service.starts for service in scene.services] == starts, "something crashed"
    assert scene.phase(person) is Phase.READY
    scene.etcd.full = False
    await scene.until(lambda: scene.leader is not None, "somebody leads", RESUMED)
    await scene.served("bob")

"""etcd away, frozen, or answering into the void: nothing is lost, nothing doubled, and the client is told the truth."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bwvisu.adapters.etcd import Committed, Condition, Conflict, Listing, Operation, OutcomeUnknown, Put, Store
from tests.contract.api.service import Service, service
from tests.contract.api.test_bad_input import GOOD, problem
from tests.support.etcd import EtcdCluster
from tests.support.waiting import eventually, eventually_true


class Lossy:
    """A wire to a real etcd that loses the answers, or the questions, of the next few writes of what people want."""

    _ours = re.compile("/(specs|preferences)/")

    def __init__(self, store: Store) -> None:
        self._store = store
        self.answers = 0
        self.questions = 0
        self.late: list[Callable[[], Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, conditions: Sequence[Condition], operations: Sequence[Operation]) -> Committed | Conflict:
        wanted = any(isinstance(each, Put) and self._ours.search(each.key) for each in operations)
        if wanted and self.questions:
            self.questions -= 1
            self.late.append(lambda: self._store.commit(conditions, operations))
            raise OutcomeUnknown("the question was lost, or is late")
        result = await self._store.commit(conditions, operations)
        if wanted and self.answers:
            self.answers -= 1
            raise OutcomeUnknown("the answer was lost")
        return result


@pytest.fixture
async def lossy(etcd: EtcdCluster, bundles: Path) -> AsyncIterator[tuple[Service, Lossy]]:
    wires: list[Lossy] = []

    def wire(store: Store) -> Lossy:
        wires.append(Lossy(store))
        return wires[0]

    async with service(etcd.endpoints, bundles, wire=wire) as running:
        running.leader.knows("alice", "bob")
        await running.submit()
        yield running, wires[0]


@pytest.mark.parametrize("lost", [1, 3])
@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k"}])
async def test_a_lost_answer_to_a_submission_makes_one_job(
    lossy: tuple[Service, Lossy], lost: int, key: dict[str, str]
) -> None:
    api, wire = lossy
    before = set(await api.records("specs"))
    wire.answers = lost
    answer = await api.client().post("/api/v1/jobs", json=GOOD, headers=key)
    assert answer.status_code == 201
    assert set(await api.records("specs")) - before == {answer.json()["id"]}


async def test_a_question_that_arrives_late_makes_no_second_job(lossy: tuple[Service, Lossy]) -> None:
    api, wire = lossy
    before = set(await api.records("specs"))
    wire.questions = 2
    answer = await api.client().post("/api/v1/jobs", json=GOOD, headers={"Idempotency-Key": "k"})
    for arrive in wire.late:
        assert isinstance(await arrive(), Conflict)
    assert answer.status_code == 201
    assert set(await api.records("specs")) - before == {answer.json()["id"]}


async def test_a_submission_that_stays_unknown_is_resolved_by_its_key(lossy: tuple[Service, Lossy]) -> None:
    api, wire = lossy
    before = set(await api.records("specs"))
    wire.questions = 4
    answer = await api.client().post("/api/v1/jobs", json=GOOD, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, problem(answer)["type"]) == (503, "/problems/unavailable")
    assert "Idempotency-Key" in answer.json()["detail"]
    assert int(answer.headers["retry-after"]) > 0
    assert isinstance(await wire.late[0](), Committed)  # one of them arrives after all
    again = await api.client().post("/api/v1/jobs", json=GOOD, headers={"Idempotency-Key": "k"})
    assert again.status_code == 200
    assert set(await api.records("specs")) - before == {again.json()["id"]}


@pytest.mark.parametrize("versioned", [False, True])
@pytest.mark.parametrize(("answers", "questions"), [(1, 0), (0, 2)])
async def test_a_cancel_in_doubt_is_read_back(
    lossy: tuple[Service, Lossy], answers: int, questions: int, versioned: bool
) -> None:
    api, wire = lossy
    job = await api.submit()
    headers = {"If-Match": f'"{job["revision"]}"'} if versioned else {}
    wire.answers, wire.questions = answers, questions
    answer = await api.client().delete(f"/api/v1/jobs/{job['id']}", headers=headers)
    assert (answer.status_code, answer.json()["wanted"]) == (202, "stopped")


async def test_a_lost_answer_to_preferences_is_read_back(lossy: tuple[Service, Lossy]) -> None:
    api, wire = lossy
    path = "/api/v1/users/alice/preferences"
    wire.answers = 1
    kept = await api.client().put(path, json={"a": 1}, headers={"If-None-Match": "*"})
    assert (kept.status_code, kept.json()) == (200, {"a": 1})
    assert (await api.client().get(path)).headers["etag"] == kept.headers["etag"]
    wire.questions = 1
    again = await api.client().put(path, json={"a": 2}, headers={"If-Match": kept.headers["etag"]})
    assert again.status_code == 200


@pytest.fixture
def own_etcd() -> Iterator[EtcdCluster]:
    with EtcdCluster() as cluster:
        yield cluster


async def test_a_frozen_etcd_is_told_and_overcome(own_etcd: EtcdCluster, bundles: Path) -> None:
    member = own_etcd.members[0]
    async with service(own_etcd.endpoints, bundles) as api:
        api.leader.knows("alice")
        job = await api.submit()
        member.pause()
        try:
            writes = await asyncio.gather(
                api.client().post("/api/v1/jobs", json=GOOD, headers={"Idempotency-Key": "k"}),
                api.client().delete(f"/api/v1/jobs/{job['id']}"),
                api.client().get("/readyz"),
            )
            for answer in writes:
                assert (answer.status_code, problem(answer)["type"]) == (503, "/problems/unavailable")
                assert int(answer.headers["retry-after"]) > 0
            assert (await api.client().get("/livez")).status_code == 200
            assert (await api.client().get(f"/api/v1/jobs/{job['id']}")).json() == job
        finally:
            member.resume()

        async def ready() -> bool:
            return (await api.client().get("/readyz")).status_code == 200

        await eventually_true(ready, 60)
        again = await api.client().post("/api/v1/jobs", json=GOOD, headers={"Idempotency-Key": "k"})
        assert again.status_code in (200, 201)
        assert set(await api.records("specs")) == {job["id"], again.json()["id"]}


class Blind:
    """A wire to a real etcd that lists nothing until it is told to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.sees = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def list(self, prefix: str, **options: Any) -> Listing:
        await self.sees.wait()
        return await self._store.list(prefix, **options)


async def test_before_everything_is_read_nothing_is_answered(etcd: EtcdCluster, bundles: Path) -> None:
    wires: list[Blind] = []

    def wire(store: Store) -> Blind:
        wires.append(Blind(store))
        return wires[0]

    async with service(etcd.endpoints, bundles, wire=wire, wait=False) as api:
        ready = await api.client().get("/readyz")
        assert (ready.status_code, problem(ready)["type"]) == (503, "/problems/not-ready")
        listed = await api.client().get("/api/v1/jobs")
        assert (listed.status_code, problem(listed)["type"]) == (503, "/problems/unavailable")
        assert (await api.client().get("/livez")).status_code == 200
        wires[0].sees.set()
        await eventually(lambda: api.context.state.ready)
        assert (await api.client().get("/readyz")).status_code == 200
        assert (await api.client().get("/api/v1/jobs")).json()["items"] == []

"""One view per job, from whatever the store holds of it."""

import pytest

from bwvisu.adapters.records import Keys
from bwvisu.domain.job import JobId
from bwvisu.domain.lifecycle import Phase
from bwvisu.planning.snapshot import JobView
from bwvisu.reconcilers.records import Records
from bwvisu.reconcilers.views import Views
from keyhole.activity import Told, Totals
from keyhole.domain import Forward, Grant, GrantPhase, JobForwards, Refusal, Report, Run
from tests.unit.planning.build import ID, NOW, OTHER_ID, known, spec
from tests.unit.reconcilers.spoken import report, request

KEYS = Keys()


class Board:
    use: Told | None = None

    def reachable(self, job_id: JobId, grant: Grant, reports: tuple[Report, ...]) -> tuple[bool, ...]:
        assert (job_id, {each.job_id for each in reports} <= {ID}) == (ID, True)
        return (True,) * len(grant.forwards)

    def told(self, job_id: JobId, grant: Grant) -> tuple[Told | None, ...]:  # noqa: ARG002
        return (self.use,) * len(grant.forwards)


class Cluster:
    """The shelves and the views on them."""

    def __init__(self) -> None:
        self.records = Records(KEYS)
        self.views = Views("main", self.records, Board())
        self.records.listen(lambda _, tail: self.views.changed(tail.partition("/")[0]))
        self.revision = 0
        self.put(KEYS.spec(ID), spec(services=1))

    def put(self, key: str, record: object) -> None:
        self.revision += 1
        self.records.change(key, self.revision, record)  # type: ignore[arg-type]

    def hear(self, *reports: Report) -> None:
        for each in reports:
            self.put(KEYS.report(ID, each.run, each.seq), each)

    @property
    def view(self) -> JobView:
        return self.views.current()[ID]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def grant(phase: GrantPhase, restart: int = 0) -> Grant:
    forward = Forward(external_port=50001, internal_host="node1", internal_address="10.0.0.1", internal_port=50001)
    return Grant(
        attempt=1,
        restart=restart,
        gateway="gw1",
        external_host="gw1.example.org",
        hosts=("node1",),
        forwards=(forward,),
        phase=phase,
    )


def test_a_job_of_another_cluster_is_not_shown(cluster: Cluster) -> None:
    cluster.put(KEYS.spec(OTHER_ID), spec(job_id=OTHER_ID).model_copy(update={"cluster": "other"}))
    assert set(cluster.views.current()) == {ID}


def test_a_job_of_which_a_record_cannot_be_read_is_set_aside_until_it_can(cluster: Cluster) -> None:
    assert ID in cluster.views.current()
    for unreadable, shown in (({ID}, set()), (set[str](), {ID})):
        cluster.records.unreadable = unreadable
        cluster.records.tell("specs", ID)
        assert set(cluster.views.current()) == shown
        assert set(cluster.views.set_aside) == unreadable


def test_an_attempt_is_heard_by_its_request_and_by_its_reports(cluster: Cluster) -> None:
    assert cluster.view.heard == frozenset()
    cluster.put(KEYS.request(ID, Run(1, 0)), request())
    cluster.hear(report(attempt=3))
    assert cluster.view.heard == {1, 3}


def test_an_exit_code_is_that_of_the_present_run(cluster: Cluster) -> None:
    cluster.hear(report(event="exited", exit_code=3))
    cluster.put(KEYS.status(ID), known(Phase.RUNNING))
    assert cluster.view.exit_code == 3
    cluster.put(KEYS.status(ID), known(Phase.RUNNING, restarts=1))
    assert cluster.view.exit_code is None


@pytest.mark.parametrize("phase", GrantPhase)
def test_services_are_the_open_forwards(cluster: Cluster, phase: GrantPhase) -> None:
    cluster.put(KEYS.status(ID), known(Phase.RUNNING))
    cluster.put(KEYS.forwards(ID), JobForwards(job_id=ID, grants=(grant(phase),)))
    assert cluster.view.holds_ports
    if phase is not GrantPhase.OPEN:
        assert cluster.view.services is None
        return
    (service,) = cluster.view.services or ()
    assert (service.name, service.external_port, service.reachable) == ("s0", 50001, True)


def test_forwards_of_the_run_before_are_not_services(cluster: Cluster) -> None:
    cluster.put(KEYS.status(ID), known(Phase.RUNNING, restarts=1))
    cluster.put(KEYS.forwards(ID), JobForwards(job_id=ID, grants=(grant(GrantPhase.OPEN),)))
    assert cluster.view.services is None


def test_a_refusal_of_the_present_run_is_told(cluster: Cluster) -> None:
    refusal = Refusal(code="port-pool-exhausted", message="All ports are in use.", final=False)
    cluster.put(KEYS.status(ID), known(Phase.RUNNING))
    cluster.put(KEYS.forwards(ID), JobForwards(job_id=ID, refusals={"1.0": refusal}))
    assert cluster.view.refusal is not None
    assert cluster.view.refusal.code == "port-pool-exhausted"


def test_a_run_whose_way_leads_through_another_gateway_has_moved_and_moves_until_it_is_known_to_answer(
    cluster: Cluster,
) -> None:
    cluster.put(KEYS.status(ID), known(Phase.RUNNING))
    old, new = grant(GrantPhase.CLOSING), grant(GrantPhase.RESERVED).model_copy(update={"gateway": "gw2"})

    def put(*grants: Grant) -> JobView:
        cluster.put(KEYS.forwards(ID), JobForwards(job_id=ID, grants=grants))
        return cluster.view

    assert [(view.moved, view.moving) for view in (put(old), put(new))] == [(False, False)] * 2
    reserved = put(old, new)
    assert (reserved.services, reserved.moved, reserved.moving) == (None, True, True)
    opened = put(old, new.model_copy(update={"phase": GrantPhase.OPEN}))
    assert (opened.moved, opened.moving) == (True, False)
    assert opened.services
    assert [each.gateway for each in opened.services] == ["gw2"]


def test_who_uses_a_service_is_told_by_this_leader_or_stays_as_it_is_written_down(cluster: Cluster) -> None:
    board = Board()
    cluster.views = Views("main", cluster.records, board)
    cluster.put(KEYS.forwards(ID), JobForwards(job_id=ID, grants=(grant(GrantPhase.OPEN),)))
    cluster.put(KEYS.status(ID), known(Phase.READY))
    cluster.views.changed(ID)
    written = {"connections": 3, "bytes_in": 10, "bytes_out": 20, "last_active_at": NOW}
    (service,) = cluster.view.services or ()
    before = service.model_copy(update=written)
    status = known(Phase.READY).model_copy(update={"services": (before,)})
    cluster.put(KEYS.status(ID), status)
    cluster.views.changed(ID)
    assert cluster.view.services == (before,)  # nobody has looked yet

    for told, expected in (
        (Told(0.0, 1, Totals(11, 21), None), {**written, "connections": 1, "bytes_in": 11, "bytes_out": 21}),
        (Told(0.0, 1, None, None), {"connections": 1, "bytes_in": None, "bytes_out": None, "last_active_at": None}),
    ):
        board.use = told
        cluster.views.changed(ID)
        (service,) = cluster.view.services or ()
        assert {name: getattr(service, name) for name in written} == expected


def test_services_that_are_as_they_are_written_down_are_the_very_same_objects(cluster: Cluster) -> None:
    cluster.put(KEYS.forwards(ID), JobForwards(job_id=ID, grants=(grant(GrantPhase.OPEN),)))
    cluster.put(KEYS.status(ID), known(Phase.READY))
    found = cluster.view.services or ()
    assert found
    status = known(Phase.READY).model_copy(update={"services": tuple(each.model_copy() for each in found)})
    cluster.put(KEYS.status(ID), status)
    assert cluster.view.services is status.services


@pytest.mark.parametrize("use", [None, Told(0.0, 1, Totals(11, 21), None)])
def test_what_has_moved_was_last_used_where_it_was(cluster: Cluster, use: Told | None) -> None:
    board = Board()
    board.use = use
    cluster.views = Views("main", cluster.records, board)
    cluster.put(KEYS.forwards(ID), JobForwards(job_id=ID, grants=(grant(GrantPhase.OPEN),)))
    cluster.put(KEYS.status(ID), known(Phase.READY))
    cluster.views.changed(ID)
    (service,) = cluster.view.services or ()
    old = service.model_copy(update={"gateway": "gw0", "external_port": 50009, "bytes_in": 9, "last_active_at": NOW})
    for before, expected in ((old, NOW), (old.model_copy(update={"internal_port": 50002}), None)):
        cluster.put(KEYS.status(ID), known(Phase.READY).model_copy(update={"services": (before,)}))
        cluster.views.changed(ID)
        (service,) = cluster.view.services or ()
        assert (service.last_active_at, service.bytes_in) == (expected, 11 if use else None)

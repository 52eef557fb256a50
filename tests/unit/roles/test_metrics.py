"""What the leader's loops report, as Prometheus is told it; and that nothing is known after a term."""

import pytest
from prometheus_client import CollectorRegistry

from bwvisu.domain.lifecycle import State
from bwvisu.domain.observation import CouldNotLook, Look
from bwvisu.errors import TryAgain
from bwvisu.reconcilers.driver import Pass
from bwvisu.roles.metrics import LeaderMetrics
from keyhole.reconciler import ForwardsPass, ProbePass, SyncPass
from keyhole.verification import Waiting


class World:
    def __init__(self) -> None:
        self.now = 100.0
        self.registry = CollectorRegistry()
        self.metrics = LeaderMetrics(self.registry, lambda: self.now)
        self._told = self.metrics.listener("main")

    def told(self, loop: str, report: object, failure: Exception | None = None) -> None:
        self._told(Pass(f"{loop}:main", 0.5, report, failure))

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"cluster": "main", **labels})


@pytest.fixture
def world() -> World:
    return World()


def test_a_term_begins_with_ages_and_ends_with_nothing_known(world: World) -> None:
    states = [State.RUNNING, State.RUNNING, State.FINISHED]
    with world.metrics.term("main", ["gw1"], lambda: states):
        world.now += 7
        assert world.value("bwvisu_squeue_age_seconds") == 7
        assert world.value("bwvisu_gateway_sync_lag_seconds", gateway="gw1") == 7
        assert world.value("bwvisu_jobs", state="running") == 2
        assert world.value("bwvisu_jobs", state="available") == 0
        world.told("sync:gw1", SyncPass("gw1", "in-step", conflicts=()))
        world.told("serve", ForwardsPass(waiting={"job": Waiting("port-pool-exhausted", "no port is free")}))
        assert world.value("bwvisu_forward_requests_waiting") == 1
    for name, labels in (
        ("bwvisu_squeue_age_seconds", {}),
        ("bwvisu_gateway_sync_lag_seconds", {"gateway": "gw1"}),
        ("bwvisu_gateway_foreign_rules", {"gateway": "gw1"}),
        ("bwvisu_forward_requests_waiting", {}),
        ("bwvisu_jobs", {"state": "running"}),
    ):
        assert world.value(name, **labels) is None, name
    assert world.value("bwvisu_gateway_syncs_total", gateway="gw1", outcome="in-step") == 1, "what happened stays"


def test_a_failed_look_makes_nothing_younger(world: World) -> None:
    with world.metrics.term("main", [], list):
        world.now += 10
        world.told("look", Look({}, world.now - 3, world.now - 1, 0))
        assert world.value("bwvisu_squeue_age_seconds") == 1
        world.now += 5
        world.told("look", CouldNotLook("squeue ended with 1", world.now))
        assert world.value("bwvisu_squeue_age_seconds") == 6
    assert world.value("bwvisu_squeue_looks_total", result="could-not-look") == 1
    assert world.value("bwvisu_squeue_seconds_count") == 1


def test_a_gateway_that_does_not_take_its_rules_is_behind(world: World) -> None:
    with world.metrics.term("main", ["gw1"], list):
        world.told("sync:gw1", SyncPass("gw1", "loaded", added=2, removed=1, cut=3, drifted=True))
        world.now += 9
        world.told("sync:gw1", SyncPass("gw1", "unreachable", drifted=True))
        assert world.value("bwvisu_gateway_sync_lag_seconds", gateway="gw1") == 9
    changes = {
        change: world.value("bwvisu_gateway_changes_total", gateway="gw1", change=change)
        for change in ("added", "removed", "cut")
    }
    assert changes == {"added": 2, "removed": 1, "cut": 3}
    assert world.value("bwvisu_gateway_drift_repaired_total", gateway="gw1") == 1, "what was not loaded is not repaired"


def test_probes_that_were_not_made_are_told_apart(world: World) -> None:
    world.told("probe:gw1", ProbePass("gw1", good=4, bad=1, unmade=2))
    found = {
        result: world.value("bwvisu_probes_total", gateway="gw1", result=result)
        for result in ("good", "bad", "not-made")
    }
    assert found == {"good": 4, "bad": 1, "not-made": 2}


def test_passes_of_all_gateways_are_one_loop_and_defects_are_told_from_failures(world: World) -> None:
    world.told("sync:gw1", SyncPass("gw1", "in-step"))
    world.told("sync:gw2", SyncPass("gw2", "in-step"))
    world.told("sync:gw2", None, TryAgain("etcd does not answer"))
    world.told("sync:gw2", None, ValueError("a defect"))
    found = {
        result: world.value("bwvisu_loop_passes_total", loop="sync", result=result)
        for result in ("done", "failed", "defect")
    }
    assert found == {"done": 2, "failed": 1, "defect": 1}
    assert world.value("bwvisu_loop_pass_seconds_sum", loop="sync") == 2.0


def test_only_who_leads_says_so(world: World) -> None:
    leads = False
    world.metrics.leads(lambda: leads)
    assert world.registry.get_sample_value("bwvisu_leader") == 0
    leads = True
    assert world.registry.get_sample_value("bwvisu_leader") == 1

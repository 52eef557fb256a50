"""Fault 30: many jobs at once cost no more looks, and few loads.  (500 of them run on the sandbox cluster.)"""

import asyncio

import pytest

from bwvisu.domain.lifecycle import Phase
from bwvisu.settings import Settings
from tests.simulation import service
from tests.simulation.scenario import Scene, counted
from tests.simulation.service import CLUSTER, SETTINGS

JOBS = 50
SPAN = 60.0


def roomy() -> Settings:
    """With ports for everybody."""
    cluster = SETTINGS.clusters[CLUSTER]
    forwards = cluster.forwards.model_copy(update={"port_range": (50000, 50099)})
    return SETTINGS.model_copy(update={"clusters": {CLUSTER: cluster.model_copy(update={"forwards": forwards})}})


def crowd(jobs: int) -> tuple[int, int, int, int, float]:
    """squeue calls while they come and while they rest, gateway loads, Slurm jobs, and seconds until all are served."""
    figures: list[float] = []

    async def story(scene: Scene) -> None:
        looks, began = counted(scene, "squeue"), scene.loop.time()
        people = [scene.person("alice") for _ in range(jobs)]
        posting = asyncio.gather(*(person.post() for person in people))
        for person in people:
            await scene.reaches(person, Phase.READY, SPAN)
        took = scene.loop.time() - began
        await posting
        await scene.never(
            lambda: scene.loop.time() - began > SPAN, "the span is over", SPAN - (scene.loop.time() - began)
        )
        coming, loads = len(looks), sum(len(gateway.loads) for gateway in scene.gateways.values())
        await scene.never(lambda: any(scene.phase(each) is not Phase.READY for each in people), "disturbed", SPAN)
        figures.extend((coming, len(looks) - coming, loads, len(scene.slurm.submitted), took))

    Scene().play(story)
    coming, resting, loads, taken, took = figures
    return int(coming), int(resting), int(loads), int(taken), took


def test_fault_30_fifty_jobs_at_once_cost_no_more_looks_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """All run; the number of squeue calls is unchanged; gateway loads are far fewer than jobs."""
    monkeypatch.setattr(service, "SETTINGS", roomy())
    one, many = crowd(1), crowd(JOBS)
    print(f"1 job: {one}; {JOBS} jobs: {many} (looks while coming, while resting, loads, Slurm jobs, seconds)")
    assert many[3] == JOBS
    assert many[1] <= one[1] + 1, "looks while they rest"
    assert many[0] <= one[0] + 10, "looks while they come: at most one a second"
    assert many[2] <= JOBS / 3

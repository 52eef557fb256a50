"""A pass over thousands of jobs of which nothing is new: it must not copy, and must not take long."""

import time
from collections.abc import Callable
from dataclasses import replace

from bwvisu.domain.job import JobStatus
from bwvisu.domain.lifecycle import Phase
from bwvisu.domain.observation import Look
from bwvisu.planning.plan import plan, remember
from bwvisu.planning.snapshot import JobView, Memory
from bwvisu.planning.tracking import fold
from tests.unit.planning.build import CLUSTER_NOW, MONOTONIC, NOW, name_of, row, snapshot, spec

JOBS = 10_000


def cost(work: Callable[[], object]) -> float:
    """CPU seconds, the best of three: whatever else the machine does is not ours."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


def test_ten_thousand_idle_jobs_cost_less_than_to_copy_each() -> None:
    jobs, rows = {}, {}
    for number in range(1, JOBS + 1):
        job_id = f"01jd{number:022d}"
        rows[number] = row(job_id=number, name=name_of(job_id=job_id), ends_at=CLUSTER_NOW + 3600)
        view = JobView(spec(job_id=job_id), JobStatus(phase=Phase.SUBMITTING, attempt=1))
        running = fold(view, rows[number], NOW)
        ready = running.model_copy(update={"phase": Phase.READY, "reason": None})
        jobs[job_id] = replace(view, status=JobStatus.model_validate_json(ready.model_dump_json()))
    idle = snapshot(look=Look(rows, MONOTONIC - 1, MONOTONIC, CLUSTER_NOW), jobs=jobs)
    idle = replace(idle, memory=Memory(met=remember(idle)))
    assert plan(idle).verbs == ()
    copying = cost(lambda: [JobStatus.model_validate(view.status.model_dump()) for view in jobs.values()])
    planning = cost(lambda: plan(idle))
    print(f"plan of {JOBS} idle jobs: {planning:.3f} s, {planning / copying:.2f} of copying their records")
    assert planning < copying

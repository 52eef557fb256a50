"""What a leader costs that has 10,000 jobs and nothing to do.

A leader in a process of its own, with the real loops, over a real etcd that holds all records of so many jobs: each is
available behind a forward of its own, half of them on each of two gateways.  Slurm, the command nodes and the gateways
are the simulation's doubles, since no machine of ours runs 10,000 Slurm jobs; they live in the leader's process, so
that what they need is in its memory, and in the CPU time of the loops that ask them: a look, probes, who is connected,
what a gateway has.

When nothing has been written for eight seconds, and so everything is as it is to be, the loops are stopped and made to
pass by hand, eleven times each, one after the other; the middle one of the CPU times counts.  The goal is on the pass
of the loop that plans for every job, which runs at every change and at least every two seconds, and on the memory that
the process occupies then.  The other loops are reported.
"""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping

from scripts.suites import ROOT
from tests.bench.leader import Figures
from tests.bench.table import Curve, Goal, Result, Row, Say
from tests.support.etcd import EtcdCluster

SIZES = (1000, 5000, 10_000)
PASS = Goal("at most", 100)
"""CPU milliseconds."""
MEMORY = Goal("at most", 250)
"""Megabytes."""


async def measure(say: Say) -> Result:
    """Rows of the largest size; curves of the pass and of the memory."""
    found = {}
    for size in SIZES:
        say(f"a leader with {size} jobs")
        found[size] = await asyncio.to_thread(_lead, size)
    largest = found[max(SIZES)]
    rows = [
        Row(f"{max(SIZES)} jobs: a pass that plans for all", largest.passes["jobs"], "ms CPU", goal=PASS),
        Row(f"{max(SIZES)} jobs: the leader's memory", _megabytes(largest), "MB", goal=MEMORY),
        Row(f"{max(SIZES)} jobs: from taking office to the end of the first pass", largest.start, "ms CPU"),
        *(Row(f"{max(SIZES)} jobs: a pass of {does}", cost, "ms CPU") for does, cost in _others(largest).items()),
    ]
    passes = [(float(size), each.passes["jobs"]) for size, each in found.items()]
    memory = [(float(size), _megabytes(each)) for size, each in found.items()]
    return Result(
        rows,
        [
            Curve("A pass with nothing to do", "jobs", "CPU, ms", passes),
            Curve("A leader's memory", "jobs", "memory, MB", memory),
        ],
    )


def _lead(size: int) -> Figures:
    """One leader, from its start to its end."""
    with EtcdCluster() as etcd:
        argv = [sys.executable, "-m", "tests.bench.leader", str(size), *etcd.endpoints]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return Figures(**json.loads(done.stdout.splitlines()[-1]))  # its log comes before


def _others(figures: Figures) -> Mapping[str, float]:
    """All loops but that of the jobs; those of the two gateways together."""
    costs: Counter[str] = Counter()
    for loop, cost in figures.passes.items():
        costs[loop.partition(":")[0]] += cost  # type: ignore[assignment]
    del costs["jobs"]
    return costs


def _megabytes(figures: Figures) -> float:
    return figures.resident / 1e6

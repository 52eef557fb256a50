"""Many jobs at once while leaders and a command node die: the storm itself, and the world afterwards.

Leaders do not die by the clock but by the jobs' progress, so that however fast the machine is, the kills fall on all of
a job's life: progress is the sum over all jobs of how far each has come (`STEPS`).  Everything that is asserted is seen
from outside: Slurm's own log, counters and queue, the kernels' rules and connections, a client beside the cluster.
"""

import json
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx2

from bwvisu.cli.local import LocalService, until
from bwvisu.sandbox import Sandbox
from tests.support import traffic
from tests.support.world import etcd_keys, service_in

USERS = ("alice", "bob", "carol")
STEPS = {"accepted": 0, "submitted": 1, "running": 2, "available": 3, "completing": 4, "finished": 5}
CLIENTS = 8
"""So many post, or cancel, at the same time."""
SUBMIT_TIMEOUT = 10
"""Seconds after which an sbatch is killed.  A submission that died with its leader stays in doubt for longer."""
VICTIM = "cmd1"
"""The command node that dies: the one that is asked first."""


@dataclass
class Figures:
    """What a storm came to.  Seconds are counted from the first POST; those of the end from the first DELETE."""

    jobs: int
    posts_per_second: float = 0
    seconds_to_running: float = 0
    seconds_to_available: float = 0
    squeue_calls: int = 0
    """Until all were available, as slurmctld counts them."""
    gateway_transactions: int = 0
    """Rule sets that the gateways' kernels took in the same time."""
    memory_gb: float = 0
    seconds_to_finished: float = 0
    seconds_to_nothing: float = 0
    leader_kills: int = 0

    def line(self) -> str:
        """For people."""
        return "storm: " + ", ".join(f"{value:.4g} {name}" for name, value in asdict(self).items()).replace("_", " ")


def weather(box: Sandbox, folder: Path, *, jobs: int, kills: int, patience: float, ttl: int) -> Figures:
    """Let a storm pass over a fresh cluster.  Whatever is lost, doubled or left behind is an AssertionError."""
    storm = Storm(box, folder, jobs=jobs, kills=kills, patience=patience, ttl=ttl)
    with storm.gather():
        storm.rise()
        storm.check_calls()
        with traffic.Visitor(box, sorted(storm.check_rules())) as visitor:
            storm.check_slurm(visitor.heard)
            storm.settle()
        storm.check_end()
    return storm.figures


class Storm:
    """One storm over a cluster of its own, whose processes live for as long as the block.

    ``kills``: leaders that die; ``seed`` scatters them over the jobs' progress.  ``patience``: seconds for all jobs to
    become available, and again for all to end; ``ttl``: seconds for which a dead leader keeps its office.
    """

    def __init__(
        self, box: Sandbox, folder: Path, *, jobs: int, kills: int, patience: float, ttl: int, seed: int = 1
    ) -> None:
        self.box = box
        self.service = service_in(
            box,
            folder,
            cluster={"slurm": {"submit_timeout": SUBMIT_TIMEOUT}},
            applications={"path": str(Path(__file__).parent / "templates")},
            leader={"ttl": ttl},
        )
        self.figures = Figures(jobs)
        self.ids: list[str] = []
        self._patience = patience
        self._began = time.monotonic()
        self._calls: list[Future[Any]] = []
        self._candidates: dict[int, str] = {}
        self._names = (f"reconciler-{number}" for number in count(1))
        scatter = random.Random(seed)  # noqa: S311 - no secret
        self._due = [STEPS["finished"] * jobs * (kill + scatter.random()) / kills for kill in range(kills)]

    @contextmanager
    def gather(self) -> Iterator[None]:
        """All roles, two candidates for leadership among them, and an ear at the gateways' kernels."""
        with self.service, traffic.Transactions(self.box) as self.transactions, self.service.client() as self.client:
            for role in ("api", "keyhole"):
                self.service.start(role)
            self._stand()
            self._stand()
            self.service.wait_until_ready(120)
            until(self._office, 60, "somebody leads")
            yield

    # ---- what happens -----------------------------------------------------------------------------------------

    def rise(self) -> None:
        """All jobs are posted and become available, while leaders die, and a command node until all are available."""
        memory, began = traffic.used_memory(), len(self.transactions)
        with self._everybody(self._post, range(self.figures.jobs)):
            self._ride("available", self._noticing)
        self.ids = [call.result() for call in self._calls]
        self.figures.seconds_to_available = self.elapsed()
        self.figures.squeue_calls = traffic.looks(self.box)
        self.figures.gateway_transactions = len(self.transactions) - began
        self.figures.memory_gb = (traffic.used_memory() - memory) / 1e9
        self.box.start(VICTIM)

    def settle(self) -> None:
        """All jobs are cancelled and end, while leaders die; then nothing is left."""
        with self._everybody(self._cancel, self.ids):
            self._ride("finished", lambda _: None)
        self.figures.seconds_to_finished = self.elapsed()
        until(lambda: not any(self.remains().values()), 120, "nothing is left")
        self.figures.seconds_to_nothing = self.elapsed()

    def remains(self) -> dict[str, object]:
        """What must be gone after the end."""
        return {
            "rules": traffic.rules(self.box),
            "flows": traffic.flows(self.box),
            "slurm": traffic.queue(self.box),
            "forwards": etcd_keys(self.service, "forwards"),
        }

    # ---- what is asserted -------------------------------------------------------------------------------------

    def check_calls(self) -> None:
        """Fault 30: what is asked of Slurm and of gateways depends on time and terms of office, not on jobs."""
        figures = self.figures
        terms = figures.leader_kills + 1
        assert figures.squeue_calls <= figures.seconds_to_available + 3 * terms
        assert figures.gateway_transactions <= figures.jobs / 2

    def check_rules(self) -> dict[str, str]:
        """As many rules as jobs, to as many targets, and exactly those that the jobs tell of; they."""
        found = traffic.rules(self.box)
        told = {}
        for job in self.look():
            (line,) = job["services"]
            inside = self.box.addresses[line["internal_host"]].inner
            told[f"{line['external_host']}:{line['external_port']}"] = f"{inside}:{line['internal_port']}"
        assert found == told
        assert len(found) == len(set(found.values())) == self.figures.jobs
        return found

    def check_slurm(self, heard: dict[str, str]) -> None:
        """As many Slurm jobs as jobs, one for each by name and by number, and each answers at its job's address."""
        jobs = {job["id"]: job for job in self.look()}
        queue = traffic.queue(self.box)
        assert traffic.submissions(self.box) == len(queue) == len(jobs) == len(set(self.ids)) == self.figures.jobs
        assert {name.split("-")[-2]: int(number) for number, name in queue.items()} == {
            job_id: job["slurm"]["job_id"] for job_id, job in jobs.items()
        }
        for job in jobs.values():
            (line,) = job["services"]
            assert heard[f"{line['external_host']}:{line['external_port']}"] == str(job["slurm"]["job_id"])

    def check_end(self) -> None:
        """Every job was cancelled, and nobody has started another one."""
        assert {(job["state"], job["outcome"]) for job in self.look()} == {("finished", "cancelled")}
        assert traffic.submissions(self.box) == self.figures.jobs
        assert not self._due

    # ---- looking ----------------------------------------------------------------------------------------------

    def look(self) -> list[dict[str, Any]]:
        """All jobs as the API shows them."""
        page = self._call("GET", "/api/v1/jobs", params={"limit": 500}).json()
        assert page["next_cursor"] is None
        return list(page["items"])

    def elapsed(self) -> float:
        """Seconds since the first POST, or the first DELETE."""
        return time.monotonic() - self._began

    # ---- users ------------------------------------------------------------------------------------------------

    @contextmanager
    def _everybody(self, call: Callable[[Any], Any], items: Any) -> Iterator[None]:
        """Call for each item, by some clients side by side; the block runs meanwhile."""
        self._began = time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as clients:
            self._calls = [clients.submit(call, item) for item in items]
            yield

    def _post(self, number: int) -> str:
        body = {"user": USERS[number % len(USERS)], "application": "listener", "parameters": {}}
        response = self._call("POST", "/api/v1/jobs", json=body, headers={"Idempotency-Key": str(number)})
        assert response.status_code in {200, 201}, response.text
        return str(response.json()["id"])

    def _cancel(self, job_id: str) -> None:
        response = self._call("DELETE", f"/api/v1/jobs/{job_id}")
        assert response.status_code == 202, response.text

    def _call(self, method: str, path: str, **request: Any) -> httpx2.Response:
        """As any frontend does it: what only time can mend is asked again."""
        answers: list[httpx2.Response] = []

        def answered() -> bool:
            answers.append(self.client.request(method, path, **request))
            return answers[-1].status_code != 503

        until(answered, 60, f"{method} {path} is answered", every=1)
        return answers[-1]

    # ---- death ------------------------------------------------------------------------------------------------

    def _ride(self, state: str, notice: Callable[[list[int]], None]) -> None:
        """Kill leaders until all jobs are in a state and all kills that were due by then are done."""
        seen: dict[str, int] = {}

        def over() -> bool:
            for call in self._calls:
                if call.done():
                    call.result()
            jobs = self.look()
            lost = [job for job in jobs if job["state"] == "finished" != state]
            assert not lost, lost[0]
            steps = [STEPS[job["state"]] for job in jobs]
            seen.update({name: steps.count(step) for name, step in STEPS.items()})
            notice(steps)
            return not self._strike(sum(steps)) and seen[state] == self.figures.jobs

        try:
            until(over, self._patience, f"all jobs are {state}", every=0.25)
        except Exception as error:
            error.add_note(f"after {self.figures.leader_kills} kills {seen}\n{self.service.log_tail(10)}")
            raise

    def _noticing(self, steps: list[int]) -> None:
        """Take the times, and end the command node once some jobs were submitted through it."""
        figures, whole = self.figures, len(steps) == self.figures.jobs
        if whole and not figures.posts_per_second:
            figures.posts_per_second = figures.jobs / self.elapsed()
        if whole and not figures.seconds_to_running and min(steps) >= STEPS["running"]:
            figures.seconds_to_running = self.elapsed()
        if sum(steps) > figures.jobs / 2:
            self.box.stop(VICTIM)

    def _strike(self, progress: int) -> bool:
        """Kill the leader if its time has come, and let a new candidate stand; whether a kill is still due."""
        if not self._due or progress < self._due[0]:
            return False
        if (leader := self._office()) in self._candidates:
            self.service.kill(self._candidates.pop(leader))
            self._stand()
            self._due.pop(0)
            self.figures.leader_kills += 1
        return True

    def _stand(self) -> None:
        """A further candidate."""
        name = next(self._names)
        self._candidates[self.service.start("reconciler", name)] = name

    def _office(self) -> int:
        """The process that leads, as etcd knows it: a dead one until its lease ends; 0: none."""
        held = _value(self.service, "leader")
        return int(json.loads(held)["name"].rpartition(":")[2]) if held else 0


def _value(service: LocalService, name: str) -> str:
    argv, environment = service.box.etcd.etcdctl()
    key = f"{service.settings['etcd']['prefix']}/v1/{name}"
    asked = [*argv, "get", "--print-value-only", key]
    return subprocess.run(asked, env=environment, capture_output=True, text=True, check=True, timeout=20).stdout

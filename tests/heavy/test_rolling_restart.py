"""Each process of each role is restarted while jobs are submitted and streams are read: nothing is lost."""

import json
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bwvisu.cli.local import LocalService, free_port, merge, until
from bwvisu.sandbox import Sandbox
from tests.support.chaos import SWIFT, TTL, Scene, leads
from tests.support.world import Person, service_in, slurm_jobs, states

PACE = 0.7
"""Seconds between two requests of the frontend, and between two looks at the session's page."""
PATIENCE = 60.0
EACH = 3
"""Jobs that are submitted while one process is restarted."""
WHOLE = ["accepted", "submitted", "running", "available"]


@dataclass
class Load:
    """A frontend with two addresses of the API, somebody who follows all jobs, and somebody who uses one."""

    scene: Scene
    urls: tuple[str, str]
    used: Mapping[str, Any]
    over: threading.Event = field(default_factory=threading.Event)
    due: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Jobs that are still to be submitted: a cluster of three small nodes must hold all of them at once."""
    posted: list[str] = field(default_factory=list)
    told: list[tuple[int, str, str]] = field(default_factory=list)
    """Revision, job and state of each event, as they came."""
    began: int = 0
    """Streams that were opened, again and again."""
    begun_anew: list[str] = field(default_factory=list)
    """Snapshots after the first, and why."""
    looks: int = 0

    def submit(self) -> None:
        """One due job after the other, each posted until it is answered."""
        while not self.over.wait(PACE):
            if not self.due.acquire(timeout=PACE):
                continue
            key = secrets.token_hex(8)
            body = {"user": "alice", "application": "page", "parameters": {"minutes": 20}}
            self.posted.append(str(self._answered(key, body)["id"]))

    def _answered(self, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Asked of both in turn, as a load balancer does; 503 and a broken connection mean: again, by the same key."""
        answers: list[httpx2.Response] = []

        def asked() -> bool:
            for url in self.urls:
                try:
                    answer = self.scene.alice.client.post(
                        f"{url}/api/v1/jobs", json=body, headers={"Idempotency-Key": key}
                    )
                except httpx2.TransportError:
                    continue
                assert answer.status_code in {200, 201, 503}, answer.text
                if answer.status_code != 503:
                    answers.append(answer)
                    return True
            return False

        until(asked, PATIENCE, "a job is accepted")
        return dict(answers[0].json())

    def follow(self) -> None:
        """All jobs' events; resumed at the other replica whenever a stream ends."""
        last = ""
        while not self.over.is_set():
            url = self.urls[self.began % 2]
            self.began += 1
            headers = {"Last-Event-ID": last} if last else {}
            try:
                with self.scene.alice.client.stream("GET", f"{url}/api/v1/events", headers=headers) as stream:
                    if stream.status_code == 200:
                        last = self._read(stream.iter_lines(), last)
            except httpx2.TransportError:
                pass
            self.over.wait(0.1)

    def _read(self, lines: Iterator[str], last: str) -> str:
        block: dict[str, str] = {}
        try:
            for line in lines:
                name, _, value = line.partition(": ")
                if line:
                    block[name] = value
                    continue
                self._take(block, first=not last)
                last, block = block.get("id", last), {}
                if self.over.is_set():
                    break
        except httpx2.TransportError:
            pass  # what came in whole counts
        return last

    def _take(self, block: Mapping[str, str], *, first: bool) -> None:
        match block.get("event"):
            case "job":
                job = json.loads(block["data"])
                self.told.append((int(block["id"].partition(".")[2]) if "id" in block else 0, job["id"], job["state"]))
            case "resync" | "snapshot" if not first:
                self.begun_anew.append(block["data"][:200])

    def goes_on(self) -> None:
        """Some jobs more; returns when the first of them is accepted."""
        before = len(self.posted)
        self.due.release(EACH)
        until(lambda: len(self.posted) > before, PATIENCE, "jobs are submitted")

    def use(self) -> None:
        """The session that was there before, through its gateway."""
        while not self.over.wait(PACE):
            assert self.scene.usable(self.used), f"not usable after {self.looks} looks"
            self.looks += 1

    @contextmanager
    def running(self) -> Iterator[None]:
        with ThreadPoolExecutor(3) as pool:
            tasks = [pool.submit(each) for each in (self.submit, self.follow, self.use)]
            try:
                yield
            finally:
                self.over.set()
            for task in tasks:
                task.result(PATIENCE * 2)


@dataclass(frozen=True)
class Process:
    """One of the service, and when it serves again."""

    name: str
    role: str
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)


def answers(url: str) -> Callable[[], bool]:
    """Whether a server is ready."""

    def asked() -> bool:
        try:
            return httpx2.get(f"{url}/readyz", timeout=5, trust_env=False).status_code == 200
        except httpx2.TransportError:
            return False

    return asked


def processes(service: LocalService) -> list[Process]:
    """Two of each role, and a portal."""
    keyhole, api = service.settings["keyhole"], service.settings["api"]
    second = {"API": free_port(api["host"]), "KEYHOLE": int(keyhole["public_urls"][1].rpartition(":")[2])}
    return [
        Process("api", "api", answers(service.url)),
        Process(
            "api2", "api", answers(f"http://{api['host']}:{second['API']}"), {"BWVISU_API__PORT": str(second["API"])}
        ),
        Process("keyhole", "keyhole", answers(keyhole["public_urls"][0])),
        Process(
            "keyhole2", "keyhole", answers(keyhole["public_urls"][1]), {"BWVISU_KEYHOLE__PORT": str(second["KEYHOLE"])}
        ),
        Process("first", "reconciler", lambda: leads(service)),
        Process("second", "reconciler", lambda: leads(service)),
        Process("portal", "portal", answers(service.portal_url)),
    ]


@contextmanager
def whole_service(box: Sandbox, folder: Path) -> Iterator[LocalService]:
    """With two addresses of the keyhole."""
    with service_in(box, folder, merge(SWIFT, {}), people=["alice"], leader={"ttl": TTL}) as service:
        (first,) = service.settings["keyhole"]["public_urls"]
        other = f"http://{box.middleware_address}:{free_port(box.middleware_address)}"
        service.configure({"keyhole": {"public_urls": [first, other]}})
        yield service


def signed_in(service: LocalService) -> httpx2.Client:
    """Alice at the portal."""
    browser = httpx2.Client(base_url=service.portal_url, follow_redirects=True, timeout=30, trust_env=False)
    csrf = re.search(r'name="csrf" value="([^"]+)"', browser.get("/sign-in").text)
    assert csrf is not None
    form = {"csrf": csrf[1], "name": "alice", "password": service.passwords["alice"]}
    assert browser.post("/sign-in", data=form).status_code == 200
    return browser


@pytest.mark.timeout(1200)
def test_fault_29_a_restart_of_every_role_under_load_loses_nothing(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with whole_service(sandbox, tmp_path) as service, service.client() as client:
        every = processes(service)
        for each in every:
            service.start(each.role, each.name, each.environment)
        for each in every:
            until(each.ready, 120, f"{each.name} is ready")
        world = Scene(service, Person(client))
        used = world.session()
        browser = signed_in(service)
        api2 = f"http://127.0.0.1:{every[1].environment['BWVISU_API__PORT']}"
        load = Load(world, (service.url, api2), used)
        with load.running():
            for each in every:
                load.goes_on()
                assert service.stop(each.name) == 0, each.name
                service.start(each.role, each.name, each.environment)
                until(each.ready, PATIENCE, f"{each.name} is ready again")
            until(lambda: len(load.posted) == EACH * len(every), PATIENCE, "all are accepted")
            for job_id in load.posted:
                world.alice.wait(job_id, "available", 120)
            until(lambda: {job for _, job, state in load.told if state == "available"} >= set(load.posted), 30, "told")

        assert len(set(load.posted)) == EACH * len(every)
        for job_id in load.posted:
            assert states(world.alice.job(job_id)) == WHOLE
            assert len(slurm_jobs(sandbox, job_id, ended=True)) == 1, "one Slurm job per accepted job"
        assert load.begun_anew == [], "a stream goes on where it was, at any replica"
        revisions = [revision for revision, _, _ in load.told if revision]
        assert revisions == sorted(revisions), "in order"
        assert 'name="csrf"' in browser.get("/sessions").text, "alice is still signed in"
        world.end(used["id"], *load.posted)
        with capsys.disabled():
            told = f"{len(load.posted)} jobs, {len(load.told)} events in {load.began} streams, {load.looks} looks"
            print(f"\nrolling restart of {len(every)} processes: {told}")

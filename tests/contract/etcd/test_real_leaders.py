"""Candidates as processes: killed, frozen, told to go."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bwvisu.adapters.etcd import Store
from tests.contract.etcd.conftest import real_only
from tests.support.etcd import EtcdCluster
from tests.support.waiting import eventually, eventually_true

TTL = 2
LONG = 60
"""A lease that nobody waits for here: whoever leads before it ends was made way for."""


class Process:
    """One `tests.support.candidate`."""

    def __init__(self, endpoint: str, prefix: str, name: str, folder: Path, ttl: int) -> None:
        self._log = folder / f"{name}.jsonl"
        argv = [sys.executable, "-m", "tests.support.candidate", endpoint, prefix, name, str(ttl)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(argv, stdout=log)

    def events(self, kind: str) -> list[dict[str, Any]]:
        whole, _, _ = self._log.read_text().rpartition("\n")
        lines = whole.splitlines()
        return [event for event in map(json.loads, lines) if event["event"] == kind]

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        self._process.kill()
        return self._process.wait()

    def wait(self) -> int:
        return self._process.wait(30)


Start = Callable[..., Process]


@pytest.fixture
def start(cluster: EtcdCluster, prefix: str, tmp_path: Path) -> Iterator[Start]:
    started: list[Process] = []

    def one(name: str, ttl: int = TTL) -> Process:
        started.append(Process(cluster.endpoints[0], prefix, name, tmp_path, ttl))
        return started[-1]

    yield one
    for process in started:
        process.end()


async def elected(process: Process, seconds: float = 30) -> dict[str, Any]:
    await eventually(lambda: bool(process.events("elected")), seconds)
    return process.events("elected")[-1]


async def test_a_killed_leader_is_replaced_when_its_lease_has_run_out(start: Start) -> None:
    first = start("first")
    old = await elected(first)
    second = start("second")
    await eventually(lambda: bool(second.events("standing")), 30)
    first.end()
    new = await elected(second)
    assert new["epoch"] > old["epoch"]


async def test_a_leader_that_is_told_to_go_makes_way_at_once(start: Start) -> None:
    first = start("first", LONG)
    await elected(first)
    second = start("second", LONG)
    await eventually(lambda: bool(second.events("standing")), 30)
    first.signal(signal.SIGTERM)
    new = await elected(second)
    assert first.wait() == 0  # it makes way before its own end, so there is more to read afterwards
    (stopped,), (ended,) = first.events("stopped"), first.events("ended")
    assert 0 <= new["at"] - stopped["at"] < LONG / 4
    assert ended["at"] - stopped["at"] < LONG / 4


@real_only
async def test_a_frozen_leader_wakes_up_fenced(start: Start, etcd: Store, prefix: str) -> None:
    first = start("first")
    old = await elected(first)
    written = f"{prefix}writes/{old['epoch']}"

    async def wrote() -> bool:
        return await etcd.get(written) is not None

    await eventually_true(wrote)
    second = start("second")
    first.signal(signal.SIGSTOP)
    new = await elected(second)
    before = await etcd.get(written)
    first.signal(signal.SIGCONT)
    await eventually(lambda: bool(first.events("stopped")))
    assert before is not None
    assert before.mod_revision < new["epoch"]
    assert await etcd.get(written) == before, "a stale leader's write got through"
    assert len(first.events("elected")) == 1

"""The store under test, what may be done to it, and keys that no other test uses."""

import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest

from bwvisu.adapters.etcd import Etcd, Store
from tests.simulation.etcd import SimEtcd, SimStore
from tests.simulation.weather import CALM
from tests.support.etcd import EtcdCluster

TIMEOUT = 3.0
"""Seconds that a call of the store under test may take, as in production: a disk may be busy for a second."""

_numbers = itertools.count()

real_only = pytest.mark.parametrize("installation", ["real"], indirect=True)
"""For a test that needs more of etcd than a `Store`."""


@dataclass(frozen=True)
class World:
    """What happens to a store in the course of its life, whoever plays it."""

    client: Callable[[float], AbstractAsyncContextManager[Store]]
    """A client whose calls have so many seconds."""
    compact: Callable[[int], None]
    pause: Callable[[], None]
    resume: Callable[[], None]
    stop: Callable[[], None]
    start: Callable[[], None]
    fill: Callable[[bool], None]
    """Raise the alarm NOSPACE, or clear it."""
    heal: Callable[[], None]
    """Undo what was done."""


@pytest.fixture(scope="session")
def cluster() -> Iterator[EtcdCluster]:
    """One etcd for all tests that leave it as it was."""
    with EtcdCluster() as running:
        yield running


@pytest.fixture(params=["real", "simulated"])
def installation(request: pytest.FixtureRequest) -> World:
    """Who plays."""
    return real(request.getfixturevalue("cluster")) if request.param == "real" else simulated()


def real(cluster: EtcdCluster) -> World:
    (member,) = cluster.members

    def fill(full: bool) -> None:
        cluster.raise_alarm() if full else cluster.clear_alarms()

    def heal() -> None:
        member.ensure_running()
        cluster.wait_healthy()
        cluster.clear_alarms()

    def client(seconds: float) -> AbstractAsyncContextManager[Store]:
        return Etcd(cluster.endpoints, timeout=seconds, page=7)

    return World(client, cluster.compact, member.pause, member.resume, member.kill, member.start, fill, heal)


def simulated() -> World:
    etcd = SimEtcd(time.monotonic)

    def fill(full: bool) -> None:
        etcd.full = full

    @asynccontextmanager
    async def client(seconds: float) -> AsyncIterator[Store]:
        yield SimStore(etcd, "test", CALM, seconds)

    return World(client, etcd.compact, etcd.pause, etcd.resume, etcd.stop, etcd.start, fill, heal=lambda: None)


@pytest.fixture
async def etcd(installation: World) -> AsyncIterator[Store]:
    async with installation.client(TIMEOUT) as store:
        yield store


@pytest.fixture
def world(installation: World) -> Iterator[World]:
    yield installation
    installation.heal()


@pytest.fixture
def prefix() -> str:
    return f"/test/{next(_numbers)}/"

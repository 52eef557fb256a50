"""The service's processes: the real roles, wired as in production, in a world that is not."""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bwvisu.adapters.bundles import Catalogue
from bwvisu.adapters.etcd import Store
from bwvisu.adapters.records import Keys
from bwvisu.adapters.ssh import SshSettings
from bwvisu.errors import BwvisuError
from bwvisu.reconcilers.leadership import Candidate
from bwvisu.roles.api import api_context
from bwvisu.roles.base import Base
from bwvisu.roles.keyhole import keyhole_app
from bwvisu.roles.reconciler import run_reconciler
from bwvisu.settings import Settings
from bwvisu.settings.cluster import LimitSettings
from tests.simulation.host import Host
from tests.simulation.loop import Process, SimLoop
from tests.simulation.ssh import SimPool
from tests.simulation.weather import Weather

CLUSTER = "sim"
KEYS = Keys()
QUARANTINE = 20.0
FIRST_PORT, LAST_PORT = 50000, 50002
_CATALOGUE = Catalogue(Path(__file__).parent / "applications")
_CATALOGUE.refresh()


def settings() -> Settings:
    """Small port ranges and short rests, so that everything is reused within minutes."""
    node = {"user": "bwvisu"}
    return Settings.model_validate(
        {
            "keyhole": {"public_urls": ["http://keyhole:4243"]},
            "retention": {"finished": 15},
            "clusters": {
                CLUSTER: {
                    "ssh": {"key_file": "/key", "known_hosts": "/known_hosts"},
                    "command_nodes": [{"host": "c1", **node}, {"host": "c2", **node}],
                    "gateways": [
                        {"name": "gw1", "host": "gw1", **node, "internal_ip": "10.9.0.1", "external_ip": "192.0.2.1"},
                        {"name": "gw2", "host": "gw2", **node, "internal_ip": "10.9.0.2", "external_ip": "192.0.2.2"},
                    ],
                    "forwards": {"port_range": (FIRST_PORT, LAST_PORT), "quarantine": QUARANTINE},
                    "compute_networks": ["10.1.0.0/16"],
                    "slurm": {"extend": {"allowed": True}},
                }
            },
        }
    )


SETTINGS = settings()


def limited(limits: LimitSettings) -> Settings:
    """The same for a site that limits its people."""
    cluster = SETTINGS.clusters[CLUSTER].model_copy(update={"limits": limits})
    return SETTINGS.model_copy(update={"clusters": {CLUSTER: cluster}})


def bound(known: Settings) -> Settings:
    """The same for a site that binds forwards to their owners' addresses."""
    cluster = known.clusters[CLUSTER]
    forwards = cluster.forwards.model_copy(update={"admission": "owner-address"})
    return known.model_copy(update={"clusters": {CLUSTER: cluster.model_copy(update={"forwards": forwards})}})


class Service(ABC):
    """One process of one role on a host of its own name; a supervisor starts it again when it ends."""

    def __init__(
        self, name: str, loop: SimLoop, weather: Weather, store: Callable[[str], Store], chance: random.Random
    ) -> None:
        self.name = name
        self.process = Process(name)
        self.starts = 0
        self.defects: list[str] = []
        self.errors = frozenset({0.0})
        """Seconds by which its wall clock was ever wrong."""
        self.skew = 0.0
        self.settings = SETTINGS
        self._loop = loop
        self._weather = weather
        self._store = store
        self._chance = chance

    @property
    def skew(self) -> float:
        """Seconds by which its wall clock is wrong."""
        return self._skew

    @skew.setter
    def skew(self, seconds: float) -> None:
        self._skew = seconds
        self.errors |= {seconds}

    @property
    def alive(self) -> bool:
        """Whether it runs, stopped or not."""
        return self.process.alive and self.starts > 0

    def start(self) -> None:
        """Start it, or start it again."""
        self.starts += 1
        self.process = Process(f"{self.name}.{self.starts}")
        task = self._loop.spawn(self.process, self._main())
        task.add_done_callback(self._ended)

    def kill(self) -> None:
        """SIGKILL."""
        self._loop.kill(self.process)

    @abstractmethod
    async def _main(self) -> None:
        """What the process does until it ends or dies."""

    def _base(self, connect: Callable[[SshSettings], SimPool]) -> Base:
        return Base(
            self.settings,
            self._store(self.name),
            KEYS,
            Candidate(self.name, self.name),
            monotonic=self._loop.time,
            wall=lambda: wall(self._loop.time() + self.skew),
            random=self._chance.randbytes,
            connect=connect,
        )

    def _ended(self, task: asyncio.Task[None]) -> None:
        """What nobody should act on but time ends a process by right; anything else is a defect."""
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not _expected(error):
            self.defects.append(f"{self.name} ended by {error!r}")
        self._loop.kill(self.process)
        self._loop.call_later(2.0, self.start)


class Reconciler(Service):
    """A candidate for leadership."""

    def __init__(
        self,
        name: str,
        loop: SimLoop,
        weather: Weather,
        store: Callable[[str], Store],
        chance: random.Random,
        hosts: Mapping[str, Host],
    ) -> None:
        super().__init__(name, loop, weather, store, chance)
        self._hosts = hosts
        self._pools: list[SimPool] = []

    def kill(self) -> None:
        """SIGKILL: its connections close with it."""
        super().kill()
        for pool in self._pools:
            pool.cut()
        self._pools.clear()

    async def _main(self) -> None:
        await run_reconciler(self._base(self._connect))

    def _connect(self, _: SshSettings) -> SimPool:
        pool = SimPool(self._hosts, self._weather, origin=self.name)
        self._pools.append(pool)
        return pool


class KeyholeReplica(Service):
    """A replica of the keyhole's API; ``app`` is what its web server serves."""

    async def _main(self) -> None:
        self.app, forwards = keyhole_app(self._base(_nowhere))
        await forwards.run()


class ApiReplica(Service):
    """A replica of the services behind the REST API."""

    async def _main(self) -> None:
        self.context = api_context(self._base(_nowhere), _CATALOGUE)
        await self.context.state.run()

    async def call(self, request: Coroutine[Any, Any, Any]) -> Any:
        """Carry a request out in this process; whoever asks may see it die, or lose its answer."""
        return await asyncio.shield(self._loop.spawn(self.process, request))


def wall(seconds: float) -> datetime:
    """The world's time of day."""
    return datetime.fromtimestamp(EPOCH + seconds, UTC)


EPOCH = 1_800_000_000
"""Unix time at which worlds begin."""


def _nowhere(_: SshSettings) -> SimPool:
    raise AssertionError("only reconcilers reach hosts")


def _expected(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_expected(each) for each in error.exceptions)
    return isinstance(error, BwvisuError)

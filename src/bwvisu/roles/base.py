"""What every role needs: settings, the store and its keys, clocks, and the way to other hosts."""

import os
import secrets
import socket
import string
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

from bwvisu.adapters.etcd import Absent, Credentials, Etcd, EtcdTls, MeasuredStore, Put, Store
from bwvisu.adapters.records import Keys, decode, encode
from bwvisu.adapters.ssh import SshPool, SshSettings, Wire
from bwvisu.domain.cluster import Installation
from bwvisu.errors import OperatorError
from bwvisu.metrics import with_process
from bwvisu.reconcilers.leadership import Candidate
from bwvisu.settings import EtcdSettings, Settings

_ALPHABET = string.ascii_lowercase + string.digits


def _now() -> datetime:
    return datetime.now(UTC)


def _candidate() -> Candidate:
    host = socket.gethostname()
    return Candidate(f"{host}:{os.getpid()}", host)


@dataclass(frozen=True, slots=True)
class Base:
    """One process and the world that it sees; the simulation gives it another one."""

    settings: Settings
    store: Store
    keys: Keys
    candidate: Candidate = field(default_factory=_candidate)
    """Under which name it stands for election."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds, for deadlines."""
    wall: Callable[[], datetime] = _now
    """UTC, for people and for other hosts."""
    random: Callable[[int], bytes] = secrets.token_bytes
    """So many bytes that nobody can guess."""
    connect: Callable[[SshSettings], Wire] = SshPool
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)
    """What the process counts, whatever roles it runs; a role has a registry of its own beside it."""

    def registry(self) -> CollectorRegistry:
        """A role's registry, which shows the process's as well."""
        return with_process(self.metrics)


@asynccontextmanager
async def base(settings: Settings) -> AsyncIterator[Base]:
    """Open the store."""
    metrics = process_metrics()
    async with open_store(settings.etcd) as store:
        yield Base(settings, MeasuredStore(store, metrics), Keys(settings.etcd.prefix), metrics=metrics)


def process_metrics() -> CollectorRegistry:
    """What is known of any process of ours: its memory, processor time and files, and which release it is."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    release = Gauge("bwvisu_build_info", "1, with the release that runs", ["version"], registry=registry)
    release.labels(version("bwvisu")).set(1)
    return registry


def open_store(settings: EtcdSettings) -> Etcd:
    """A client of etcd as the settings name it."""
    tls = settings.tls
    return Etcd(
        settings.endpoints,
        tls=EtcdTls(tls.ca_file, tls.cert_file, tls.key_file, tls.server_name) if tls else None,
        credentials=_credentials(settings),
        timeout=settings.timeout,
    )


def _credentials(settings: EtcdSettings) -> Credentials | None:
    if settings.username is None:
        return None
    if settings.password_file is None:
        raise OperatorError("etcd.username is set but etcd.password_file is not")
    return Credentials(settings.username, read_secret(settings.password_file))


def read_secret(path: Path) -> str:
    """A secret from a file; raises `OperatorError` where it cannot be read."""
    try:
        return path.read_text().strip()
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}") from error


async def installation(store: Store, keys: Keys) -> Installation:
    """This installation's record; the first process ever draws it.

    It is read first: an etcd without space refuses every transaction that might write, and nobody is to crash for it.
    """
    entry = await store.get(keys.installation)
    if entry is None:
        drawn = Installation(id="".join(secrets.choice(_ALPHABET) for _ in range(8)))
        await store.commit([Absent(keys.installation)], [Put(keys.installation, encode(drawn))])
        entry = await store.get(keys.installation)
    if entry is None:
        raise OperatorError(f"{keys.installation} was deleted from the store while it was being made")
    return decode(Installation, entry.value)

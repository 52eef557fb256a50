"""What every role needs: settings, the store and its keys, clocks, and the way to other hosts."""

import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

from bwvisu.adapters.etcd import Credentials, Etcd, EtcdTls, MeasuredStore, Store
from bwvisu.adapters.records import Keys
from bwvisu.adapters.ssh import SshPool, SshSettings, Wire
from bwvisu.adapters.vault import Vault, read_vault
from bwvisu.errors import OperatorError
from bwvisu.metrics import with_process
from bwvisu.reconcilers.leadership import Candidate
from bwvisu.settings import EtcdSettings, Settings

log = structlog.get_logger(__name__)


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
    vault: Vault = field(default_factory=Vault)
    """Seals and opens secrets of jobs."""
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)
    """What the process counts, whatever roles it runs; a role has a registry of its own beside it."""

    def registry(self) -> CollectorRegistry:
        """A role's registry, which shows the process's as well."""
        return with_process(self.metrics)


@asynccontextmanager
async def base(settings: Settings) -> AsyncIterator[Base]:
    """Open the store and the vault."""
    vault = read_vault(settings.secrets.key_files)
    if not vault.sealing:
        log.warning("secrets of jobs are stored in the clear", cure="secrets.key_files")
    metrics = process_metrics()
    async with open_store(settings.etcd) as store:
        keys = Keys(settings.etcd.prefix)
        yield Base(settings, MeasuredStore(store, metrics), keys, vault=vault, metrics=metrics)


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

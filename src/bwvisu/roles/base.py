"""What every role needs: settings, the store and its keys, clocks, and the way to other hosts."""

import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bwvisu.adapters.etcd import Credentials, Etcd, EtcdTls, Store
from bwvisu.adapters.records import Keys
from bwvisu.adapters.ssh import SshPool, SshSettings, Wire
from bwvisu.errors import OperatorError
from bwvisu.reconcilers.leadership import Candidate
from bwvisu.settings import EtcdSettings, Settings


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


@asynccontextmanager
async def base(settings: Settings) -> AsyncIterator[Base]:
    """Open the store."""
    async with open_store(settings.etcd) as store:
        yield Base(settings, store, Keys(settings.etcd.prefix))


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

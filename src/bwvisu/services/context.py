"""What every service is given, and what they share."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn
from weakref import WeakValueDictionary

import structlog
from ulid import ULID

from bwvisu.adapters.bundles import Catalogue
from bwvisu.adapters.vault import Vault
from bwvisu.domain.job import JobId
from bwvisu.domain.principal import Principal
from bwvisu.errors import NotFound, UserError
from bwvisu.services.entrance import Entrance
from bwvisu.services.leases import Leases
from bwvisu.services.state import Job, State
from bwvisu.settings import ClusterSettings, KeyholeSettings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Context:
    """The world as services see it; clock and chance come from outside."""

    state: State
    catalogue: Catalogue
    clusters: Mapping[str, ClusterSettings]
    leases: Leases
    now: Callable[[], datetime]
    """Wall clock, UTC."""
    random: Callable[[int], bytes]
    """So many bytes that nobody can guess, such as `secrets.token_bytes`."""
    keyhole: KeyholeSettings = field(default_factory=KeyholeSettings)
    """What a job's script says of the keyhole."""
    mails: bool = False
    """Whether the leader sends mail."""
    entrances: Mapping[str, Entrance] = field(default_factory=dict)
    """By cluster: what lets people in where its gateways have proxies."""
    vault: Vault = field(default_factory=Vault)
    """Seals and opens secrets of jobs."""
    bundles: dict[str, int] = field(default_factory=dict)
    """Digests of bundles that are stored, with the revision that created them."""
    turns: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def new_id(self) -> str:
        """A ULID in lower case: 48 bits of milliseconds, 80 bits of chance."""
        milliseconds = int(self.now().timestamp() * 1000)
        return str(ULID(milliseconds.to_bytes(6, "big") + self.random(10))).lower()

    def turn(self, of: str) -> asyncio.Lock:
        """Of requests that would only take a record away from each other, one at a time goes to etcd."""
        return self.turns.setdefault(of, asyncio.Lock())


async def keep_current(context: Context, every: float = 2.0) -> NoReturn:
    """Keep the mirrors and, every so many seconds, the catalogue up to date, for ever."""
    async with asyncio.TaskGroup() as group:
        group.create_task(context.state.run())
        group.create_task(_refresh(context.catalogue, every))
    raise AssertionError("neither of them ends")


async def _refresh(catalogue: Catalogue, every: float) -> NoReturn:
    told: Mapping[str, Sequence[str]] = {}
    while True:
        await asyncio.to_thread(catalogue.refresh)  # its folder may lie on a slow file system
        _report(catalogue, told)
        told = catalogue.problems
        await asyncio.sleep(every)


def _report(catalogue: Catalogue, told: Mapping[str, Sequence[str]]) -> None:
    """Into the log, once: what has broken since, and what is whole again."""
    served = {bundle.name for bundle in catalogue.all()}
    for name, why in catalogue.problems.items():
        if told.get(name) != why:
            log.warning("application is broken", application=name, problems=why, last_good_version_stays=name in served)
    for name in told.keys() - catalogue.problems.keys():
        log.info("application is not broken any more", application=name, served=name in served)


class Forbidden(UserError):
    """The asker is known and may not do this."""

    slug = "forbidden"
    title = "Not allowed"


class PreconditionFailed(UserError):
    """The thing is not any more as its asker knows it."""

    slug = "precondition-failed"


async def visible(context: Context, principal: Principal, job_id: JobId) -> Job:
    """The job; raises `NotFound` alike for one that does not exist and for somebody else's."""
    job = await context.state.find(job_id)
    if job is None or not principal.may_see(job.spec.user):
        raise no_such_job()
    return job


def no_such_job() -> NotFound:
    """The same answer for every reason."""
    return NotFound("there is no such job", slug="job-not-found")

"""Who has an account: asked of a command node, kept for a while, told to the API by ``users/{cluster}/{user}``."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from bwvisu.domain import observation
from bwvisu.domain.cluster import ClusterUser
from bwvisu.planning.evidence import Unfound, not_found
from bwvisu.reconcilers.records import Records
from bwvisu.reconcilers.writer import Writer
from keyhole.parallel import in_parallel

FRESH_KNOWN = 600.0
FRESH_ABSENT = 20.0
"""Seconds for which an answer is used; a new account should not have to wait."""
IN_A_ROW = 120.0
"""Answers further apart than these seconds have nothing to do with each other."""
KEPT = timedelta(days=1)
"""For so long an answer is stored; a job that needs a newer one asks again."""
NOBODY = 65534
"""The user id of ``nobody`` (and of whatever a file server does not trust): no person."""
PATIENCE_UNKNOWN = 5.0
"""Seconds before a question without an answer is put again."""


class Directory(Protocol):
    """Answers about accounts: the cluster."""

    async def user(self, name: str, but: str = "") -> observation.UserResult:
        """The account on the command nodes; asked of another one than ``but`` where that is possible."""
        ...


class Accounts:
    """The accounts of one cluster as this leader knows them."""

    def __init__(
        self,
        cluster: str,
        directory: Directory,
        records: Records,
        writer: Writer,
        *,
        pattern: str,
        minimum_uid: int,
        home_prefix: str,
        wall: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._cluster = cluster
        self._directory = directory
        self._records = records
        self._writer = writer
        self._pattern = re.compile(pattern)
        self._minimum_uid = minimum_uid
        self._home_prefix = home_prefix.rstrip("/") + "/"
        self._wall = wall
        self._clock = clock
        self._fresh_until: dict[str, float] = {}
        self._answers: dict[str, ClusterUser] = {}
        self._unfound: dict[str, Unfound] = {}

    @property
    def unfound(self) -> Mapping[str, Unfound]:
        """How often in a row each account was not found, by this leader: a view, not to be kept beyond a pass."""
        return self._unfound

    def fresh(self) -> Mapping[str, ClusterUser | None]:
        """Answers that may still be used; None: asked in vain a moment ago."""
        now = self._clock()
        return {name: self._answers.get(name) for name, until in self._fresh_until.items() if until > now}

    async def reconcile(self) -> int:
        """Answer every question of the API that is newer than our answer; returns how many were put."""
        waiting = [user for user in self._questions() if self._fresh_until.get(user, 0.0) <= self._clock()]
        told = [user for user in self._questions() if user not in waiting and user in self._answers]
        await in_parallel(self._tell(self._answers[user]) for user in told)
        await in_parallel((self.look_up(user) for user in waiting), _AT_ONCE)
        await self._forget_old()
        return len(waiting)

    def doubt(self, name: str) -> None:
        """Somebody else did not find the account: it is asked for again before it is used."""
        self._fresh_until.pop(name, None)

    async def look_up(self, name: str) -> None:
        """Ask the cluster about one account; without an answer nothing changes."""
        if not self._pattern.fullmatch(name):
            self._keep(self._refused(name, "Its name is not one that this service accepts."), FRESH_ABSENT)
            return
        before, at = self._unfound.get(name), self._clock()
        match await self._directory.user(name, before.node if before is not None else ""):
            case observation.Account() as account:
                self._unfound.pop(name, None)
                user = self._known(account)
                self._keep(user, FRESH_KNOWN)
                await self._tell(user)
            case observation.NoSuchUser() as answer:
                self._unfound[name] = not_found(self._unfound.get(name), at, answer.node, within=IN_A_ROW)
                user = ClusterUser(name=name, exists=False, checked_at=self._wall())
                self._keep(user, FRESH_ABSENT)
                await self._tell(user)
            case observation.CouldNotLook():
                self._fresh_until[name] = self._clock() + PATIENCE_UNKNOWN

    def _questions(self) -> list[str]:
        """Names whose question was written after our answer, by the store's own order."""
        prefix = f"{self._cluster}/"
        return [
            tail.removeprefix(prefix)
            for tail, asked in self._records.lookups.kept.items()
            if tail.startswith(prefix) and asked.revision > (self._records.users.revision(tail) or 0)
        ]

    def _known(self, account: observation.Account) -> ClusterUser:
        return ClusterUser(
            name=account.name,
            exists=True,
            home=account.home,
            uid=account.uid,
            refused=self._why_not(account),
            checked_at=self._wall(),
        )

    def _why_not(self, account: observation.Account) -> str:
        """Why this account may not be used; empty: it may."""
        if account.uid < self._minimum_uid or account.uid == NOBODY:
            return f"{account.name!r} is a system account (user id {account.uid})."
        if not account.home.startswith(self._home_prefix):
            return f"The home of {account.name!r} is not below {self._home_prefix}."
        return ""

    def _refused(self, name: str, why: str) -> ClusterUser:
        return ClusterUser(name=name, exists=True, refused=why, checked_at=self._wall())

    def _keep(self, user: ClusterUser, seconds: float) -> None:
        self._answers[user.name] = user
        self._fresh_until[user.name] = self._clock() + seconds

    async def _tell(self, user: ClusterUser) -> None:
        key = self._records.keys.user(self._cluster, user.name)
        revision = self._records.users.revision(f"{self._cluster}/{user.name}")
        await self._writer.put(key, user, revision)

    async def _forget_old(self) -> None:
        """Answers that nobody has asked for in a day: names can be asked for without end."""
        prefix, limit = f"{self._cluster}/", self._wall() - KEPT
        old = [
            (tail, kept.revision)
            for tail, kept in self._records.users.kept.items()
            if tail.startswith(prefix) and kept.record.checked_at < limit
        ]
        for tail, revision in old[:_FORGOTTEN_AT_ONCE]:
            name = tail.removeprefix(prefix)
            await self._writer.delete(self._records.keys.user(self._cluster, name), revision)
            self._answers.pop(name, None)
            self._fresh_until.pop(name, None)
            self._unfound.pop(name, None)


_AT_ONCE = 6
_FORGOTTEN_AT_ONCE = 50

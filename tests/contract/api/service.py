"""A whole API as a test meets it: uvicorn on loopback, etcd below, and a leader who answers what the test says."""

import asyncio
import hashlib
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI

from bwvisu.adapters.bundles import Catalogue
from bwvisu.adapters.etcd import Entry, Etcd, Put, Store
from bwvisu.adapters.records import Keys, encode
from bwvisu.api.app import make_app
from bwvisu.domain.cluster import ClusterUser
from bwvisu.domain.job import JobStatus
from bwvisu.domain.principal import Scope
from bwvisu.services.context import Context, keep_current
from bwvisu.services.entrance import entrances
from bwvisu.services.feed import Feed, Limits
from bwvisu.services.leases import Leases
from bwvisu.services.state import State
from bwvisu.settings import BasicSettings, ClusterSettings, KeyholeSettings, RateSettings, TokenSettings
from tests.support.waiting import eventually

ALL = frozenset(Scope)
TOKENS: Mapping[str, tuple[frozenset[Scope], str | None]] = {
    "portal": (ALL, None),
    "other": (ALL, None),
    "alices": (ALL, "alice"),
    "alices-own": (ALL - {Scope.IMPERSONATE}, "alice"),
    "plain": (ALL - {Scope.ADMIN}, None),
    "reader": (frozenset({Scope.JOBS_READ}), None),
}
"""Holder -> scopes and user; the token's text is ``bwv_<holder>``."""


PASSWORDS: Mapping[str, tuple[str, str | None]] = {
    "bwvisu-web": ("zK3vJ0hVtq7cT1mYb5xRw9", None),
    "alice-web": ("pQ8dLs2nXe6uGf4aHo0iBy", "alice"),
}
"""Accounts of the original's API: name -> password and user."""


def basic_settings() -> list[BasicSettings]:
    """These accounts as the settings would hold them."""
    return [
        BasicSettings(name=name, password_sha256=hashlib.sha256(password.encode()).hexdigest(), user=user)
        for name, (password, user) in PASSWORDS.items()
    ]


def token_settings() -> list[TokenSettings]:
    """The tokens as the settings would hold them; the portal is about to change its own, and has an expired one."""
    known = [
        TokenSettings(name=name, sha256=hashlib.sha256(f"bwv_{name}".encode()).hexdigest(), scopes=scopes, user=user)
        for name, (scopes, user) in TOKENS.items()
    ]
    (portal,) = (each for each in known if each.name == "portal")
    others = (("next", None), ("last", _now() - timedelta(seconds=1)), ("long", _now() + timedelta(days=1)))
    return known + [
        portal.model_copy(
            update={"sha256": hashlib.sha256(f"bwv_portal-{name}".encode()).hexdigest(), "expires": expires}
        )
        for name, expires in others
    ]


def cluster_settings(**changes: Any) -> ClusterSettings:
    """A cluster that nobody will ever log in to."""
    plain = {
        "ssh": {"key_file": "/nowhere/key", "known_hosts": "/nowhere/known_hosts"},
        "command_nodes": [{"host": "cmd1", "user": "bwvisu"}],
    }
    return ClusterSettings.model_validate({**plain, **changes})


class Leader:
    """The leader's part: answers questions about accounts, and writes what was seen of jobs."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys
        self.accounts: dict[str, ClusterUser] = {}
        """Who is answered for."""
        self.strangers: ClusterUser | None = None
        """What is answered about everybody else; None: nothing."""

    def knows(self, *users: str) -> None:
        """These accounts exist and may run jobs."""
        for user in users:
            self.accounts[user] = ClusterUser(name=user, exists=True, uid=1001, home=f"/home/{user}", checked_at=_now())

    def refuses(self, user: str, why: str) -> None:
        """This account exists and may not."""
        self.accounts[user] = ClusterUser(name=user, exists=True, uid=2, refused=why, checked_at=_now())

    def lacks(self, user: str) -> None:
        """There is no such account."""
        self.accounts[user] = ClusterUser(name=user, exists=False, checked_at=_now())

    async def sees(self, job_id: str, status: JobStatus) -> int:
        """Write a status; returns its revision."""
        return await _put(self._store, self._keys.status(job_id), encode(status))

    async def run(self) -> None:
        """Answer every question about a known account as soon as it is asked."""
        prefix = self._keys.kind("lookups")
        begin = (await self._store.list(prefix)).revision
        async with aclosing(self._store.watch(prefix, begin + 1)) as batches:
            async for batch in batches:
                for event in batch.events:
                    await self._answer(self._keys.tail(event.key))

    async def _answer(self, tail: str) -> None:
        cluster, _, user = tail.partition("/")
        known = self.accounts.get(user, self.strangers)
        if known is not None:
            answer = known.model_copy(update={"name": user, "checked_at": _now()})
            await _put(self._store, self._keys.user(cluster, user), encode(answer))


class Service:
    """What a test holds in its hands."""

    def __init__(self, url: str, context: Context, leader: Leader, feed: Feed) -> None:
        self.url = url
        self.feed = feed
        self.context = context
        self.leader = leader
        self._clients: dict[str, httpx2.AsyncClient] = {}

    def client(self, holder: str | None = "portal") -> httpx2.AsyncClient:
        """Speak as the holder of a token; None: without one."""
        headers = {"Authorization": f"Bearer bwv_{holder}"} if holder else {}
        key = holder or ""
        if key not in self._clients:
            self._clients[key] = httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=20, trust_env=False)
        return self._clients[key]

    async def submit(self, user: str = "alice", holder: str = "portal", **changes: Any) -> dict[str, Any]:
        """A job that was accepted."""
        body = {"user": user, "application": "probe", **changes}
        answer = await self.client(holder).post("/api/v1/jobs", json=body)
        assert answer.status_code == 201, answer.text
        job: dict[str, Any] = answer.json()
        return job

    async def records(self, kind: str) -> dict[str, Entry]:
        """Everything of one kind, by what follows the kind in the key."""
        keys = self.context.state.keys
        listing = await self.context.state.store.list(keys.kind(kind))
        return {keys.tail(key): entry for key, entry in listing.entries.items()}

    async def stored(self) -> set[str]:
        """Kinds of records that there are, questions and answers about accounts, and the trail, left out."""
        keys = self.context.state.keys
        listing = await self.context.state.store.list(keys.root)
        return {key.removeprefix(keys.root).partition("/")[0] for key in listing.entries} - {
            "lookups",
            "users",
            "audit",
        }

    async def close(self) -> None:
        """Close the clients."""
        for client in self._clients.values():
            await client.aclose()


@asynccontextmanager
async def service(
    endpoints: list[str],
    bundles: Path,
    *,
    wire: Any = lambda store: store,
    clusters: Any = None,
    rate: RateSettings | None = None,
    wait: bool = True,
    keys: Keys | None = None,
    streams: Limits | None = None,
    mails: bool = False,
) -> AsyncIterator[Service]:
    """Everything up, on a prefix of its own or, beside another replica, on ``keys``.

    ``wire`` may put faults between the API and etcd.  ``wait``: go on only when the API has read everything.
    """
    keys = keys or Keys(f"/test-{secrets.token_hex(6)}")
    async with Etcd(endpoints) as store:
        catalogue = Catalogue(bundles)
        catalogue.refresh()
        assert not catalogue.problems, catalogue.problems
        between = wire(store)
        state = State(between, keys)
        context = Context(
            state,
            catalogue,
            clusters or {"main": cluster_settings()},
            Leases(between),
            _now,
            secrets.token_bytes,
            KeyholeSettings(public_urls=("http://keyhole.example.org:4243",)),
            mails,
            entrances=entrances(clusters or {}),
        )
        leader = Leader(store, keys)
        app = make_app(context, token_settings(), rate=rate, basic=basic_settings(), streams=streams)
        running = (keep_current(context, every=0.1), app.state.chronicle.run(), leader.run())
        tasks = [asyncio.create_task(each) for each in running]
        async with _listening(app) as url:
            held = Service(url, context, leader, app.state.feed)
            try:
                if wait:
                    await eventually(lambda: state.ready, 60)
                yield held
            finally:
                await held.close()
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)


@asynccontextmanager
async def _listening(app: FastAPI) -> AsyncIterator[str]:
    # asyncio sets TCP_NODELAY only on sockets that say they are TCP; without, each answer waits 40 ms for an ACK
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        await eventually(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            app.state.feed.close()
            server.should_exit = True
            await serving


async def _put(store: Store, key: str, value: bytes) -> int:
    return (await store.commit([], [Put(key, value)])).revision


def _now() -> datetime:
    return datetime.now(UTC)

"""The portal over a real API, in this process, and people who use it without a browser."""

import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from cryptography.fernet import Fernet
from fastapi import FastAPI

from bwvisu.portal.api import Api, connect
from bwvisu.portal.app import make_app
from bwvisu.portal.session import Sealer
from bwvisu.portal.signin import Claim, Passwords, Provides
from bwvisu.settings import PortalSettings

PASSWORD = "correct horse"
ORIGIN = "http://portal.test"


class AnyPassword:
    """Everybody's password is `PASSWORD`; whoever's name begins with ``admin`` is in the administrators' group."""

    async def check(self, name: str, password: str) -> Claim | None:
        """See `Passwords`."""
        groups = ("administrators",) if name.startswith("admin") else ()
        return Claim(name, name.title(), groups) if password == PASSWORD else None


class Visitor:
    """Somebody at the portal."""

    def __init__(self, app: FastAPI, address: str = "127.0.0.1") -> None:
        self.app = app
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False, client=(address, 50000))
        self.http = httpx2.AsyncClient(transport=transport, base_url=ORIGIN, follow_redirects=True)

    async def get(self, path: str, **query: str) -> httpx2.Response:
        """Open a page."""
        return await self.http.get(path, params=query or None)

    async def post(self, path: str, form: Mapping[str, str] | None = None, page: str = "/") -> httpx2.Response:
        """Send a form as it stands on ``page``, with these values."""
        return await self.http.post(path, data={"csrf": await self.csrf(page), **(form or {})})

    async def csrf(self, page: str = "/") -> str:
        """What the forms of a page carry."""
        found = re.search(r'name="csrf" value="([^"]+)"', (await self.get(page)).text)
        assert found, page
        return found[1]

    async def sign_in(self, name: str, password: str = PASSWORD) -> httpx2.Response:
        """By name and password."""
        return await self.post("/sign-in", {"name": name, "password": password}, "/sign-in")


def portal_settings(**changes: Any) -> PortalSettings:
    """As a file would have them."""
    plain = {
        "token_file": "/nowhere/token",
        "session_key_file": "/nowhere/key",
        "auth": {"kind": "local"},
        "admin_groups": ["administrators"],
    }
    return PortalSettings.model_validate({**plain, **changes})


@asynccontextmanager
async def portal_over(
    url: str,
    token: str,
    *,
    sign_in: Passwords | Provides | None = None,
    clock: Callable[[], float] = time.time,
    **changes: Any,
) -> AsyncIterator[FastAPI]:
    """A portal whose API is at ``url``; ``clock``: by which sessions grow old."""
    async with connect(url, token, None) as client:
        sealer = Sealer(Fernet.generate_key().decode(), clock)
        yield make_app(portal_settings(**changes), Api(client), sealer, sign_in or AnyPassword())

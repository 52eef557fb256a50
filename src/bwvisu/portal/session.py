"""Who is at the browser: an encrypted cookie, and nothing on our side.

The cookie holds what would be a secret in nobody's hands but its owner's: who is signed in, the token that proves that
a form is ours, words to be shown once, and a form that was sent when its session was over.
"""

import json
import math
import secrets
import time
import zlib
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bwvisu.errors import OperatorError

LARGEST = 4000
"""Bytes of a cookie that every browser keeps."""
RESERVE = 1000
"""Of these, for what a sign-in adds to a session that keeps a form: the state of OpenID Connect, above all."""


class Person(BaseModel):
    """Somebody who has signed in."""

    model_config = ConfigDict(frozen=True)

    user: str
    """The clusters' user name."""
    name: str
    """How the person is called."""
    administrator: bool = False
    clusters: tuple[str, ...] = ()
    """Where there is an account."""


class Sealer:
    """Encrypts with the first key, decrypts with each; ``clock``: Unix time."""

    def __init__(self, keys: str, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        try:
            self._fernet = MultiFernet([Fernet(line) for line in keys.split()])
        except ValueError as error:
            raise OperatorError("the session key is not one of `bwvisu portal create-key`") from error

    def seal(self, values: MutableMapping[str, Any]) -> str:
        """As text that is safe in a cookie."""
        text = zlib.compress(json.dumps(values, separators=(",", ":")).encode())
        return self._fernet.encrypt_at_time(text, int(self.clock())).decode()

    def open(self, text: str, lifetime: float) -> dict[str, Any]:
        """What was sealed; empty for anything else, and for what is older than ``lifetime`` seconds."""
        try:
            sealed = self._fernet.decrypt_at_time(text.encode(), int(lifetime), int(self.clock()))
            values = json.loads(zlib.decompress(sealed))
        except (InvalidToken, ValueError, zlib.error):
            return {}
        return values if isinstance(values, dict) else {}


def read_keys(path: Path) -> Sealer:
    """From the file of the settings.  Raises OperatorError."""
    try:
        return Sealer(path.read_text())
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}") from error


ASIDE = ("/static/", "/site.css", "/logo.svg", "/icons/", "/events")
"""What pages load by themselves: caches may keep the answer, it may overtake a sign-out, and nobody did anything."""


class Sessions:
    """ASGI middleware: ``scope["session"]`` is what the cookie says, and goes back into it where it has changed.

    A used session lives on: the cookie is written anew once a quarter of its lifetime has passed.  Only ``limit``
    seconds after the sign-in, whatever was done meanwhile, nobody is signed in any more: that is when groups and
    accounts are looked at again.  A form that a foreign page sends comes without the cookie (SameSite), so whatever is
    made of it must not take the cookie's place.
    """

    def __init__(self, app: ASGIApp, *, sealer: Sealer, lifetime: float, limit: float, secure: bool) -> None:
        self._app = app
        self._sealer = sealer
        self._lifetime = lifetime
        self._limit = limit
        self._secure = secure
        self._name = "__Host-bwvisu" if secure else "bwvisu"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        session = scope["session"] = self._sealer.open(self._cookie(scope), self._lifetime)
        before = json.dumps(session)
        if self._sealer.clock() - session.get("since", math.inf) > self._limit:
            leave(session)
        foreign = scope["method"] == "POST" and (b"sec-fetch-site", b"cross-site") in scope["headers"]
        kept = foreign or scope["path"].startswith(ASIDE)

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and not kept:
                self._write(MutableHeaders(raw=message["headers"]), session, before)
            await send(message)

        await self._app(scope, receive, send_with_cookie)

    def _cookie(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            # http.cookies gives up at the first cookie that it cannot read, and another site's may stand before ours
            if name == b"cookie" and (found := cookie_parser(value.decode("latin-1")).get(self._name)):
                return found
        return ""

    def _write(self, headers: MutableHeaders, session: dict[str, Any], before: str) -> None:
        now = int(self._sealer.clock())
        due = bool(session) and now - session.get("at", 0) > self._lifetime / 4
        if json.dumps(session) == before and not due:
            return
        if not session:
            headers.append("Set-Cookie", self._line("", 0))
            return
        session["at"] = now
        if "person" in session:
            session.setdefault("since", now)
        text = self._sealer.seal(session)
        for least in ("told", "draft"):  # browsers would drop a longer cookie as a whole, without a word
            if len(text) > LARGEST and session.pop(least, None):
                text = self._sealer.seal(session)
        headers.append("Set-Cookie", self._line(text, int(self._lifetime)))

    def _line(self, value: str, age: int) -> str:
        secure = "; Secure" if self._secure else ""
        return f"{self._name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"


def csrf_token(session: MutableMapping[str, Any]) -> str:
    """What every form of this session carries."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(18)
    return str(session["csrf"])


def signed_in(session: MutableMapping[str, Any]) -> Person | None:
    """Who this is; None: nobody."""
    return Person.model_validate(session["person"]) if "person" in session else None


def seconds_left(session: Mapping[str, Any], now: float, lifetime: float, limit: float) -> float:
    """How long somebody is signed in who does nothing any more."""
    end: float = min(session.get("at", now) + lifetime, session.get("since", now) + limit)
    return max(0.0, end - now)


def keep_draft(session: MutableMapping[str, Any], sealer: Sealer, path: str, form: Mapping[str, str]) -> bool:
    """Keep what was sent to ``path`` until somebody has signed in; False: it is too long for a cookie.

    One cookie, and no more: proxies take 8 KiB of headers by default, so that several would hardly hold more than one,
    which is compressed; and whatever is longer comes back by way of the page itself (`bwvisu.portal.interrupted`).
    """
    session["draft"] = {"path": path, "form": dict(form)}
    if len(sealer.seal(session)) <= LARGEST - RESERVE:
        return True
    del session["draft"]
    return False


def enter(session: MutableMapping[str, Any], person: Person) -> None:
    """Somebody has proven who it is; nothing of the stranger's session goes on but the form that waits."""
    kept = {key: session[key] for key in ("draft", "language", "theme") if key in session}
    session.clear()
    session.update(kept, person=person.model_dump(mode="json"))
    csrf_token(session)


def leave(session: MutableMapping[str, Any]) -> None:
    """Nobody is here any more; language and theme stay as they were chosen."""
    kept = {key: session[key] for key in ("language", "theme") if key in session}
    session.clear()
    session.update(kept)

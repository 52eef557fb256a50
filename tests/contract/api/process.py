"""The API as a site runs it: a process of its own with a settings file, over a real etcd."""

import asyncio
import secrets
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import yaml

from bwvisu.adapters.etcd import Etcd
from bwvisu.adapters.records import Keys
from tests.contract.api.service import Leader, cluster_settings, token_settings
from tests.support.waiting import eventually_true, free_port


class Process:
    """What a test holds of it."""

    def __init__(self, url: str, log: Path, leader: Leader, trust: ssl.SSLContext | None) -> None:
        self.url = url
        self.leader = leader
        self._log = log
        self._trust = trust

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def client(self, holder: str | None = "portal") -> httpx2.AsyncClient:
        """Speak as the holder of a token; close it."""
        headers = {"Authorization": f"Bearer bwv_{holder}"} if holder else {}
        verify: Any = self._trust or True
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=30, trust_env=False, verify=verify)

    def log(self) -> str:
        """Everything that it has written so far."""
        return self._log.read_text()


@asynccontextmanager
async def process(
    endpoints: list[str], bundles: Path, *, trust: ssl.SSLContext | None = None, **api: Any
) -> AsyncIterator[Process]:
    """Up and ready; ``api`` are further settings of that section, ``trust`` is for its certificate."""
    folder = bundles.parent
    prefix = f"/test-{secrets.token_hex(6)}"
    port = free_port()
    (folder / "bwvisu.yaml").write_text(yaml.safe_dump(settings(endpoints, prefix, bundles, {"port": port, **api})))
    argv = [sys.executable, "-m", "bwvisu", "serve", "api", "--config", str(folder / "bwvisu.yaml")]
    with (folder / "api.log").open("wb") as log:
        running = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: ASYNC220
    try:
        async with Etcd(endpoints) as store:
            leader = Leader(store, Keys(prefix))
            held = Process(f"http{'s' if trust else ''}://127.0.0.1:{port}", folder / "api.log", leader, trust)
            answering = asyncio.create_task(leader.run())
            try:
                await eventually_true(lambda: _ready(held), 120)
                yield held
            finally:
                answering.cancel()
    finally:
        running.terminate()
        running.wait(60)


def settings(endpoints: list[str], prefix: str, bundles: Path, api: Mapping[str, Any]) -> dict[str, Any]:
    """The settings file of such a process."""
    tokens = [token.model_dump(mode="json", exclude_none=True) for token in token_settings()]
    return {
        "etcd": {"endpoints": endpoints, "prefix": prefix},
        "api": {"host": "127.0.0.1", "tokens": tokens, **api},
        "clusters": {"main": cluster_settings().model_dump(mode="json", exclude_none=True, exclude_unset=True)},
        "applications": {"path": str(bundles)},
    }


async def _ready(held: Process) -> bool:
    async with held.client(None) as client:
        try:
            return (await client.get("/readyz")).status_code == 200
        except httpx2.TransportError:
            return False

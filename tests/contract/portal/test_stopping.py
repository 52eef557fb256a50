"""The portal's process as a supervisor sees it."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import yaml
from cryptography.fernet import Fernet

from bwvisu.portal.session import Person, Sealer
from tests.contract.api.service import Service
from tests.support.sse import blocks
from tests.support.waiting import eventually_true, free_port


async def test_sigterm_ends_it_cleanly_though_pages_are_open(api: Service, tmp_path: Path) -> None:
    port, key = free_port(), Fernet.generate_key().decode()
    (tmp_path / "token").write_text("bwv_portal")
    (tmp_path / "key").write_text(key)
    files = {"token_file": str(tmp_path / "token"), "session_key_file": str(tmp_path / "key")}
    cluster = {
        "ssh": {"key_file": "/nowhere", "known_hosts": "/nowhere"},
        "command_nodes": [{"host": "cmd1", "user": "bwvisu"}],
    }
    portal = {"port": port, "api_url": api.url, "auth": {"kind": "local"}, **files}
    (tmp_path / "bwvisu.yaml").write_text(yaml.safe_dump({"clusters": {"main": cluster}, "portal": portal}))
    argv = [sys.executable, "-m", "bwvisu", "serve", "portal", "--config", str(tmp_path / "bwvisu.yaml")]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: ASYNC220
    try:
        await eventually_true(lambda: _answers(port), 60)
        async with blocks(port, "/events", "none", cookie=_cookie(key)) as stream:
            async for block in stream:
                if block.event == "sessions":
                    process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 30) == 0
    finally:
        process.kill()
        process.wait()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line for line in lines if line["level"] not in {"info", "debug"}] == []


def _cookie(key: str) -> str:
    now = int(time.time())
    person = Person(user="alice", name="Alice", clusters=("main",)).model_dump(mode="json")
    return f"bwvisu={Sealer(key).seal({'person': person, 'csrf': 'x', 'at': now, 'since': now})}"


async def _answers(port: int) -> bool:
    async with httpx2.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
        except httpx2.TransportError:
            return False

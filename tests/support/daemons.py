"""Servers that a test starts as processes of its own."""

import socket
import subprocess
import time
from pathlib import Path

PATIENCE = 30.0
"""Seconds for a server to listen."""


def until_listening(process: "subprocess.Popen[bytes]", log: Path, *ports: int) -> None:
    """Wait until it listens on all of them; RuntimeError with its log where it ends, or takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not all(_listens(port) for port in ports):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} does not listen on {ports}: {log.read_text(errors='replace')}")
        time.sleep(0.02)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

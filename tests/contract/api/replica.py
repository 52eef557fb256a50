"""A replica of the API that a test may stop, kill and start again."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import yaml

from tests.contract.api.process import settings
from tests.support.waiting import free_port, until


class Replica:
    """A process beside others on the same ``prefix``; its files lie in ``folder``."""

    def __init__(self, folder: Path, endpoints: list[str], prefix: str, **api: Any) -> None:
        self.port = free_port()
        self.log = folder / f"api-{self.port}.log"
        self._config = folder / f"api-{self.port}.yaml"
        self._config.write_text(yaml.safe_dump(settings(endpoints, prefix, folder, {"port": self.port, **api})))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def resident(self) -> int:
        """Bytes of memory that it occupies."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return 1024 * int(status.partition("VmRSS:")[2].split()[0])

    def start(self) -> None:
        """Start it; see `wait`."""
        argv = [sys.executable, "-m", "bwvisu", "serve", "api", "--config", str(self._config)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait(self, seconds: float = 120) -> None:
        """Until it serves."""
        until(lambda: self.get("/readyz"), seconds, "the API is ready")

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 60) -> int:
        """End it by a signal, if it runs; returns its exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        code = self._process.wait(seconds)
        self._process = None
        return code

    def get(self, path: str) -> str:
        """What it answers; empty: nothing good."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return bytes(answer.read()).decode()
        except (URLError, ConnectionError, TimeoutError):
            return ""

"""One more portal of a service, as a process of its own, which a test may end and start again."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import yaml

from bwvisu.cli.local import LocalService
from tests.support.waiting import until


@contextmanager
def portal_of(service: LocalService, folder: Path, url: str, **own: Any) -> Iterator[str]:
    """Its address; ``own``: settings beside those of the service's portal."""
    own = {"port": int(url.rpartition(":")[2]), "public_url": url, **own}
    settings = {**service.settings, "portal": {**service.settings["portal"], **own}}
    (folder / "bwvisu.yaml").write_text(yaml.safe_dump(settings))
    argv = [sys.executable, "-m", "bwvisu", "serve", "portal", "--config", str(folder / "bwvisu.yaml")]
    with (folder / "portal.log").open("ab") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until(lambda: _ready(url), 60, "the portal is ready")
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/readyz", trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False

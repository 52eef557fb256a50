"""One more portal of a service, in a process of its own: with other people, other looks, or without its API."""

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
def portal_of(service: LocalService, folder: Path, url: str, ready: str = "/readyz", **own: Any) -> Iterator[str]:
    """It listens at ``url`` and answers at ``ready``; ``own``: what is other in its settings.

    Who is signed in at the service's portal is so here, too: they have one key, and cookies know no ports.
    """
    changes = {"port": int(url.rpartition(":")[2]), "public_url": url, **own}
    settings = {**service.settings, "portal": {**service.settings["portal"], **changes}}
    (folder / "bwvisu.yaml").write_text(yaml.safe_dump(settings))
    argv = [sys.executable, "-m", "bwvisu", "serve", "portal", "--config", str(folder / "bwvisu.yaml")]
    with (folder / "portal.log").open("ab") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until(lambda: _answers(url + ready), 60, "the portal is ready")
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False

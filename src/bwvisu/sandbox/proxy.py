"""HAProxy on a gateway: its files on the host's disk, and a daemon that the host's init starts by name."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from bwvisu.sandbox import instance
from bwvisu.sandbox.render import File

DAEMON = "haproxy"
FOLDER = "/run/disk/proxy"
"""Where the host sees its files; they outlive its death, the socket in /run/haproxy does not."""
_START = f"mkdir -p /run/haproxy\nexec /usr/sbin/haproxy -db -f {FOLDER}/haproxy.cfg\n"


def install(disk: Path, files: Mapping[str, str]) -> None:
    """Write all that it reads; private, since a certificate's key is among it."""
    own = {f"proxy/{name}": File(text, 0o600) for name, text in files.items()}
    instance.store(disk, own | {f"daemons/{DAEMON}": File(_START)})


def remove(disk: Path) -> None:
    """As if it had never been there."""
    (disk / "daemons" / DAEMON).unlink(missing_ok=True)
    shutil.rmtree(disk / "proxy", ignore_errors=True)

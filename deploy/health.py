"""The image's HEALTHCHECK: ends with 0 when every server of the role that this container runs answers ``/livez``.

The role and its settings file are those of process 1, the container's own command.  A reconciler without
`leader.metrics` listens on nothing and is well as long as its process is there: Docker sees when it is not.
"""

import http.client
import ssl
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from bwvisu.settings import Settings, load

PATIENCE = 4
"""Seconds for one answer; less than the image's ``--timeout``."""
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 names of addresses, nothing listens
LISTENING = {
    "all": ("api", "keyhole", "portal"),
    "api": ("api",),
    "keyhole": ("keyhole",),
    "portal": ("portal",),
    "reconciler": ("leader",),
}


def command(words: Sequence[str]) -> tuple[str, Path | None]:
    """The role and the settings file of a ``bwvisu serve`` command line; raises ValueError where it is another one."""
    role, *rest = words[words.index("serve") + 1 :]
    joined = dict(word.split("=", 1) for word in rest if word.startswith("--config="))
    apart = {option: value for option, value in pairwise(rest) if option in {"--config", "-c"}}
    found = {**joined, **apart}
    return role, Path(next(iter(found.values()))) if found else None


def answers(settings: Settings, part: str) -> bool:
    """Whether one server says 200 to ``/livez``; one that the settings do not have needs not."""
    server = settings.leader.metrics if part == "leader" else getattr(settings, part)
    if server is None:
        return True
    host = EVERYWHERE.get(server.host, server.host)
    # It is our own process on our own address: its certificate names another one.
    plain = ssl._create_unverified_context()  # noqa: S323
    connection = (
        http.client.HTTPSConnection(host, server.port, timeout=PATIENCE, context=plain)
        if getattr(server, "tls", None)
        else http.client.HTTPConnection(host, server.port, timeout=PATIENCE)
    )
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main(process: Path = Path("/proc/1/cmdline")) -> int:
    """The exit code: 0 well, 1 not."""
    role, config = command(process.read_text().split("\0"))
    settings = load(config)
    silent = [part for part in LISTENING.get(role, ()) if not answers(settings, part)]
    if silent:
        print(f"no answer: {', '.join(silent)}")
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())

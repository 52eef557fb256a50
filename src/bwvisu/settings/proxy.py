"""Single-port mode: HAProxy on the gateways in a packet filter's place."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from bwvisu.settings.types import Duration, Port, Section

_WILDCARD = re.compile(r"[a-z0-9-]*(?:\{id\}-[a-z0-9-]*\{port\}|\{port\}-[a-z0-9-]*\{id\})(?:\.[a-z0-9-]+)+")
EXAMPLE = "{id}-{port}.gw1.viz.example.org"


class ProxySettings(Section):
    """How users are let in where `backend` is `proxy`."""

    key_file: Path
    """Private key (P-256, PEM) that signs what lets a browser in; the gateways hold its public half."""
    port: Port = 443
    """The one port that users reach a gateway at."""
    lifetime: Annotated[Duration, Field(ge=60, le=7 * 86400)] = 8 * 3600
    """Seconds for which one *Connect* lets a browser in; a connection that is open by then goes on."""


def faults(proxied: bool, external_hosts: Sequence[tuple[str, str]]) -> Iterator[str]:
    """What is wrong with the gateways' names: pairs (gateway, its ``external_host``)."""
    for name, host in external_hosts:
        if proxied and not _WILDCARD.fullmatch(host):
            yield (
                f"the external_host of gateway {name!r} must be a name in lower case with both {{id}} and {{port}} "
                f"in its first label where forwards.backend is proxy, such as {EXAMPLE}"
            )
        if not proxied and "{port}" in host:
            yield f"the external_host of gateway {name!r} holds {{port}}: only forwards.backend: proxy fills it in"
    twice = [host for host, count in Counter(host for _, host in external_hosts).items() if count > 1]
    if proxied and twice:
        yield f"two gateways are reached as {twice[0]}: a host name leads to one gateway"

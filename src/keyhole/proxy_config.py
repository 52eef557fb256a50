"""HAProxy's configuration on a gateway: static, and installed by the administrator.

It knows no forward: all that changes is one map in memory (`keyhole.nat.proxy`).  A request is let through where its
host name is in the map, the way leads into a compute network, and a token that the service has signed (ES256) for this
very host name has not expired.  The token comes once in a posted form, then as a cookie that the application never
sees: `ENTER` asks for the cookie and is sent to the same page again, `TOKEN` is one more field of the application's
own form, which goes on to the application.  It is in no address, hence in no log.

Measured with HAProxy 2.6: ``set-dst`` is judged for each request of a connection that lives on; what is no token does
not pass ``jwt_verify``; a cookie header may be left empty by ``replace-header``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from ipaddress import IPv4Network, IPv6Network

COOKIE = "__Host-bwvisu"
"""With this prefix a browser keeps it for one host name, and takes it from nobody else (RFC 6265bis)."""
ENTER = "bwvisu_enter"
TOKEN = "bwvisu_token"  # noqa: S105 the name of a field
HTTPS = 443


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gateway keeps what the configuration names: absolute paths."""

    certificate: str
    """PEM: certificate, chain and private key."""
    public_key: str
    """PEM of the key that tokens are verified with."""
    map: str
    """A file, empty; its name is that of the map."""
    socket: str
    """HAProxy makes it."""
    group: str
    """May open the socket: the middleware's account alone."""

    @classmethod
    def of(cls, name: str, *, socket: str, group: str, folder: str = "/etc/haproxy") -> "Place":
        """All in one folder, under the name of ours."""
        return cls(f"{folder}/{name}.pem", f"{folder}/{name}.pub", f"{folder}/{name}.map", socket, group)


def haproxy(name: str, place: Place, networks: Iterable[IPv4Network | IPv6Network], *, bind: str, port: int) -> str:
    """The whole file for a gateway whose HAProxy serves one installation only.

    ``name``: of frontend, backend and table; ``bind``: ``address:port`` to listen at; ``port``: what browsers ask.
    """
    words = {
        "NAME": name,
        "SOCKET": place.socket,
        "GROUP": place.group,
        "BIND": bind,
        "CERTIFICATE": place.certificate,
        "PUBLIC_KEY": place.public_key,
        "MAP": place.map,
        "NETWORKS": " ".join(map(str, networks)),
        "SUFFIX": "" if port == HTTPS else f":{port}",
        "COOKIE": COOKIE,
        "ENTER": ENTER,
        "TOKEN": TOKEN,
    }
    text = files("keyhole").joinpath("haproxy.cfg").read_text()
    for word, meaning in words.items():
        text = text.replace(f"@{word}@", meaning)
    return text

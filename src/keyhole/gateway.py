"""What a gateway is asked, and how its answer is read: for each text of `scripts` its arguments and a parser.

An answer without the closing line ``END <word> …`` was cut short and is `Unanswered`, whatever it holds.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from keyhole.activity import Flow, Listed
from keyhole.domain import Family, Fence, Gateway, host_name
from keyhole.interfaces import Answer, NoAnswer
from keyhole.nat.model import Backend, Listing, Passage, Table, Target, frame_name
from keyhole.proxy_scripts import LOAD_PROXY, TRAFFIC_PROXY
from keyhole.scripts import FLOWS, LOAD, LOOK, PROBE, RESOLVE

_FAMILIES: Mapping[Family, str] = {4: "ip", 6: "ip6"}
"""As nft calls them."""
UNLISTED = "connections that must end could not be listed by conntrack"


class Fenced(NamedTuple):
    """The gateway has seen a greater fence: this leader is no longer the leader."""

    fence: Fence


class Refused(NamedTuple):
    """The packet filter did not take the input; nothing of it was applied (for iptables: of that table)."""

    reason: str


class Uncut(NamedTuple):
    """The rules are loaded, but connections could not be listed, hence not cut."""

    reason: str


class Unanswered(NamedTuple):
    """The gateway could not do it, or what it did is unknown."""

    reason: str


class Traffic(NamedTuple):
    """Of one external port at a proxy, since HAProxy was started or the port was quiet for a day."""

    connections: int
    """Requests, and connections that became something else (WebSockets), which are served now."""
    received: int
    """Bytes from users; a connection that lives on is counted as it goes."""
    sent: int
    """Bytes to users."""

    def flows(self, target: Target) -> list[Flow]:
        """As conntrack would list its connections; the first has all bytes, so that none is counted twice."""
        present = self.connections > 0
        first = Flow(("proxy", "", 0), target, present, self.received, self.sent, attended=present)
        more = (("proxy", "", number) for number in range(1, self.connections))
        return [first, *(Flow(key, target, established=True, bytes_in=0, bytes_out=0) for key in more)]


class Loaded(NamedTuple):
    """Rules loaded, connections cut."""


@dataclass(frozen=True, slots=True)
class Remote:
    """One call of a text: what `GatewayShell.run` needs beside the gateway's name."""

    script: str
    args: tuple[str, ...]
    stdin: bytes


class Guard(NamedTuple):
    """Whose rules, on which gateway, on whose authority."""

    gateway: Gateway
    installation: str
    fence: Fence

    def args(self) -> tuple[str, str, str, str]:
        """The first arguments of every fenced text."""
        # The gateway's name is part of the file's: homes are often shared by all nodes of a cluster.
        if not host_name(name := f"{self.installation}.{self.gateway.name}"):
            raise ValueError(f"not a gateway's name: {self.gateway.name!r}")
        return self.gateway.sudo, name, str(self.fence.generation), str(self.fence.epoch)


def look(guard: Guard, table: str, *, flows: bool = False) -> Remote:
    """List the packet filters and the proxy's map, and, with ``flows``, what is translated.

    ``table``: the name that nftables and HAProxy know ours by.
    """
    args, gateway = guard.args(), guard.gateway
    own = (table, _FAMILIES[gateway.family], "flows" if flows else "", gateway.proxy_socket)
    return Remote(LOOK, (*args, *own), b"")


def load(guard: Guard, backend: Backend, rules: str, cuts: Iterable[tuple[int, str, Target]]) -> Remote:
    """Load ``rules`` in one transaction, then cut the connections of ``cuts``, see `cuts_of`."""
    lines = (f"#cut {port} {source} {target.address} {target.port}" for port, source, target in cuts)
    # The trailing newlines that `$(cat)` strips must not be counted.
    text = "\n".join(filter(None, [rules, *lines])).rstrip("\n").encode()
    if backend == "proxy":
        own = (frame_name(guard.installation), str(len(text)), guard.gateway.proxy_socket)
        return Remote(LOAD_PROXY, (*guard.args(), *own), text)
    return Remote(LOAD, (*guard.args(), backend, str(len(text)), _FAMILIES[guard.gateway.family]), text)


def traffic(gateway: Gateway, installation: str) -> Remote:
    """What has passed a gateway's proxy, which conntrack does not see by forward."""
    return Remote(TRAFFIC_PROXY, (gateway.sudo, frame_name(installation), gateway.proxy_socket), b"")


def probe(gateway: Gateway, targets: Iterable[Target]) -> Remote:
    """Ask for each target whether something accepts connections there."""
    lines = sorted({f"{target}\n" for target in targets})
    each = max(1, min(8, len(lines) // 32))
    return Remote(PROBE, (gateway.sudo, str(each)), "".join(lines).encode("ascii"))


def resolve(gateway: Gateway, names: Iterable[str]) -> Remote:
    """Look names up as the gateway does.  Raises ValueError for what is no host name."""
    wanted = sorted(set(names))
    bad = [name for name in wanted if not host_name(name)]
    if bad:
        raise ValueError(f"not a host name: {bad[0]!r}")
    stdin = "".join(f"{name}\n" for name in wanted).encode("ascii")
    return Remote(RESOLVE, (gateway.sudo, str(gateway.family)), stdin)


def flows(gateway: Gateway) -> Remote:
    """List the translated connections; of the family that the users' address of this gateway is of."""
    return Remote(FLOWS, (gateway.sudo, f"ipv{gateway.family}"), b"")


def read_look(answer: Answer | NoAnswer) -> Listing | Fenced | Unanswered:
    """What `LOOK` printed."""
    body = _body(answer)
    if not isinstance(body, str):
        return body if isinstance(body, Fenced | Unanswered) else Unanswered(body.reason)
    sections = dict(_sections(body))
    works, proxy = "works" in sections, sections.get("proxy")
    if not works and sections.get("nat") is None and proxy is None:
        return Unanswered("neither nft nor iptables-save works here, and no HAProxy answers at its socket")
    flows = _passages(sections["flows"]) if "flows" in sections else None
    nft, blind = sections.get("nft") if works else None, "blind" in sections
    return Listing(works, nft, sections.get("nat"), sections.get("filter"), blind, flows, proxy)


def read_load(answer: Answer | NoAnswer) -> Loaded | Fenced | Refused | Uncut | Unanswered:
    """How `LOAD` ended."""
    body = _body(answer)
    return Loaded() if isinstance(body, str) else body


def read_probe(answer: Answer | NoAnswer) -> Mapping[Target, bool] | Unanswered:
    """Target -> whether it accepts connections; targets that could not be probed are missing."""
    body = _body(answer)
    if not isinstance(body, str):
        return Unanswered(str(body))
    matches = (
        re.fullmatch(r"(\[[0-9a-f:.]+\]:[0-9]{1,5}|[0-9.]+:[0-9]{1,5}) ([01])", line) for line in body.splitlines()
    )
    return {Target.parse(match[1]): match[2] == "0" for match in matches if match}


def read_resolve(answer: Answer | NoAnswer) -> Mapping[str, Sequence[str]] | Unanswered:
    """Name -> its addresses of the gateway's family, in the resolver's order; names that were not found are missing."""
    body = _body(answer)
    if not isinstance(body, str):
        return Unanswered(str(body))
    found: dict[str, list[str]] = {}
    for line in body.splitlines():
        name, _, address = line.partition(" ")
        if address:
            found.setdefault(name, []).append(address)
    return found


def read_traffic(answer: Answer | NoAnswer) -> Mapping[int, Traffic] | Unanswered:
    """External port -> what has passed; ports that nobody has asked for are missing."""
    body = _body(answer)
    if not isinstance(body, str):
        return Unanswered(str(body))
    found = {}
    for line in body.splitlines():
        counted = {name: int(number) for name, number in re.findall(r"\b(\w+)=([0-9]{1,20})\b", line)}
        if {"key", "conn_cur", "bytes_in_cnt", "bytes_out_cnt"} <= counted.keys():
            found[counted["key"]] = Traffic(counted["conn_cur"], counted["bytes_in_cnt"], counted["bytes_out_cnt"])
    return found


_FLOW = re.compile(
    r"tcp +6 \d+ (?P<state>[A-Z_0-9]+) src=(?P<client>\S+) dst=\S+ sport=(?P<client_port>\d+) dport=(?P<port>\d+)"
    r"(?: packets=\d+ bytes=(?P<bytes_in>\d+))?(?P<unreplied> \[UNREPLIED\])?"
    r" src=(?P<address>\S+) dst=\S+ sport=(?P<inner>\d+) dport=\d+(?: packets=\d+ bytes=(?P<bytes_out>\d+))?"
    r".* id=(?P<id>\d+)"
)
"""A line of ``conntrack -L -o id`` (1.4.7); without ``nf_conntrack_acct`` at its beginning, a flow is not counted."""


def read_flows(answer: Answer | NoAnswer) -> Listed | Unanswered:
    """What `FLOWS` printed: by external port."""
    body = _body(answer)
    if not isinstance(body, str):
        return Unanswered(body.reason if isinstance(body, Unanswered) else str(body))
    found: dict[int, list[Flow]] = {}
    lines = body.splitlines()
    for match in filter(None, map(_FLOW.match, lines)):
        found.setdefault(int(match["port"]), []).append(_flow(match))
    return Listed("counted 1" in lines[:1], found)


def _flow(match: re.Match[str]) -> Flow:
    bytes_in, bytes_out = match["bytes_in"], match["bytes_out"]
    return Flow(
        key=(match["id"], match["client"], int(match["client_port"])),
        target=Target(match["address"], int(match["inner"])),
        established=match["state"] == "ESTABLISHED",
        bytes_in=int(bytes_in) if bytes_in is not None else None,
        bytes_out=int(bytes_out) if bytes_out is not None else None,
    )


def cuts_of(*tables: Table, flows: Iterable[Passage] = ()) -> list[tuple[int, str, Target]]:
    """(external port, source, target) of all connections of these forwards, whatever their source, and of ``flows``."""
    whole = {(port, "*", way.target) for table in tables for port, way in table.items()}
    return sorted(whole | {(flow.port, flow.source, flow.target) for flow in flows})


def _body(answer: Answer | NoAnswer) -> str | Fenced | Refused | Uncut | Unanswered:
    """What stands before the closing line ``END ok``, or what another closing line says."""
    if isinstance(answer, NoAnswer):
        return Unanswered(answer.reason)
    text = answer.stdout.decode("utf-8", "replace")
    body, _, closing = text.rpartition("\nEND ")
    if not (match := re.fullmatch(r"(\w+) ?(.*)\n", closing)):
        said = answer.stderr.decode("utf-8", "replace").strip()[-300:]
        return Unanswered(f"no closing line (exit status {answer.exit_status}) {said}".rstrip())
    return body if match[1] == "ok" else _failure(match[1], match[2])


def _failure(word: str, detail: str) -> Fenced | Refused | Uncut | Unanswered:
    if word == "fenced" and (fence := re.fullmatch(r"([0-9]{1,20}) ([0-9]{1,20})", detail)):
        return Fenced(Fence(int(fence[1]), int(fence[2])))
    match word:
        case "refused":
            return Refused(detail)
        case "uncut":
            return Uncut(UNLISTED)
    return Unanswered(detail or word)


def _passages(text: str) -> frozenset[Passage]:
    """What `flows` of the texts prints."""
    lines = (line.split() for line in text.splitlines() if line)
    return frozenset(Passage(int(port), source, Target(address, int(inner))) for port, source, address, inner in lines)


def _sections(body: str) -> Iterable[tuple[str, str]]:
    """(name, text) of each section whose command succeeded."""
    for part in re.split(r"^== ", body, flags=re.MULTILINE)[1:]:
        header, _, text = part.partition("\n")
        name, _, status = header.partition(" ")
        if status == "0":
            yield name, text

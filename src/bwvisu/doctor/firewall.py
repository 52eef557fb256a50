"""A gateway's packet filters and ports: what works there, what drops our packets, who else has our ports.  Pure."""

import re
from collections.abc import Iterator

from bwvisu.doctor.facts import Facts, Said
from bwvisu.doctor.findings import ROOT, SETTINGS, Finding, fault, ok, unknown
from keyhole.domain import Family, Fence, ForwardPolicy
from keyhole.gateway import Fenced, Unanswered
from keyhole.nat.choice import choose
from keyhole.nat.choice import listed as readable
from keyhole.nat.conflicts import conflicts
from keyhole.nat.model import Backend, Frame, Listing

INSTALLATION = "doctor"
"""Names what the doctor itself makes on a gateway; no installation is called so, since theirs have eight characters."""
FENCE = Fence(1, 1)
_OURS = "-A bwv-"
"""Begins the rules of any installation of ours, as iptables shows them."""
_LISTEN = re.compile(r"^ *\d+: (?P<address>[0-9A-F]+):(?P<port>[0-9A-F]{4}) [0-9A-F]+:0000 0A ", re.MULTILINE)
_LOOPBACK = frozenset({"0100007F", "00000000000000000000000001000000"})
_CHAIN = re.compile(r"^\s*type filter hook forward .*policy (?P<policy>\w+);", re.MULTILINE)


def frame(policy: ForwardPolicy, family: Family) -> Frame:
    """What stands around a forward of the doctor's."""
    networks = tuple(each for each in policy.compute_networks if each.version == family)
    return Frame(INSTALLATION, policy.first_port, policy.last_port, networks, family)


def judge(
    listing: Listing | Fenced | Unanswered, said: Facts, policy: ForwardPolicy, family: Family
) -> Iterator[Finding]:
    """Filter, FORWARD, ports."""
    yield _filter(listing, policy)
    if policy.backend == "proxy":
        return
    if isinstance(listing, Listing):
        yield _forward(listing, said["chains"], policy, family)
    yield _ports(listing, said["listening"], policy, family)


def _filter(listing: Listing | Fenced | Unanswered, policy: ForwardPolicy) -> Finding:
    names = {
        "nftables": "nft",
        "iptables": "iptables-save",
        "auto": "neither nft nor iptables-save",
        "proxy": "HAProxy",
    }
    package = "iptables" if policy.backend == "iptables" else "nftables"
    line = "systemctl restart haproxy" if policy.backend == "proxy" else f"apt-get install {package} conntrack"
    if not isinstance(listing, Listing):
        why = listing.reason if isinstance(listing, Unanswered) else "another doctor is at work there"
        if "works here" in why:
            return fault("filter", why, ROOT, line)
        return unknown("filter", why)
    driver = choose(policy.backend, listing)
    if not readable(driver, listing):
        return fault("filter", f"{names[policy.backend]} does not work here", ROOT, line)
    return ok("filter", driver.backend)


def _forward(listing: Listing, chains: Said, policy: ForwardPolicy, family: Family) -> Finding:
    """Where FORWARD drops by policy, what lets our packets pass must be there; only a real packet proves more."""
    backend = choose(policy.backend, listing).backend
    dropped = "\n:FORWARD DROP" in f"\n{listing.filter or ''}"
    elsewhere = [each for each in foreign_chains(chains.text) if each[1] == "drop" and each[0] not in _IPTABLES_CHAINS]
    if elsewhere:
        names = ", ".join(name for name, _ in elsewhere)
        return fault("forward-policy", f"{names} drops what is not allowed", ROOT, _nft_line(elsewhere[0][0], policy))
    if not dropped or backend == "iptables":
        return ok("forward-policy", "accepts our packets" if dropped else "accepts")
    rules = [line for line in (listing.filter or "").splitlines() if line.startswith("-A FORWARD")]
    span = f"{policy.first_port}:{policy.last_port}"
    if any("--ctorigdstport" in rule and span in rule and "ACCEPT" in rule for rule in rules):
        return ok("forward-policy", "drops, and accepts our packets")
    detail = "FORWARD drops by policy, and no rule accepts what comes in by our ports"
    return fault("forward-policy", detail, ROOT, _iptables_line(span, family))


_IPTABLES_CHAINS = frozenset({"ip filter FORWARD", "ip6 filter FORWARD"})


def foreign_chains(text: str) -> list[tuple[str, str]]:
    """(family, table and chain; policy) of all chains at nft's forward hook, from ``nft list chains``."""
    found, table, chain = [], "", ""
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["table"]:
            table = " ".join(words[1:3])
        elif words[:1] == ["chain"]:
            chain = words[1]
        elif match := _CHAIN.match(line):
            found.append((f"{table} {chain}", match["policy"]))
    return found


def _iptables_line(span: str, family: Family) -> str:
    program = "iptables" if family == 4 else "ip6tables"
    return f"{program} -I FORWARD -p tcp -m conntrack --ctstate DNAT --ctorigdstport {span} -j ACCEPT"


def _nft_line(chain: str, policy: ForwardPolicy) -> str:
    ports = f"{policy.first_port}-{policy.last_port}"
    return f"nft insert rule {chain} meta l4proto tcp ct status dnat ct original proto-dst {ports} accept"


def _ports(listing: Listing | Fenced | Unanswered, listening: Said, policy: ForwardPolicy, family: Family) -> Finding:
    """Whether the whole block is ours: nobody listens in it, nobody else translates it."""
    span = f"{policy.first_port}-{policy.last_port}"
    taken = sorted(port for port in listeners(listening.text) if policy.first_port <= port <= policy.last_port)
    if taken:
        shown = ", ".join(map(str, taken[:5])) + (" ..." if len(taken) > 5 else "")
        line = f"ss -ltnp 'sport >= {policy.first_port} and sport <= {policy.last_port}'   # end it, or move port_range"
        return fault("ports", f"somebody listens on {shown} of {span}", ROOT, line)
    if isinstance(listing, Listing):
        foreign = [each for each in conflicts(listing, frame(policy, family)) if not each.rule.startswith(_OURS)]
        if foreign:
            line = f"iptables -t nat -D{foreign[0].rule.removeprefix('-A')}"
            return fault("ports", f"another rule translates ports of {span}: {foreign[0].rule}", ROOT, line)
        if listing.blind:
            return unknown("ports", "iptables-save does not work any more: foreign rules may be there")
    if not listening.text.strip():
        return unknown("ports", "its listening sockets cannot be read")
    return ok("ports", f"{span} are free")


def listeners(text: str) -> set[int]:
    """TCP ports on which something listens for other hosts, from ``/proc/net/tcp`` and ``tcp6``."""
    return {int(each["port"], 16) for each in _LISTEN.finditer(text) if each["address"] not in _LOOPBACK}


def backend_of(policy: ForwardPolicy, listing: Listing) -> Backend:
    """What carries forwards there."""
    return choose(policy.backend, listing).backend


__all__ = ["FENCE", "INSTALLATION", "SETTINGS", "backend_of", "frame", "judge", "listeners"]

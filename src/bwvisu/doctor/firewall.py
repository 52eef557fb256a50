"""A gateway's packet filters and ports: what works there, what drops our packets, who else has our ports.  Pure."""

import re
from collections.abc import Iterator, Sequence

from bwvisu.doctor.facts import Facts, Said
from bwvisu.doctor.findings import ROOT, Finding, Verdict, fault, ok, unknown
from keyhole.domain import Family, Fence, ForwardPolicy
from keyhole.gateway import Fenced, Unanswered
from keyhole.nat.choice import choose
from keyhole.nat.choice import listed as readable
from keyhole.nat.conflicts import conflicts
from keyhole.nat.model import Frame, Listing

INSTALLATION = "doctor"
"""Names what the doctor itself makes on a gateway; no installation is called so, since theirs have eight characters."""
FENCE = Fence(1, 1)
_OURS = "-A bwv-"
"""Begins the rules of any installation of ours, as iptables shows them."""
_LISTEN = re.compile(r"^ *\d+: (?P<address>[0-9A-F]+):(?P<port>[0-9A-F]{4}) [0-9A-F]+:0000 0A ", re.MULTILINE)
_LOOPBACK = frozenset({"0100007F", "00000000000000000000000001000000"})


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
        yield _forward(listing, said["dropping"], policy, family)
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
    verdicts = [_chain(*each, policy) for each in dropping_chains(chains.text) if each[0] not in _IPTABLES_CHAINS]
    dropped = "\n:FORWARD DROP" in f"\n{listing.filter or ''}"
    if dropped and choose(policy.backend, listing).backend == "nftables":
        verdicts.append(_of_iptables(listing.filter or "", policy, family))
    order = (Verdict.FAULT, Verdict.UNKNOWN, Verdict.OK)
    worst_first = sorted(verdicts, key=lambda each: order.index(each.verdict))
    return worst_first[0] if worst_first else ok("forward-policy", "our rules accept" if dropped else "accepts")


def _of_iptables(text: str, policy: ForwardPolicy, family: Family) -> Finding:
    """iptables' FORWARD, which drops by policy."""
    span = f"{policy.first_port}:{policy.last_port}"
    program = "iptables" if family == 4 else "ip6tables"
    line = f"{program} -I FORWARD -p tcp -m conntrack --ctstate DNAT --ctorigdstport {span} -j ACCEPT"
    rules = [rule for rule in text.splitlines() if rule.startswith("-A FORWARD")]
    lets_pass = any(f"--ctorigdstport {span} " in rule and rule.endswith("-j ACCEPT") for rule in rules)
    return _dropping("FORWARD", line, lets_pass=lets_pass, others=len(rules))


def _chain(name: str, rules: Sequence[str], policy: ForwardPolicy) -> Finding:
    """One of the site's own chains, which drops by policy."""
    passing = f"ct original proto-dst {policy.first_port}-{policy.last_port}"
    line = f"nft insert rule {name} meta l4proto tcp ct status dnat {passing} accept"
    lets_pass = any(passing in rule and rule.endswith("accept") for rule in rules)
    return _dropping(name, line, lets_pass=lets_pass, others=len(rules))


def _dropping(name: str, line: str, *, lets_pass: bool, others: int) -> Finding:
    if lets_pass:
        return ok("forward-policy", f"{name} drops by policy, and accepts our packets")
    if others:
        why = f"{name} drops by policy; whether its rules accept our packets, --user and --outside tell"
        return unknown("forward-policy", f"{why} (else: {line})")
    return fault(
        "forward-policy", f"{name} drops by policy, and no rule accepts what comes in by our ports", ROOT, line
    )


def settled(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """A gateway's findings, where a real packet that passed proves more than reading rules does."""
    if not any(one.check == "outside" and one.verdict is Verdict.OK for one in findings):
        return tuple(findings)
    passed = ok("forward-policy", "a packet from outside passed")
    read_only = (Verdict.FAULT, Verdict.UNKNOWN)
    return tuple(passed if one.check == "forward-policy" and one.verdict in read_only else one for one in findings)


_IPTABLES_CHAINS = frozenset({"ip filter FORWARD", "ip6 filter FORWARD"})


def dropping_chains(text: str) -> list[tuple[str, list[str]]]:
    """(family, table and chain; rules) of each chain that nft listed, one ``nft list chain`` after the other."""
    found: list[tuple[str, list[str]]] = []
    table = ""
    for line in map(str.strip, text.splitlines()):
        words = line.split()
        if words[:1] == ["table"]:
            table = " ".join(words[1:3])
        elif words[:1] == ["chain"]:
            found.append((f"{table} {words[1]}", []))
        elif found and words and words[0] not in {"}", "type"}:
            found[-1][1].append(line)
    return found


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

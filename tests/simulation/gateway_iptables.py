"""iptables, as far as our driver goes: ``iptables-restore --noflush`` and ``iptables-save`` of 1.8.9 (nf_tables).

What ip6tables does is the same for other addresses.

A rule is kept as it is printed; that is also how ``-D`` finds it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network

from keyhole.domain import Network
from keyhole.nat.model import Target, Translation
from tests.simulation.gateway_nft import Rejected

BUILT_IN: Mapping[str, tuple[str, ...]] = {
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
}
_ENDS = frozenset({"ACCEPT", "DROP", "RETURN", "DNAT", "REDIRECT", "MASQUERADE"})
_OPTIONS = frozenset(
    {"-p", "-m", "-s", "-d", "-i", "-o", "-j", "-g", "--dport", "--dports", "--to-destination", "--to-ports"}
    | {"--comment", "--ctstate", "! --ctstate", "--ctreplsrc", "--ctorigdstport", "--dst-type"}
)
"""Each with one argument."""
_CONNTRACK = ("--ctstate", "! --ctstate", "--ctreplsrc", "--ctorigdstport")
"""In the order of printing."""
_DATE = "Sun Nov 22 20:18:02 2026"

Chains = Mapping[str, Sequence[str]]
"""Chain -> its rules as printed."""
Tables = Mapping[str, Chains]

EMPTY: Tables = {table: dict.fromkeys(chains, ()) for table, chains in BUILT_IN.items()}


def restore(tables: Tables, text: str) -> Iterator[Tables]:
    """All tables after each COMMIT, which ends one transaction; raises `Rejected`."""
    name, chains = "", dict[str, list[str]]()
    number = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("*") and line[1:] in tables and not name:
            name, chains = line[1:], {chain: list(rules) for chain, rules in tables[line[1:]].items()}
        elif line == "COMMIT" and name:
            tables, name = {**tables, name: chains}, ""
            yield tables
        elif name:
            _change(chains, line.split(), number)
        else:
            raise Rejected(f"iptables-restore: line {number} failed")
    if name:
        raise Rejected(f"iptables-restore: COMMIT expected at line {number + 1}")


def _change(chains: dict[str, list[str]], words: list[str], number: int) -> None:
    """Obey one line within a table."""
    match words:
        case [head, "-", "[0:0]"] if head.startswith(":"):
            chains[head[1:]] = []
        case [_, chain, *_] if chain not in chains:
            raise Rejected(f"iptables-restore: line {number} failed: No chain/target/match by that name.")
        case ["-F", chain]:
            chains[chain].clear()
        case ["-X", chain]:
            if chains[chain] or any(target_of(rule) == chain for rules in chains.values() for rule in rules):
                raise Rejected(f"iptables-restore: line {number}: CHAIN_DEL failed (Device or resource busy)")
            del chains[chain]
        case [verb, chain, *rule]:
            _edit(verb, chains[chain], printed(rule, chains), number)
        case _:
            raise Rejected(f"Bad argument `{words[0]}'\nError occurred at line: {number}")


def _edit(verb: str, rules: list[str], rule: str, number: int) -> None:
    """Obey a line that names a rule."""
    if verb == "-A":
        rules.append(rule)
    elif verb == "-I":
        rules.insert(0, rule)
    elif verb == "-D" and rule in rules:
        rules.remove(rule)
    elif verb == "-D":
        raise Rejected(f"iptables-restore: line {number} failed: Bad rule (does a matching rule exist in that chain?).")
    else:
        raise Rejected(f"Bad argument `{verb}'\nError occurred at line: {number}")


def printed(words: Sequence[str], chains: Chains) -> str:
    """A rule as ``iptables-save`` prints it; raises `Rejected` where it cannot be one.  A leading 1: its position."""
    words = words[1:] if words[:1] == ["1"] else words
    words = " ".join(words).replace("! ", "!\0").split()
    words = [word.replace("\0", " ") for word in words]
    options = list(zip(words[::2], words[1::2], strict=False))
    if len(words) % 2 or any(option not in _OPTIONS for option, _ in options):
        raise Rejected(f"iptables-restore: unknown option in {' '.join(words)!r}")
    for option, value in options:
        if option in {"--dport", "--dports"} and not _ports(value):
            raise Rejected(f"iptables-restore: invalid port/service `{value}' specified")
        if option in {"-j", "-g"} and value not in _ENDS and value not in chains:
            raise Rejected(f"iptables-restore v1.8.9 (nf_tables): Chain '{value}' does not exist")
    conntrack = iter(sorted((each for each in options if each[0] in _CONNTRACK), key=lambda o: _CONNTRACK.index(o[0])))
    ordered = (next(conntrack) if each[0] in _CONNTRACK else each for each in options)
    return " ".join(f"{option} {_value(option, value)}" for option, value in ordered)


def _value(option: str, value: str) -> str:
    if option == "--comment":
        bare = value.strip('"')
        return bare if re.fullmatch(r"[\w-]+", bare) else f'"{bare}"'
    return re.sub("/(32|128)$", "", value) if option == "--ctreplsrc" else value


def _ports(text: str) -> list[range]:
    """The ranges of a ``--dport`` or ``--dports``; none where they are no ports."""
    bounds = [part.split(":") for part in text.split(",")]
    if not all(each.isdecimal() and int(each) < 1 << 16 for pair in bounds for each in pair):
        return []
    return [range(int(pair[0]), int(pair[-1]) + 1) for pair in bounds]


def target_of(rule: str) -> str:
    """Where the packets go that a rule selects."""
    words = rule.split()
    return next((words[n + 1] for n, word in enumerate(words) if word in {"-j", "-g"}), "")


def translates(nat: Chains, port: int, client: str, chain: str = "PREROUTING") -> Target | None:
    """Where a TCP connection of a client to this port of the gateway is led, by the first rule that says something."""
    for rule in nat[chain]:
        if not _selects(rule, port, client):
            continue
        if (end := target_of(rule)) in nat:
            if found := translates(nat, port, client, end):
                return found
        elif end == "DNAT":
            return _destination(_options(rule), port)
        elif end in _ENDS:
            return None
    return None


def drops(filters: Chains, port: int, client: str, chain: str = "INPUT") -> bool:
    """Whether a new TCP connection to this port of the gateway itself gets no answer."""
    for rule in filters[chain]:
        if _selects(rule, port, client):
            end = target_of(rule)
            if end == "DROP" or (end in filters and drops(filters, port, client, end)):
                return True
    return False


def _selects(rule: str, port: int, client: str) -> bool:
    options = _options(rule)
    if (source := options.get("-s")) and ip_address(client) not in ip_network(source):
        return False
    return any(port in each for each in _ports(options.get("--dport") or options.get("--dports") or "0:65535"))


def forwards(rules: Sequence[str]) -> Mapping[int, Translation]:
    """What a chain of ours translates; of two targets for one port the first."""
    found: dict[int, Translation] = {}
    for options in map(_options, rules):
        port = int(options["--dport"])
        target = _destination(options, port)
        source: frozenset[Network] | None = frozenset([ip_network(options["-s"])]) if "-s" in options else None
        known = found.setdefault(port, Translation(*target, source))
        if known.target == target and known.sources is not None and source is not None:
            found[port] = Translation(*target, known.sources | source)
        elif known.target == target:
            found[port] = Translation(*target, None)
    return found


def _options(rule: str) -> Mapping[str, str]:
    words = rule.replace("! ", "!").split()
    return dict(zip(words[::2], words[1::2], strict=True))


def _destination(options: Mapping[str, str], port: int) -> Target:
    to = options["--to-destination"]
    return Target.parse(to if ":" in to else f"{to}:{port}")


def save(table: str, chains: Chains, family: str = "ip") -> str:
    """``iptables-save -t TABLE`` of a family; the date stands still."""
    own = sorted(chains.keys() - BUILT_IN[table])
    rules = (f"-A {chain} {rule}" for chain in (*BUILT_IN[table], *own) for rule in chains[chain])
    return "\n".join(
        [
            f"# Generated by {family}tables-save v1.8.9 (nf_tables) on {_DATE}",
            f"*{table}",
            *(f":{chain} ACCEPT [0:0]" for chain in BUILT_IN[table]),
            *(f":{chain} - [0:0]" for chain in own),
            *rules,
            "COMMIT",
            f"# Completed on {_DATE}",
        ]
    )

"""iptables: three own chains in ``nat`` and ``filter``, loaded by ``iptables-restore --noflush``.

Review notes: the line ``:CHAIN - [0:0]`` creates or empties *only* that chain, also with ``--noflush``.  Each table is
one transaction; ``filter`` goes first, since accepting flows that do not exist yet is harmless.  ``-D`` of an absent
rule fails the whole table: that is how a change against an outdated picture is noticed.  Hooks are part of the same
transaction: the listing shows which are there, so that each is inserted exactly once.  They select our port block
and the gateway's own addresses, so that other traffic never walks through thousands of rules; the chain in FORWARD
has one rule per compute network, because every packet of every connection passes it.

Where a foreign rule translates ports of our block, ours must be asked first: the hook moves to the front again.
"""

import re
from collections import Counter
from collections.abc import Mapping

from keyhole.nat.conflicts import conflicts
from keyhole.nat.model import Actual, Backend, Change, Frame, Listing, Table, Target, checked

_FORWARD = re.compile(r"-p tcp -m tcp --dport ([0-9]{1,5}) -j DNAT --to-destination ([0-9.]{7,15}):([0-9]{1,5})")


class Iptables:
    """Driver for iptables, with the kernel's old tables or on top of nf_tables (tested with 1.8.9)."""

    backend: Backend = "iptables"

    def parse(self, listing: Listing, frame: Frame) -> Actual:
        """Read ``iptables-save``; rules of ours that are not understood make it not intact."""
        own = _Own(frame)
        for table, text in (("nat", listing.nat), ("filter", listing.filter)):
            for line in (text or "").split("\n"):  # a comment may hold what else Python takes for a line end
                own.read(table, line)
        rivals = any(not rival.rule.startswith("-A bwv-") for rival in conflicts(listing, frame))
        return own.actual(first=rivals)

    def render(self, frame: Frame, desired: Table, change: Change, actual: Actual) -> str:
        """Input for ``iptables-restore --noflush``."""
        if change.whole:
            return _whole(frame, desired, actual)
        pre = f"{frame.name}-pre"
        gone = (f"-D {pre} {_rule(port, target)}" for port, target in checked(change.remove).items())
        new = (f"-A {pre} {_rule(port, target)}" for port, target in checked(change.add).items())
        return "\n".join(["*nat", *gone, *new, "COMMIT"])

    def render_removal(self, frame: Frame, actual: Actual) -> str:
        """Input that unhooks, empties and deletes the chains that ``actual`` shows."""
        del frame
        parts = []
        for table in ("nat", "filter"):
            chains = [chain for where, chain in actual.chains if where == table]
            lines = [
                *_unhook(actual, table),
                *(f"-F {chain}" for chain in chains),
                *(f"-X {chain}" for chain in chains),
            ]
            parts += [f"*{table}", *lines, "COMMIT"] if lines else []
        return "\n".join(parts)


def _rule(port: int, target: Target) -> str:
    return f"-p tcp -m tcp --dport {port} -j DNAT --to-destination {target.address}:{target.port}"


def _hooks(frame: Frame) -> Mapping[tuple[str, str], str]:
    """(table, chain) -> what selects the packets that jump from there into our chain."""
    block = f"-p tcp -m tcp --dport {frame.first_port}:{frame.last_port} -m addrtype --dst-type LOCAL"
    return {
        ("filter", "FORWARD"): f"-p tcp -m comment --comment {frame.mark} -j {frame.name}-fwd",
        ("nat", "PREROUTING"): f"{block} -m comment --comment {frame.mark} -j {frame.name}-pre",
        ("nat", "POSTROUTING"): f"-p tcp -m comment --comment {frame.mark} -j {frame.name}-post",
    }


def _whole(frame: Frame, desired: Table, actual: Actual) -> str:
    pre, post, fwd = (f"{frame.name}-{part}" for part in ("pre", "post", "fwd"))
    # Both directions of a connection show its original port and its translated target, so one rule accepts both.
    flows = [
        f"-p tcp -m conntrack --ctstate DNAT --ctorigdstport {frame.first_port}:{frame.last_port} "
        f"--ctreplsrc {network} -m comment --comment {frame.mark}"
        for network in frame.networks
    ]
    bodies = {
        "filter": [f":{fwd} - [0:0]", *(f"-A {fwd} {flow} -j ACCEPT" for flow in flows)],
        "nat": [
            f":{pre} - [0:0]",
            f":{post} - [0:0]",
            *(f"-A {pre} {_rule(port, target)}" for port, target in checked(desired).items()),
            *(f"-A {post} {flow} -j MASQUERADE" for flow in flows),
        ],
    }
    return "\n".join(
        line
        for table, body in bodies.items()
        for line in (f"*{table}", *body, *_unhook(actual, table), *_hook(frame, table), "COMMIT")
    )


def _unhook(actual: Actual, table: str) -> list[str]:
    return [f"-D {rule}" for where, rule in actual.hooks if where == table]


def _hook(frame: Frame, table: str) -> list[str]:
    return [f"-I {chain} 1 {rule}" for (where, chain), rule in _hooks(frame).items() if where == table]


class _Own:
    """Collects what is ours from the lines of ``iptables-save``."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.names = {f"{frame.name}-{part}" for part in ("pre", "post", "fwd")}
        self.chains: list[tuple[str, str]] = []
        self.hooks: list[tuple[str, str]] = []
        self.forwards: dict[int, Target] = {}
        self.framed: Counter[str] = Counter()
        self.strange = False
        self.heads: dict[tuple[str, str], str | None] = {}
        """(table, chain) -> target of its first rule."""

    def read(self, table: str, line: str) -> None:
        """Take one line of the table's listing."""
        if line.startswith(":"):
            name = line[1:].split(" ", 1)[0]
            self.chains += [(table, name)] if name in self.names else []
        elif line.startswith("-A "):
            chain, _, rule = line[3:].partition(" ")
            self.heads.setdefault((table, chain), _target(rule))
            if chain in self.names:
                self._own(chain, rule)
            elif _target(rule) in self.names:
                self.hooks.append((table, line[3:]))

    def _own(self, chain: str, rule: str) -> None:
        if not chain.endswith("-pre"):
            self.framed[chain if _marked(rule, self.frame) else "strange"] += 1
        elif (forward := _forward(rule)) and forward[0] not in self.forwards:
            self.forwards.update([forward])
        else:
            self.strange = True

    def actual(self, *, first: bool) -> Actual:
        """All that was read; ``first``: it is whole only if our hook is the first rule that a packet meets."""
        frame, rules = self.frame, len(self.frame.networks)
        hooked = sorted((table, rule.split(" ", 1)[0], str(_target(rule))) for table, rule in self.hooks)
        wanted = sorted((table, chain, str(_target(rule))) for (table, chain), rule in _hooks(frame).items())
        intact = (
            not self.strange
            and len(self.chains) == len(self.names)
            and self.framed == Counter({f"{frame.name}-post": rules, f"{frame.name}-fwd": rules})
            and hooked == wanted
            and all(_marked(rule, frame) for _, rule in self.hooks)
            and (not first or self.heads.get(("nat", "PREROUTING")) == f"{frame.name}-pre")
        )
        present = bool(self.chains or self.hooks)
        return Actual(self.forwards, intact, present, tuple(self.hooks), tuple(self.chains))


def _forward(rule: str) -> tuple[int, Target] | None:
    """What a printed rule forwards; None: no rule that we would have made."""
    match = _FORWARD.fullmatch(rule)
    if match is None:
        return None
    external, target = int(match[1]), Target(match[2], int(match[3]))
    try:
        checked({external: target})
    except ValueError:
        return None
    return external, target


def _target(rule: str) -> str | None:
    """Name of the chain that a printed rule jumps to."""
    words = rule.split()
    return words[-1] if len(words) > 1 and words[-2] in {"-j", "-g"} else None


def _marked(rule: str, frame: Frame) -> bool:
    return frame.mark in rule.replace('"', "").split()

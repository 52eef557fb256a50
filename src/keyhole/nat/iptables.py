"""iptables: four own chains in ``nat`` and ``filter``, loaded by ``iptables-restore --noflush``.

Review notes: the line ``:CHAIN - [0:0]`` creates or empties *only* that chain, also with ``--noflush``.  Each table is
one transaction; ``filter`` goes first, since accepting flows that do not exist yet is harmless.  ``-D`` of an absent
rule fails the whole table: that is how a change against an outdated picture is noticed.  Hooks are part of the same
transaction: the listing shows which are there, so that each is inserted exactly once.  They select our port block
and the gateway's own addresses, so that other traffic never walks through thousands of rules; the chain in FORWARD
has one rule per compute network, because every packet of every connection passes it.

Who may enter is decided where it is translated: one rule per admitted source.  What is not translated arrives at the
gateway itself, where a rule per port in the chain of INPUT drops it, since ``nat`` takes no DROP.  Its comment names
the target, which no rule of ``nat`` tells while nobody is admitted.  A forward that is bound in one table and open in
the other, as a restore leaves it that was killed between the two, is recognised and loaded anew.

Where a foreign rule translates ports of our block, ours must be asked first: the hook moves to the front again.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from keyhole.domain import Network, network
from keyhole.nat.conflicts import conflicts
from keyhole.nat.model import Actual, Backend, Change, Frame, Listing, Table, Target, Translation, checked

_FORWARD = re.compile(
    r"(?:-s ([0-9a-f.:/]{3,49}) )?-p tcp -m tcp --dport ([0-9]{1,5}) -j DNAT --to-destination ([][0-9a-f.:]{9,50})"
)
_BOUND = re.compile(r'-p tcp -m tcp --dport ([0-9]{1,5}) -m comment --comment "?([][0-9a-f.:]{9,50})"? -j DROP')


_TABLES = ("filter", "nat")
"""In the order of loading."""
_CHAINS = ("pre", "post", "fwd", "in")


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
        old, new = (_rules(frame, table) for table in (change.remove, change.add))
        parts = []
        for table in _TABLES:
            gone = [f"-D {rule}" for rule in old[table] if rule not in new[table]]
            come = [f"-A {rule}" for rule in new[table] if rule not in old[table]]
            parts += [f"*{table}", *gone, *come, "COMMIT"] if gone or come else []
        return "\n".join(parts)

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


def _rules(frame: Frame, table: Table) -> dict[str, dict[str, None]]:
    """By filter table: the rules that make up the forwards, chain first, in order, each once."""
    nat, silent = dict[str, None](), dict[str, None]()
    for port, way in checked(table, frame.family).items():
        selects = f"-p tcp -m tcp --dport {port}"
        each: Iterable[str] = [""]
        if way.sources is not None:
            each = [f"-s {source} " for source in sorted(way.sources, key=str)]
        nat |= {f"{frame.name}-pre {source}{selects} -j DNAT --to-destination {way.target}": None for source in each}
        if way.sources is not None:
            silent[f'{frame.name}-in {selects} -m comment --comment "{way.target}" -j DROP'] = None
    return {"filter": silent, "nat": nat}


def _hooks(frame: Frame) -> Mapping[tuple[str, str], str]:
    """(table, chain) -> what selects the packets that jump from there into our chain."""
    block = f"-p tcp -m tcp --dport {frame.first_port}:{frame.last_port}"
    return {
        ("filter", "INPUT"): f"{block} -m conntrack ! --ctstate ESTABLISHED -m comment --comment {frame.mark} "
        f"-j {frame.name}-in",
        ("filter", "FORWARD"): f"-p tcp -m comment --comment {frame.mark} -j {frame.name}-fwd",
        ("nat", "PREROUTING"): f"{block} -m addrtype --dst-type LOCAL -m comment --comment {frame.mark} "
        f"-j {frame.name}-pre",
        ("nat", "POSTROUTING"): f"-p tcp -m comment --comment {frame.mark} -j {frame.name}-post",
    }


def _whole(frame: Frame, desired: Table, actual: Actual) -> str:
    pre, post, fwd, into = (f"{frame.name}-{part}" for part in _CHAINS)
    rules = _rules(frame, desired)
    # Both directions of a connection show its original port and its translated target, so one rule accepts both.
    flows = [
        f"-p tcp -m conntrack --ctstate DNAT --ctorigdstport {frame.first_port}:{frame.last_port} "
        f"--ctreplsrc {each} -m comment --comment {frame.mark}"
        for each in frame.networks
    ]
    bodies = {
        "filter": [
            f":{fwd} - [0:0]",
            f":{into} - [0:0]",
            *(f"-A {rule}" for rule in rules["filter"]),
            *(f"-A {fwd} {flow} -j ACCEPT" for flow in flows),
        ],
        "nat": [
            f":{pre} - [0:0]",
            f":{post} - [0:0]",
            *(f"-A {rule}" for rule in rules["nat"]),
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
        self.names = {f"{frame.name}-{part}" for part in _CHAINS}
        self.chains: list[tuple[str, str]] = []
        self.hooks: list[tuple[str, str]] = []
        self.ways: dict[tuple[int, Target], set[Network | None]] = {}
        """External port and target -> the sources of its rules; None: everybody."""
        self.bound: set[tuple[int, Target]] = set()
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
        try:
            if chain.endswith("-pre"):
                self._translates(_FORWARD.fullmatch(rule))
            elif chain.endswith("-in"):
                self._bound(_BOUND.fullmatch(rule))
            else:
                self.framed[chain if _marked(rule, self.frame) else "strange"] += 1
        except ValueError:
            self.strange = True

    def _translates(self, match: re.Match[str] | None) -> None:
        """A rule of the translating chain; raises ValueError where we would not have made it."""
        if match is None:
            raise ValueError
        source = network(match[1]) if match[1] else None
        known = self.ways.setdefault((int(match[2]), Target.parse(match[3])), set())
        self.strange |= source in known
        known.add(source)

    def _bound(self, match: re.Match[str] | None) -> None:
        """A rule of the silent chain; raises ValueError where we would not have made it."""
        if match is None:
            raise ValueError
        place = int(match[1]), Target.parse(match[2])
        self.strange |= place in self.bound
        self.bound.add(place)

    def forwards(self) -> Table:
        """What is translated; of two targets of one port the first, as a packet finds it."""
        table: dict[int, Translation] = {}
        for port, target in [*self.ways, *self.bound]:
            known = self.ways.get((port, target), set())
            # Bound, and open all the same: nobody wants that, and it is open.
            sources = None if None in known else frozenset(each for each in known if each is not None)
            self.strange |= ((port, target) in self.bound) != (sources is not None)
            try:
                way = checked({port: Translation(*target, sources)}, self.frame.family)[port]
            except ValueError:
                self.strange = True
                continue
            self.strange |= table.setdefault(port, way) != way
        return table

    def actual(self, *, first: bool) -> Actual:
        """All that was read; ``first``: it is whole only if our hook is the first rule that a packet meets."""
        frame, rules, forwards = self.frame, len(self.frame.networks), self.forwards()
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
        return Actual(forwards, intact, present, tuple(self.hooks), tuple(self.chains))


def _target(rule: str) -> str | None:
    """Name of the chain that a printed rule jumps to."""
    words = rule.split()
    return words[-1] if len(words) > 1 and words[-2] in {"-j", "-g"} else None


def _marked(rule: str, frame: Frame) -> bool:
    return frame.mark in rule.replace('"', "").split()

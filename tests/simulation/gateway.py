"""A simulated gateway: the texts of `keyhole.scripts` obeyed over packet filters that are plain structures.

Its rules and connections die with a reboot, its fence does not.  What it translates outlives the rule, until it is cut.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import NamedTuple

from keyhole.domain import Fence
from keyhole.nat.model import Backend, Target, Translation
from keyhole.scripts import FLOWS, LOAD, LOOK, PROBE, RESOLVE
from tests.simulation.gateway_fence import End, Fences, TooOld
from tests.simulation.gateway_filter import Flow, Rejected, Ruleset, transactions
from tests.simulation.host import Host, Streams
from tests.simulation.loop import Process, SimLoop
from tests.simulation.weather import Weather

FAULTS: Mapping[str, str] = {
    "gateway.locked": "somebody holds the lock for longer than anybody waits for it",
    "gateway.slow": "a text takes up to half a minute",
    "gateway.dies-before-load": "the shell is killed when it has all its input, and has loaded nothing",
    "gateway.dies-between-tables": "iptables-restore is killed between two tables, each of them a transaction",
    "gateway.dies-after-load": "the shell is killed when the rules are loaded, and nothing was cut",
    "gateway.probe-fails": "one target could not be probed, which says nothing about it",
    "gateway.resolve-fails": "the name server does not answer for one name",
    "gateway.conntrack-fails": "connections cannot be listed",
    "gateway.nft-fails": "nft cannot be run in one text, as while its package is upgraded",
    "gateway.iptables-save-fails": "iptables-save cannot be run in one look",
}
KILLED = 137
"""What `timeout` says of a command that was killed."""
GUARDS = {  # ``length`` is part of `LOAD`, ``memory`` of `LOOK`, ``fence`` of both
    "fence": """\
if [ "$3" -lt "$generation" ] || { [ "$3" -eq "$generation" ] && [ "$4" -lt "$epoch" ]; }; then
    end fenced "$generation" "$epoch"
fi
""",
    "length": """[ "${#input}" -eq "$6" ] || end fault truncated\n""",
    "memory": """\
    *) [ ! -e "$file.$1" ] || end fault "$1 may hold rules of ours and cannot be listed ($file.$1)" ;;
""",
}


class Load(NamedTuple):
    """One call of `LOAD` that got as far as the fence."""

    time: float
    fence: Fence
    accepted: bool
    """The rules were loaded."""
    greatest: Fence
    """The greatest fence that this gateway has obeyed, this one included."""


class Killed(Exception):
    """The shell is no more."""


class SimGateway(Host):
    """One gateway.

    ``backend``: the best filter that is installed; with ``iptables`` there is no ``nft``.  ``listening``: whether
    something accepts connections at (address, port).  ``names``: what its resolver knows.  ``on_change`` is called
    whenever rules, flows, fences or reachability have changed.
    """

    def __init__(
        self,
        name: str,
        weather: Weather,
        *,
        backend: Backend = "nftables",
        listening: Callable[[str, int], bool] = lambda _address, _port: True,
        names: Mapping[str, Sequence[str]] | None = None,
        address: str = "198.51.100.21",
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name)
        self.weather = weather
        self.backend = backend
        self.address = address
        self.listening = listening
        self.names = names or {}
        self.on_change = on_change
        self.on_sent: Callable[[int], None] = lambda _: None
        """A user has sent something through this port."""
        self.ruleset = Ruleset.booted(())
        self.flows: list[Flow] = []
        self.counting = True
        """``nf_conntrack_acct``: connections that begin now are counted."""
        self.counted: dict[int, tuple[int, int]] = {}
        """By number of the flow: bytes from its client, and to it."""
        self.fences = Fences(weather)
        self.loads: list[Load] = []
        self.foreign_rules: list[str] = []
        self._numbers = count(32768)
        self.learn(LOOK, partial(self._run, self._look), fence=GUARDS["fence"], memory=GUARDS["memory"])
        self.learn(LOAD, partial(self._run, self._load), fence=GUARDS["fence"], length=GUARDS["length"])
        self.learn(PROBE, partial(self._run, self._probe))
        self.learn(FLOWS, partial(self._run, self._list_flows))
        self.learn(RESOLVE, partial(self._run, self._resolve))

    # ---- for invariants ---------------------------------------------------------------------------------------

    @property
    def greatest_fence(self) -> Fence:
        """The greatest that was ever obeyed here."""
        return self.fences.greatest

    def rules(self) -> Mapping[int, Target]:
        """Our forwards that are in effect: external port -> target."""
        return {port: way.target for port, way in self.ruleset.own.items()}

    def ways(self) -> Mapping[int, Translation]:
        """The same, and who may enter.  Cheap: worked out once per change."""
        return self.ruleset.own

    def foreign_intact(self) -> bool:
        """Whether every foreign rule is where its owner put it."""
        return all(map(self.ruleset.holds, self.foreign_rules))

    # ---- users ------------------------------------------------------------------------------------------------

    def translates(self, port: int, client: str = "203.0.113.1") -> Target | None:
        """Where a client's new connection to this port is led."""
        return self.ruleset.translates(port, client)

    def connect(self, client: str, external_port: int) -> Target | None:
        """A user's new connection: whom it reaches, if anybody; lives on in `flows`."""
        target = self.translates(external_port, client)
        if target is None or not self.listening(*target):
            return None
        self.flows.append(Flow(next(self._numbers), client, external_port, target))
        if self.counting:
            self.counted[self.flows[-1].number] = (164, 112)  # a handshake
        self.on_change()
        return target

    def carry(self, flow: Flow, sent: int, received: int) -> None:
        """Bytes from its client, and to it; those of the job only, where the client has vanished."""
        if (before := self.counted.get(flow.number)) is not None and flow in self.flows:
            self.counted[flow.number] = (before[0] + sent, before[1] + received)
            if sent:
                self.on_sent(flow.port)

    def disconnect(self, ended: Callable[[Flow], bool]) -> None:
        """These connections were closed by one of their ends."""
        self._keep([flow for flow in self.flows if not ended(flow)])

    # ---- chaos ------------------------------------------------------------------------------------------------

    def power(self, on: bool) -> None:
        """Nobody can reach it for management, or somebody can again; its rules go on translating."""
        self.up = on
        self.on_change()

    def kill(self) -> None:
        """Whatever runs on it now is killed, wherever it stands."""
        loop = asyncio.get_running_loop()
        if isinstance(loop, SimLoop):
            loop.kill(self.process)
        self.process = Process(self.name)
        self.fences.unlock()

    def reboot(self) -> None:
        """Programs, rules and connections are gone; the site's own rules are loaded again; the fence stays."""
        self.kill()
        self.flows.clear()
        self.flush()

    def flush(self) -> None:
        """The firewall reloads: everything is flushed, the site's own rules are loaded; connections go on."""
        self.ruleset = Ruleset.booted(self.foreign_rules)
        self.on_change()

    def foreign(self, rule: str) -> None:
        """Somebody adds ``-A CHAIN …`` or ``-I CHAIN …`` to table nat, and to what is loaded at boot."""
        self.foreign_rules.append(rule)
        self.ruleset = self.ruleset.with_foreign(rule)
        self.on_change()

    # ---- the texts --------------------------------------------------------------------------------------------

    async def _run(
        self,
        text: Callable[[Sequence[str], Streams, str], Awaitable[None]],
        args: Sequence[str],
        streams: Streams,
        without: str = "",
    ) -> int:
        """What all texts have in common: their closing line."""
        await asyncio.sleep(self.weather.between(0.0, 0.2))
        if self.weather.strikes("gateway.slow"):
            await asyncio.sleep(self.weather.between(1.0, 30.0))
        try:
            await text(args, streams, without)
            streams.say("\nEND ok\n")
        except End as end:
            streams.say(f"\nEND {end}\n")
        except Killed:
            return KILLED
        return 0

    async def _look(self, args: Sequence[str], streams: Streams, without: str) -> None:
        async with self.fences.fenced(args[1], _fence(args), check=without != "fence"):
            self._list_nft(args, streams, check=without != "memory")
            self._save(args, streams, check=without != "memory")
            if args[6]:
                streams.say(_section("flows", self._listed(args[0])))

    def _list_nft(self, args: Sequence[str], streams: Streams, *, check: bool) -> None:
        runs = self._sudo_works(args[0]) and self._nft_runs()
        shown = self.ruleset.list_table(args[4]) if runs else None
        tables = self.ruleset.list_tables(args[5]) if runs else None
        streams.say(_section("works", tables) + _section("nft", shown))
        self.fences.remember(args[1], "nftables", listed=runs, ours=shown is not None, check=check)

    def _save(self, args: Sequence[str], streams: Streams, *, check: bool) -> None:
        runs = self._sudo_works(args[0]) and not self.weather.strikes("gateway.iptables-save-fails")
        saved = {table: self.ruleset.save(table, args[5]) if runs else None for table in ("nat", "filter")}
        streams.say("".join(_section(table, text) for table, text in saved.items()))
        ours = any(f":{args[4]}-" in (text or "") for text in saved.values())
        self.fences.remember(args[1], "iptables", listed=runs, ours=ours, check=check)
        if runs:
            self.fences.mark(args[1], "seen")
        elif (args[1], "seen") in self.fences.marks:
            streams.say("== blind 0\n\n")

    async def _load(self, args: Sequence[str], streams: Streams, without: str) -> None:
        text = (await streams.stdin.read()).decode("ascii").rstrip("\n")
        if without != "length" and len(text) != int(args[5]):
            raise End("fault truncated")
        try:
            async with self.fences.fenced(args[1], _fence(args), check=without != "fence"):
                self.fences.mark(args[1], args[4])
                await self._step("gateway.dies-before-load")
                await self._apply(args, text)
                await self._step("gateway.dies-after-load")
                self._cut(args[0], text)
        except TooOld:
            self._record(args, accepted=False)
            raise

    async def _apply(self, args: Sequence[str], text: str) -> None:
        """Load, table by table."""
        backend = args[4]
        refusal = "" if self._sudo_works(args[0]) else "sudo: a password is required"
        if backend == "nftables" and not self._nft_runs():
            refusal = "/bin/sh: 1: nft: not found"
        try:
            for number, part in enumerate([] if refusal else transactions(backend, text)):
                if number:
                    await self._step("gateway.dies-between-tables")
                self.ruleset = self.ruleset.loaded(backend, part)
                self.on_change()
        except Rejected as error:
            refusal = str(error)
        self._record(args, accepted=not refusal)
        if refusal:
            raise End(f"refused {' '.join(refusal.splitlines())[:500]}")

    def _record(self, args: Sequence[str], *, accepted: bool) -> None:
        self.loads.append(Load(asyncio.get_running_loop().time(), _fence(args), accepted, self.greatest_fence))

    def _cut(self, sudo: str, text: str) -> None:
        """End the connections that the ``#cut`` lines name."""
        cuts = {tuple(line.split()[1:]) for line in text.splitlines() if line.startswith("#cut ")}
        if not cuts:
            return
        if self._listed(sudo) is None:
            raise End("uncut")
        self._keep([flow for flow in self.flows if not cuts & {flow.words(), flow.words(anybody=True)}])

    def _listed(self, sudo: str) -> str | None:
        """What `flows` of the texts prints; None: connections cannot be listed."""
        if not self._sudo_works(sudo) or self.weather.strikes("gateway.conntrack-fails"):
            return None
        return "\n".join(sorted({" ".join(flow.words()) for flow in self.flows}))

    async def _probe(self, args: Sequence[str], streams: Streams, without: str) -> None:
        del args, without
        for target in (await streams.stdin.read()).decode().split():
            if not self.weather.strikes("gateway.probe-fails"):
                streams.say(f"{target} {int(not self.listening(*Target.parse(target)))}\n")

    async def _list_flows(self, args: Sequence[str], streams: Streams, without: str) -> None:
        del without
        streams.say(f"counted {int(self.counting)}\n")
        if not self._sudo_works(args[0]) or self.weather.strikes("gateway.conntrack-fails"):
            raise End("fault conntrack does not work here")
        shown = (flow.shown(self.address, self.counted.get(flow.number)) for flow in self.flows)
        streams.say("".join(f"{line}\n" for line in shown if args[1] == "ipv4"))

    async def _resolve(self, args: Sequence[str], streams: Streams, without: str) -> None:
        del args, without
        for name in (await streams.stdin.read()).decode().split():
            if not self.weather.strikes("gateway.resolve-fails"):
                for address in self.names.get(name, ()):
                    streams.say(f"{name} {address}\n")

    # ---- their parts ------------------------------------------------------------------------------------------

    async def _step(self, fault: str) -> None:
        """A moment at which the shell may be killed."""
        await asyncio.sleep(self.weather.between(0.0, 0.1))
        if self.weather.strikes(fault):
            raise Killed

    def _nft_runs(self) -> bool:
        return self.backend == "nftables" and not self.weather.strikes("gateway.nft-fails")

    def _sudo_works(self, sudo: str) -> bool:
        return sudo in {"", "sudo -n"} and not self.may_act_as("root")

    def _keep(self, flows: list[Flow]) -> None:
        if flows != self.flows:
            self.flows = flows
            self.on_change()


def _section(name: str, text: str | None) -> str:
    """What `section` prints; None: the command failed."""
    return f"== {name} {int(text is None)}\n{text or ''}\n"


def _fence(args: Sequence[str]) -> Fence:
    return Fence(int(args[2]), int(args[3]))

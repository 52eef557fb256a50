"""A forward for a moment, on one gateway: made, looked at and removed as the services do it, under a name of its own.

It has a fence of its own, too, so that it and the leader never refuse each other.  A doctor that was killed leaves at
most one table or chain named ``bwv-doctor``; the next one removes it.
"""

from collections.abc import Collection
from ipaddress import ip_address
from secrets import SystemRandom

from bwvisu.adapters.gateway_shell import SshGatewayShell
from bwvisu.adapters.ssh import Node, Wire
from bwvisu.doctor.firewall import FENCE, INSTALLATION, frame
from keyhole import gateway as remote
from keyhole.domain import ForwardPolicy, Gateway
from keyhole.gateway import Fenced, Guard, Loaded, Refused, Remote, Unanswered, Uncut
from keyhole.interfaces import Answer, NoAnswer
from keyhole.nat.choice import choose
from keyhole.nat.model import Listing, Table, Target, Translation, difference
from keyhole.scripts import PRELUDE

_CLEAN = (
    PRELUDE
    + """\
rm -f -- "$HOME/.bwvisu/$2".*
end ok
"""
)
"""Arguments: sudo (unused), file.  Removes what the fence of the doctor's keeps there."""
_LEAVE = (
    PRELUDE
    + """rmdir -- "$HOME/.bwvisu" 2>/dev/null
end ok
"""
)
"""Arguments: sudo (unused).  Removes the folder where nothing is in it; not while another gateway of the same host is
examined, which may be about to put something there."""
SECONDS = 45.0
"""For each command; a busy machine may take long, and one that hangs is told by its login."""


class Trial:
    """One gateway.  Calls never raise for what it does."""

    def __init__(self, wire: Wire, node: Node, gateway: Gateway, policy: ForwardPolicy) -> None:
        self._shell = SshGatewayShell(wire, {gateway.name: node})
        self._gateway, self._policy = gateway, policy
        self._touched = False
        self._guard = Guard(gateway, INSTALLATION, FENCE)
        self._frame = frame(policy, gateway.family)

    async def look(self) -> Listing | Fenced | Unanswered:
        """What its filters hold."""
        self._touched = True
        return remote.read_look(await self._run(remote.look(self._guard, self._frame.name)))

    async def clean(self) -> str:
        """Leave nothing of the doctor's; words where that did not succeed."""
        why = await self.remove()
        answer = await self._run(Remote(_CLEAN, self._guard.args()[:2], b""))
        return why or (answer.reason if isinstance(answer, NoAnswer) else "")

    async def leave(self) -> None:
        """Behind all trials: remove the folder where no service had one."""
        if self._touched:
            await self._run(Remote(_LEAVE, self._guard.args()[:1], b""))

    async def addresses(self, name: str) -> tuple[list[str], list[str]] | Unanswered:
        """A compute node's, as the gateway knows them; and those of them that lie within the compute networks."""
        found = remote.read_resolve(await self._run(remote.resolve(self._gateway, [name])))
        if isinstance(found, Unanswered):
            return found
        known = list(found.get(name, ()))
        return known, [each for each in known if self.inside(each)]

    def inside(self, address: str) -> bool:
        """Whether forwards may lead there."""
        own = ip_address(address)
        return any(own in network for network in self._policy.compute_networks if network.version == own.version)

    async def accepts(self, target: Target) -> bool | Unanswered:
        """Whether the gateway can connect to it."""
        answered = remote.read_probe(await self._run(remote.probe(self._gateway, [target])))
        return answered if isinstance(answered, Unanswered) else answered.get(target, False)

    async def forward(self, target: Target, taken: Collection[int]) -> int | str:
        """Lead an external port to it; the port, or why there is none."""
        listing = await self.look()
        if not isinstance(listing, Listing):
            return getattr(listing, "reason", "another doctor is at work there")
        free = [each for each in range(self._policy.first_port, self._policy.last_port + 1) if each not in taken]
        if not free:
            return "no port is free"
        port = SystemRandom().choice(free)
        return await self._load(listing, {port: Translation(target.address, target.port)}) or port

    async def remove(self) -> str:
        """Take it away, and whatever an earlier doctor left; words where that did not succeed."""
        listing = await self.look()
        if not isinstance(listing, Listing):
            return getattr(listing, "reason", "another doctor is at work there")
        driver = choose(self._policy.backend, listing)
        actual = driver.parse(listing, self._frame)
        rules = driver.render_removal(self._frame, actual)
        if not rules:
            return ""
        return _words(await self._run(remote.load(self._guard, driver.backend, rules, remote.cuts_of(actual.forwards))))

    async def _load(self, listing: Listing, table: Table) -> str:
        driver = choose(self._policy.backend, listing)
        actual = driver.parse(listing, self._frame)
        rules = driver.render(self._frame, table, difference(actual, table), actual)
        return _words(await self._run(remote.load(self._guard, driver.backend, rules, [])))

    async def _run(self, call: Remote) -> Answer | NoAnswer:
        return await self._shell.run(self._gateway.name, call.script, call.args, call.stdin, SECONDS)


def _words(answer: Answer | NoAnswer) -> str:
    """Empty: it was loaded."""
    match remote.read_load(answer):
        case Loaded():
            return ""
        case Refused(reason) | Uncut(reason) | Unanswered(reason):
            return reason
        case Fenced():
            return "another doctor is at work there"

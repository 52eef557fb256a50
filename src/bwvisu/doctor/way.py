"""From a gateway, and from outside through it, to a test job on a compute node."""

from collections.abc import Collection

from bwvisu.adapters.ssh import Wire
from bwvisu.doctor.findings import ROOT, SETTINGS, Finding, Mend, Verdict, fault, ok, skipped, unknown
from bwvisu.doctor.outside import CannotAskError, Outside
from bwvisu.doctor.trial import Trial
from keyhole.domain import ForwardPolicy, Gateway
from keyhole.gateway import Unanswered
from keyhole.nat.model import Target

NO_USER = "not checked: name a user with --user"
NO_OUTSIDE = "not checked: name a machine outside with --outside"


async def reach(trial: Trial, policy: ForwardPolicy, node: str, port: int) -> tuple[Finding, Target | None]:
    """Whether the gateway knows the node by name, within the compute networks, and connects to a port of its job."""
    name = node + policy.hostname_suffix
    found = await trial.addresses(name)
    if isinstance(found, Unanswered):
        return unknown("reach", found.reason), None
    known, inside = found
    if not inside:
        return _misplaced(name, known), None
    if not port:
        return fault(
            "reach", f"no port of forwards.port_range is free on {node}", ROOT, f"ss -ltnp   # on {node}"
        ), None
    return await _connect(trial, policy, name, Target(inside[0], port))


def _misplaced(name: str, known: list[str]) -> Finding:
    if not known:
        line = f"echo 'ADDRESS {name}' >>/etc/hosts   # or in DNS; forwards.hostname_suffix is part of it"
        return fault("reach", f"the gateway does not know {name}", ROOT, line)
    line = f"compute_networks: [{known[0]}/{128 if ':' in known[0] else 32}]   # better: its whole network"
    return fault("reach", f"{name} is {known[0]}, which is in none of compute_networks", SETTINGS, line)


async def _connect(trial: Trial, policy: ForwardPolicy, name: str, target: Target) -> tuple[Finding, Target | None]:
    accepts = await trial.accepts(target)
    if isinstance(accepts, Unanswered):
        return unknown("reach", accepts.reason), None
    if not accepts:
        span = f"{policy.first_port}:{policy.last_port}"
        line = f"iptables -I INPUT -p tcp --dport {span} -j ACCEPT   # on {name}, for the gateway; and a route to it"
        return fault("reach", f"{target} ({name}) does not accept connections from here", ROOT, line), None
    return ok("reach", f"{name} is {target.address}, and a job's port there answers"), target


async def through(
    wire: Wire, trial: Trial, own: Gateway, target: Target, outside: Outside, taken: Collection[int], greeting: str
) -> Finding:
    """Make a forward for a moment, and connect to it from outside."""
    port = await trial.forward(target, taken)
    try:
        if isinstance(port, str):
            return fault("outside", f"no forward can be made: {port}", ROOT, "nft list ruleset")
        why = await outside.hears(wire, own.external_ip, port, greeting)
    except CannotAskError as error:
        return unknown("outside", f"nobody outside could be asked: {error}")
    finally:
        left = await trial.clean()
    if left:
        line = "nft delete table ip bwv-doctor"
        return fault("outside", f"the forward of this trial may still be there: {left}", ROOT, line)
    if not why:
        return ok("outside", f"{own.external_ip}:{port} led to the test job")
    line = f"let TCP {port} and the whole of forwards.port_range in to {own.external_ip}, and on through FORWARD"
    return Finding("outside", Verdict.FAULT, f"{own.external_ip}:{port}: {why}", Mend("firewall", (line,)))


def not_tried() -> tuple[Finding, Finding]:
    """Both checks of a gateway where no test job was asked for."""
    return skipped("reach", NO_USER), skipped("outside", NO_USER)


def skipped_outside() -> Finding:
    """Nobody asked for it."""
    return skipped("outside", NO_OUTSIDE)

"""One cluster: its command nodes and gateways side by side, then test jobs, and the gateways' way to them."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace

from bwvisu.adapters.slurm import SlurmCluster
from bwvisu.adapters.ssh import Node, Wire
from bwvisu.doctor import batch, command_node, compute_node, gateway, hosts, login, way
from bwvisu.doctor.findings import Choice, Examined, Finding, Subject, Verdict, skipped, unknown
from bwvisu.doctor.job import Bench, Told
from bwvisu.doctor.outside import Outside
from bwvisu.doctor.trial import Trial
from bwvisu.domain.observation import Account
from bwvisu.errors import OperatorError
from bwvisu.roles.base import read_secret
from bwvisu.roles.conversions import command_nodes, gateway_nodes, own_addresses, slurm_settings, ssh_settings
from bwvisu.settings import Settings
from keyhole.nat.model import Target

Say = Callable[[str], None]
ANYWHERE = "any"
"""Stands for the compute node of a job that has not told where it ran."""
_PATH = ("reach", "outside")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What whoever asks wants to be tried."""

    user: str | None = None
    """As whom test jobs run; None: none runs."""
    on: tuple[str, ...] = ()
    """Compute nodes that get one each; empty: one job, wherever Slurm puts it."""
    outside: Outside | None = None
    """From where the gateways' ports are tried; None: they are not."""
    group: str = "bwvisu-users"
    """Whose jobs may be started, for lines of sudoers."""
    patience: float = 60.0
    """Seconds that a test job may wait for its start."""


class ClusterDoctor:
    """Examines one cluster over one pool of connections.

    ``ports``: external ports that forwards have now; None: unknown, so that no trial is made.
    """

    def __init__(
        self, name: str, settings: Settings, wire: Wire, wanted: Wanted, choice: Choice, ports: Collection[int] | None
    ) -> None:
        self._name, self._wire, self._wanted, self._choice, self._ports = name, wire, wanted, choice, ports
        self._settings, self._keyhole = settings.clusters[name], settings.keyhole
        self._policy = self._settings.forward_policy(own_addresses(settings))
        self._ssh = ssh_settings(self._settings)
        self._gateways = self._settings.gateways_by_name()
        self._led: set[str] = set()  # gateways by which somebody outside was led to a test job, or should have been
        nodes = gateway_nodes(self._settings)
        self._trials = {name: Trial(wire, nodes[name], own, self._policy) for name, own in self._gateways.items()}

    async def examine(self, say: Say) -> list[Examined]:
        """Everything that is wanted."""
        nodes = [self._command_node(node) for node in command_nodes(self._settings)]
        gateways = [self._gateway(name, node) for name, node in gateway_nodes(self._settings).items()]
        wanted = [each for each in (*nodes, *gateways) if self._choice.subject(each[0])]
        try:
            found = list(await asyncio.gather(*(_told(say, subject, examination) for subject, examination in wanted)))
            return [*found, *await self._jobs(say, found)]
        finally:
            await asyncio.gather(*(trial.leave() for trial in self._trials.values()))

    def _subject(self, kind: str, name: str) -> Subject:
        return Subject(kind, name, self._name)

    def _command_node(self, node: Node) -> tuple[Subject, Callable[[], Awaitable[list[Finding]]]]:
        asked = command_node.Asked.of(self._settings, node.user, self._wanted.user, self._wanted.group)
        slurm = SlurmCluster(self._wire, [node], slurm_settings(self._settings))
        subject = self._subject("command-node", node.host)
        return subject, lambda: hosts.command(self._wire, node, self._ssh, slurm, asked)

    def _gateway(self, name: str, node: Node) -> tuple[Subject, Callable[[], Awaitable[list[Finding]]]]:
        asked = gateway.Asked(self._gateways[name], self._policy, node.user)
        subject = self._subject("gateway", name)
        return subject, lambda: hosts.gate(self._wire, node, self._ssh, asked, self._trials[name])

    def _open_gateways(self, found: Sequence[Examined]) -> list[str]:
        """Those that are wanted and let us in."""
        shut = {
            each.subject.name
            for each in found
            if each.subject.kind == "gateway"
            for one in each.findings
            if one.check == "ssh" and one.verdict is not Verdict.OK
        }
        subjects = (self._subject("gateway", name) for name in self._gateways)
        wanted = (each.name for each in subjects if any(self._choice.check(each, check) for check in _PATH))
        return [name for name in wanted if name not in shut]

    async def _jobs(self, say: Say, found: Sequence[Examined]) -> list[Examined]:
        """Test jobs side by side, and what gateways see of them."""
        places = self._wanted.on or (ANYWHERE,)
        gateways = self._open_gateways(found)
        if not gateways and not any(self._choice.subject(self._subject("compute-node", on)) for on in places):
            return []
        nowhere = self._subject("compute-node", ANYWHERE)
        untried = [Examined(self._subject("gateway", name), way.not_tried()) for name in gateways]
        if self._wanted.user is None:
            return [Examined(nowhere, (skipped("job", way.NO_USER),)), *untried]
        bench = await self._bench(self._wanted.user)
        try:
            ca_pem = read_secret(self._keyhole.ca_file) if self._keyhole.ca_file else None
        except OperatorError as error:
            bench = unknown("job", str(error))
        if isinstance(bench, Finding):
            return [Examined(nowhere, (bench,))]
        parts = await asyncio.gather(*(self._job(bench, on, gateways, ca_pem) for on in places))
        for part in parts:
            say(part[0].subject.name)
        return [*(each for part in parts for each in part), *self._untried(gateways)]

    def _untried(self, gateways: Sequence[str]) -> list[Examined]:
        """Gateways from which no test job was reached, so that nobody outside could be led to one."""
        why = unknown("outside", "no port can be tried: the gateway reaches no test job")
        finding = way.skipped_outside() if self._wanted.outside is None else why
        names = (name for name in gateways if name not in self._led)
        return [Examined(self._subject("gateway", name), (finding,)) for name in names]

    async def _bench(self, user: str) -> Bench | Finding:
        """The first command node that lets us in and knows the user."""
        if not self._settings.user_name_allowed(user):
            return unknown("job", f"{user} is no user by users.pattern")
        why = unknown("job", "no command node could be asked")
        for node in command_nodes(self._settings):
            if (await login.enter(self._wire, node, self._ssh)).verdict is not Verdict.OK:
                continue
            settings = replace(slurm_settings(self._settings), name_prefix=batch.NAME_PREFIX)
            slurm = SlurmCluster(self._wire, [node], settings)
            account = await slurm.user(user)
            if isinstance(account, Account):
                return Bench(self._wire, node, slurm, account, self._wanted.patience)
            why = unknown("job", f"{node.host} knows no account {user}")
        return why

    async def _job(self, bench: Bench, on: str, gateways: Sequence[str], ca_pem: str | None) -> list[Examined]:
        """One job, and each gateway's way to it."""
        urls = tuple(map(str, self._settings.keyhole_urls or self._keyhole.public_urls))
        ports = (self._policy.first_port, self._policy.last_port)
        config = batch.Config(bench.account.home, urls, ca_pem, ports)
        place, seen, others = on, [], []
        async with bench.run(config, None if on == ANYWHERE else on) as (told, found):
            if told is not None:
                place = told.seen.node
                seen = list(compute_node.judge(told.seen, urls, ports, bench.account.home, told.began, told.ended))
                tried = (self._path(name, told, config.greeting) for name in gateways)
                others = await asyncio.gather(*tried)
        return [Examined(self._subject("compute-node", place), (*found, *seen)), *others]

    async def _path(self, name: str, told: Told, greeting: str) -> Examined:
        """A gateway's way to the job, and, by the first job that it reaches, the way there from outside."""
        subject = self._subject("gateway", name)
        if not told.seen.python:
            why = f"the test job on {told.seen.node} does not listen, for want of python3"
            return Examined(subject, (unknown("reach", why),))
        found, target = await way.reach(self._trials[name], self._policy, told.seen.node, told.seen.port)
        if target is None or name in self._led or self._wanted.outside is None:
            return Examined(subject, (found,))
        self._led.add(name)
        return Examined(subject, (found, await self._outside(name, target, self._wanted.outside, greeting)))

    async def _outside(self, name: str, target: Target, outside: Outside, greeting: str) -> Finding:
        if self._policy.backend == "proxy":
            return skipped("outside", "not checked: HAProxy lets nobody in without a cookie; open a session instead")
        if self._ports is None:
            return unknown("outside", "no port can be tried: etcd does not tell which are free")
        return await way.through(
            self._wire, self._trials[name], self._gateways[name], target, outside, self._ports, greeting
        )


async def _told(say: Say, subject: Subject, examination: Callable[[], Awaitable[list[Finding]]]) -> Examined:
    found = Examined(subject, tuple(await examination()))
    say(subject.name)
    return found

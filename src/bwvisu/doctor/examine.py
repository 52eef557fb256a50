"""The whole examination: all machines at the same time, then a test job, then the gateways' way to it."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from bwvisu.adapters.ssh import SshPool
from bwvisu.doctor import certificates, etcd
from bwvisu.doctor.cluster import ClusterDoctor, Wanted
from bwvisu.doctor.findings import HERE, Choice, Examined, Finding, Report, Subject, fault, ok, unknown
from bwvisu.doctor.firewall import settled
from bwvisu.doctor.patience import PatientWire
from bwvisu.roles.conversions import ssh_settings
from bwvisu.settings import Settings, named_files, unreadable_files

Say = Callable[[str], None]
"""Told each machine that is done, for whoever waits."""
SERVICE = Subject("service", "settings")


@dataclass(frozen=True, slots=True)
class Examination:
    """What is to be examined, and how."""

    settings: Settings
    wanted: Wanted
    choice: Choice

    async def make(self, say: Say) -> Report:
        """Everything that is wanted.  Never raises for what is found."""
        found = [each for each in [self._files()] if self.choice.subject(each.subject)]
        members, ports = await etcd.examine(self.settings.etcd) if self._wants_etcd() else ([], None)
        for each in members:
            say(each.subject.name)
        async with AsyncExitStack() as stack:
            doctors = []
            for name, cluster in self.settings.clusters.items():
                pool = PatientWire(SshPool(ssh_settings(cluster)))
                stack.push_async_callback(pool.aclose)
                doctors.append(ClusterDoctor(name, self.settings, pool, self.wanted, self.choice, ports))
            parts = await asyncio.gather(*(doctor.examine(say) for doctor in doctors))
        kept = self._kept([*found, *members, *(each for part in parts for each in part)])
        return Report((*kept, *self._missed(kept)))

    def _wants_etcd(self) -> bool:
        names = ["etcd", *self.settings.etcd.endpoints]  # for a trial, whose ports must be nobody's
        return self.wanted.outside is not None or any(self.choice.subject(Subject("etcd", name)) for name in names)

    def _files(self) -> Examined:
        """Files that the settings name, as whoever runs the doctor sees them."""
        good = certificates.judge(named_files(self.settings), datetime.now(UTC))
        unreadable = unreadable_files(self.settings)
        if not unreadable:
            return Examined(SERVICE, (ok("files", "all can be read"), good))
        lines = [f"ls -l {line.split(': ', 1)[1].split(' ', 1)[0]}" for line in unreadable]
        return Examined(SERVICE, (fault("files", "; ".join(unreadable), HERE, *lines), good))

    def _kept(self, found: Iterable[Examined]) -> list[Examined]:
        """One row of checks for each subject, and of them what is wanted."""
        grouped: dict[Subject, tuple[Finding, ...]] = {}
        for each in found:
            grouped[each.subject] = (*grouped.get(each.subject, ()), *each.findings)
        wanted = (self.choice.kept(Examined(subject, settled(findings))) for subject, findings in grouped.items())
        return [each for each in wanted if each.findings]

    def _missed(self, kept: Sequence[Examined]) -> list[Examined]:
        """What was chosen and not tried is not well: a name may be misspelt, or its machine let nobody in."""
        why = "nothing of this name was tried: leave --only away to see what was, and why it went no further"
        missed = (
            pattern
            for pattern in self.choice.patterns
            if not any(Choice((pattern,)).check(each.subject, one.check) for each in kept for one in each.findings)
        )
        return [Examined(Subject("service", pattern), (unknown("chosen", why),)) for pattern in missed]

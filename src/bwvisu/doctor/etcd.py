"""etcd: every member, their quorum, the way there, and our rights."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from ipaddress import ip_address

from bwvisu.adapters.etcd import Etcd, EtcdError, EtcdRefused, MemberHealth
from bwvisu.adapters.records import Keys, decode
from bwvisu.doctor.findings import ROOT, SETTINGS, Examined, Finding, Subject, fault, ok, unknown
from bwvisu.errors import OperatorError
from bwvisu.roles.base import open_store
from bwvisu.settings import EtcdSettings
from keyhole.domain import JobForwards

OLDEST = (3, 4, 23)
ALL = Subject("etcd", "etcd")
"""The members together."""


async def examine(settings: EtcdSettings) -> tuple[list[Examined], set[int] | None]:
    """All of it, and the external ports that forwards have now; None: they could not all be read."""
    async with AsyncExitStack() as stack:
        try:
            store = await stack.enter_async_context(open_store(settings))
        except (OSError, ValueError, OperatorError) as error:
            return [Examined(ALL, (unknown("quorum", f"its files cannot be read: {error}"),))], None
        members = await _health(store)
        rights, ports = await _rights(store, Keys(settings.prefix))
    apart = [Examined(Subject("etcd", each.endpoint), tuple(judge_member(each))) for each in members]
    together = (judge_quorum(members), rights, judge_tls(settings))
    return [*apart, Examined(ALL, together)], ports


async def _health(store: Etcd) -> Sequence[MemberHealth]:
    """Of all members; one that was silent is asked once more, since a first connection may take long."""
    members = await store.health()
    return members if not any(each.error for each in members) else await store.health()


async def _rights(store: Etcd, keys: Keys) -> tuple[Finding, set[int] | None]:
    try:
        await store.get(keys.installation)
        records = await store.list(keys.kind("forwards"))
    except EtcdRefused as error:
        return fault(
            "rights", str(error), "etcd", "bwvisu config etcd-roles --apply --cert-file ROOT.pem --key-file ROOT.key"
        ), None
    except EtcdError as error:
        return unknown("rights", str(error)), None
    return ok("rights", f"reads below {keys.root}"), used_ports(entry.value for entry in records.entries.values())


def used_ports(records: Iterable[bytes]) -> set[int] | None:
    """External ports of all grants, whatever their phase; None: a record that cannot be read may own any."""
    try:
        read = [decode(JobForwards, record) for record in records]
    except ValueError:
        return None
    return {each.external_port for record in read for grant in record.grants for each in grant.forwards}


def judge_member(member: MemberHealth) -> Iterator[Finding]:
    """One member alone."""
    if member.error:
        yield fault("answers", member.error, ROOT, "systemctl restart etcd")
        return
    yield ok("answers", f"{member.database_bytes / 2**20:.0f} MiB")
    version = tuple(int(part) for part in re.findall(r"\d+", member.version)[:3])
    if version < OLDEST:
        yield fault("version", f"{member.version}; 3.4.23 or newer is needed", ROOT, "apt-get install etcd-server")
    else:
        yield ok("version", member.version)
    if member.alarms:
        yield fault("alarms", "; ".join(member.alarms), "etcd", "etcdctl defrag && etcdctl alarm disarm")


def judge_quorum(members: Sequence[MemberHealth]) -> Finding:
    """A majority that knows a leader."""
    well = [each for each in members if not each.error and each.has_leader]
    needed = len(members) // 2 + 1
    if len(well) < needed:
        detail = f"{len(well)} of {len(members)} members answer and know a leader, {needed} are needed"
        return fault("quorum", detail, ROOT, "systemctl restart etcd   # on those that do not answer")
    spare = len(well) - needed
    return ok("quorum", f"{len(well)} of {len(members)} well; {spare} more may go")


def judge_tls(settings: EtcdSettings) -> Finding:
    """Secrets of jobs lie in etcd: in the clear only on this very machine."""
    if settings.tls is not None:
        return ok("tls", "checked" if settings.tls.ca_file else "checked by the system's authorities")
    away = [each for each in settings.endpoints if not _is_here(each)]
    if away:
        line = "etcd: {tls: {ca_file: /etc/bwvisu/etcd-ca.pem}}"
        return fault("tls", f"{', '.join(away)} is spoken to in the clear", SETTINGS, line)
    return ok("tls", "in the clear, on this machine")


def _is_here(endpoint: str) -> bool:
    host = endpoint.rpartition(":")[0].removeprefix("[").removesuffix("]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

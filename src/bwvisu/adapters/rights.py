"""Who writes and who reads each kind of record, and what that means as rights of etcd's users.

One table: `KINDS`.  What `bwvisu config etcd-roles` grants is computed from it, the cluster's tests run with just these
rights, and a test holds the table in `records` to it.  The portal is not in it: it knows the REST API and no etcd.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bwvisu.adapters.etcd import Access, Permission, Span
from bwvisu.adapters.records import Keys


class Role(StrEnum):
    """A role of the program that keeps records in etcd; ``all`` is a process that plays them together."""

    API = "api"
    KEYHOLE = "keyhole"
    RECONCILER = "reconciler"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Kind:
    """Who stores records of a kind, who reads them beside these, and whether they go with their job.

    The reconciler reads everything, since one mirror of the whole prefix feeds the leader, and deletes what goes with
    a job; etcd has no right to delete that is not one to write.
    """

    writers: frozenset[Role]
    readers: frozenset[Role] = frozenset()
    of_a_job: bool = False


_API, _KEYHOLE, _LEADER = (frozenset({role}) for role in (Role.API, Role.KEYHOLE, Role.RECONCILER))

KINDS: Mapping[str, Kind] = {
    "specs": Kind(_API, of_a_job=True),
    "secrets": Kind(_API, _KEYHOLE, of_a_job=True),
    "bundles": Kind(_API),
    "idempotency": Kind(_API),
    "lookups": Kind(_API),
    "gateways": Kind(_API),
    "quota": Kind(_API | _LEADER),
    "admissions": Kind(_API, of_a_job=True),
    "shares": Kind(_API, of_a_job=True),
    "preferences": Kind(_API),
    "audit": Kind(_API),
    "users": Kind(_LEADER, _API),
    "status": Kind(_LEADER, _API, of_a_job=True),
    "notices": Kind(_LEADER, of_a_job=True),
    "forwards": Kind(_LEADER, _KEYHOLE),
    "clusters": Kind(_LEADER, _API),
    "requests": Kind(_KEYHOLE, of_a_job=True),
    "reports": Kind(_KEYHOLE, _API, of_a_job=True),
}
SINGLE: Mapping[str, Kind] = {"installation": Kind(_LEADER, _API | _KEYHOLE), "leader": Kind(_LEADER)}
"""Records of which there is one."""

_WATCHED_TOGETHER = ("specs", "users")
"""One watch of the API covers them and what lies between (`services.state`); etcd wants one right for all of it."""


def permissions(keys: Keys, role: Role) -> tuple[Permission, ...]:
    """What the etcd user of a role needs below the prefix of ``keys``, and no more; in the order of the keys."""
    if role is Role.ALL:
        return _united(each for part in Role if part is not Role.ALL for each in permissions(keys, part))
    kinds = {keys.kind(name): kind for name, kind in KINDS.items()}
    kinds |= {keys.root + name: kind for name, kind in SINGLE.items()}  # mirrors look at them as at a prefix
    found = [Permission(Span.of(where), _access(kind, role)) for where, kind in kinds.items() if _access(kind, role)]
    if role is Role.RECONCILER:
        found.append(Permission(Span.of(keys.root), Access.READ))
    if role is Role.API:
        first, last = map(keys.kind, _WATCHED_TOGETHER)
        found.append(Permission(Span(first, last), Access.READ))
    return _united(found)


def _access(kind: Kind, role: Role) -> Access:
    writes = role in kind.writers or (role is Role.RECONCILER and kind.of_a_job)
    reads = role in kind.writers or role in kind.readers
    return (Access.WRITE if writes else Access.NONE) | (Access.READ if reads else Access.NONE)


def _united(found: Iterable[Permission]) -> tuple[Permission, ...]:
    united: dict[Span, Access] = {}
    for each in found:
        united[each.where] = united.get(each.where, Access.NONE) | each.access
    return tuple(Permission(where, united[where]) for where in sorted(united, key=str))

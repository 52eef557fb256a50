"""etcd's users and roles: what somebody with root's rights says so that each user may do what it needs.

Every call says how things are to be, not what is to change, so that it may be repeated after any failure.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Flag
from typing import Any

from aetcd import rpc

from bwvisu.adapters.etcd import wire
from bwvisu.adapters.etcd.connection import Connection, Member
from bwvisu.adapters.etcd.errors import EtcdRefused
from bwvisu.adapters.etcd.model import Span


class Access(Flag):
    """What may be done with keys."""

    NONE = 0
    READ = 1
    WRITE = 2
    BOTH = READ | WRITE

    @property
    def word(self) -> str:
        """As etcdctl calls it."""
        return {Access.READ: "read", Access.WRITE: "write", Access.BOTH: "readwrite"}[self]


@dataclass(frozen=True, slots=True)
class Permission:
    """One right."""

    where: Span
    access: Access

    @property
    def bounds(self) -> tuple[bytes, bytes]:
        """The first key, and the end, which does not belong to it."""
        return wire.bounds(self.where)


async def settle(connection: Connection, user: str, below: str, wanted: Collection[Permission]) -> int:
    """Let ``user`` exist, with a role of the same name that has just these rights; returns how many of them changed.

    A new user has no password: it is known by the name in its client certificate; one that is there stays as it is.
    Rights to keys outside of the prefix ``below`` stay, too: several installations may share users.
    Raises EtcdRefused, EtcdUnavailable.
    """
    options = rpc.UserAddOptions(no_password=True)
    added = rpc.AuthUserAddRequest(name=user, options=options)
    await _unless_there(connection, "UserAdd", added, "user name already exists")
    await _unless_there(connection, "RoleAdd", rpc.AuthRoleAddRequest(name=user), "role name already exists")
    held = await _call(connection, "RoleGet", rpc.AuthRoleGetRequest(role=user))
    have = {(bytes(each.key), bytes(each.range_end)): each.permType for each in held.perm}
    want = {each.bounds: _kind(each.access) for each in wanted}
    grants = [bounds for bounds, kind in want.items() if have.get(bounds) != kind]
    stale = [bounds for bounds in have if bounds not in want and bounds[0].startswith(wire.to_bytes(below))]
    for key, end in grants:  # first: whoever works meanwhile has the old rights or the new ones, and never neither
        permission = rpc.Permission(permType=want[key, end], key=key, range_end=end)
        request = rpc.AuthRoleGrantPermissionRequest(name=user, perm=permission)
        await _call(connection, "RoleGrantPermission", request)
    for key, end in stale:
        request = rpc.AuthRoleRevokePermissionRequest(role=user, key=key, range_end=end)
        await _call(connection, "RoleRevokePermission", request)
    await give(connection, user, user)
    return len(grants) + len(stale)


async def give(connection: Connection, user: str, role: str) -> None:
    """Let ``user`` have ``role``; both must be there."""
    if role not in (await _call(connection, "UserGet", rpc.AuthUserGetRequest(name=user))).roles:
        await _call(connection, "UserGrantRole", rpc.AuthUserGrantRoleRequest(user=user, role=role))


def _kind(access: Access) -> Any:
    return {Access.READ: rpc.Permission.READ, Access.WRITE: rpc.Permission.WRITE}.get(access, rpc.Permission.READWRITE)


async def _unless_there(connection: Connection, name: str, request: Any, there: str) -> None:
    try:
        await _call(connection, name, request)
    except EtcdRefused as error:
        if there not in str(error):
            raise


async def _call(connection: Connection, name: str, request: Any) -> Any:
    def method(member: Member) -> Any:
        return getattr(member.auth, name)

    return await connection.read(method, request)  # may be repeated: it says how things are to be

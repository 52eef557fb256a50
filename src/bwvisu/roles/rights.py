"""The program's roles as users of etcd: who they are called, and how they come by their rights.

Each is known by the common name of its client certificate, which is etcd's own way (``--client-cert-auth``): there is
no password to hand out and no token that ends with a member.  Where a user with a password is there already, it stays.
"""

import shlex
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from bwvisu.adapters.etcd import Permission
from bwvisu.adapters.records import Keys
from bwvisu.adapters.rights import Role, permissions
from bwvisu.roles.base import open_store
from bwvisu.settings import EtcdSettings, EtcdTlsSettings

ROOT = "root"
SEPARATE = (Role.API, Role.KEYHOLE, Role.RECONCILER)
"""Roles of an installation that runs each as a process of its own."""


def user_of(role: Role) -> str:
    """etcd's user, who has a role of the same name; the common name of the certificate."""
    return f"bwvisu-{role.value}"


async def settle(root: EtcdSettings, roles: Collection[Role] = SEPARATE) -> Mapping[Role, int]:
    """Give each role's user its rights below the settings' prefix, by whoever ``root`` says that we are.

    Returns how many rights changed; may be repeated, and takes away what a role does not need any more.
    Raises EtcdRefused, EtcdUnavailable.
    """
    keys = Keys(root.prefix)
    async with open_store(root) as store:
        return {role: await store.settle(user_of(role), keys.root, permissions(keys, role)) for role in roles}


def as_root(etcd: EtcdSettings, cert: Path | None, key: Path | None, password: Path | None) -> EtcdSettings:
    """The same etcd, met as its root: by a certificate, a password, or (none of both) as the settings say."""
    tls = etcd.tls
    if cert is not None:
        tls = (tls or EtcdTlsSettings()).model_copy(update={"cert_file": cert, "key_file": key})
    by_password = {"username": ROOT, "password_file": password} if password is not None else {}
    nobody = {"username": None, "password_file": None} if cert is not None else {}
    return etcd.model_copy(update={"tls": tls, **nobody, **by_password})


def commands(prefix: str, roles: Collection[Role] = SEPARATE) -> Iterator[str]:
    """The same as lines of a shell, for whoever has etcdctl and root's rights."""
    for role in roles:
        user = user_of(role)
        yield f"etcdctl user add {user} --no-password"
        yield f"etcdctl role add {user}"
        for permission in permissions(Keys(prefix), role):
            yield f"etcdctl role grant-permission {user} {permission.access.word} {_where(permission)}"
        yield f"etcdctl user grant-role {user} {user}"


def _where(permission: Permission) -> str:
    where = permission.where
    if where.first == where.last:
        return f"--prefix {shlex.quote(where.first)}"
    return " ".join(shlex.quote(end.decode()) for end in permission.bounds)

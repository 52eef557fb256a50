"""etcd's users of a service on this machine: each role's process is known by a certificate of the sandbox's."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bwvisu.adapters.rights import Role
from bwvisu.roles.rights import as_root, settle, user_of
from bwvisu.sandbox import EtcdAccess
from bwvisu.settings import EtcdSettings

USERS = tuple(user_of(role) for role in Role)
"""For `bwvisu.sandbox.Options.etcd_users`."""


def settle_roles(etcd: EtcdAccess, prefix: str) -> None:
    """Give the roles' users their rights below a prefix; nothing to do where this etcd has no users of the roles."""
    if not set(USERS) <= set(etcd.users):
        return
    root = as_root(EtcdSettings.model_validate({**etcd.settings(), "prefix": prefix}), *etcd.certificate("root"), None)
    with ThreadPoolExecutor(1) as thread:  # whoever starts a service may run an event loop of their own
        thread.submit(asyncio.run, settle(root, tuple(Role))).result()


def certificate(etcd: EtcdAccess, role: str) -> Mapping[str, str]:
    """The environment that makes a process its role's user; the portal has none, and needs none."""
    if role not in set(Role) or user_of(Role(role)) not in etcd.users:
        return {}
    cert, key = etcd.certificate(user_of(Role(role)))
    return {"BWVISU_ETCD__TLS__CERT_FILE": str(cert), "BWVISU_ETCD__TLS__KEY_FILE": str(key)}


def everything(etcd: EtcdAccess) -> Mapping[str, Any]:
    """Settings of the role ``all``, for whoever reads the file without a role of its own."""
    if user_of(Role.ALL) not in etcd.users:
        return {}
    cert, key = etcd.certificate(user_of(Role.ALL))
    return {"etcd": {"tls": {"cert_file": str(cert), "key_file": str(key)}}}

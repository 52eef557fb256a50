"""A lease of etcd with a deadline of its own, so that its holder never believes in it longer than etcd does."""

from collections.abc import Callable
from typing import Any

from aetcd import rpc

from bwvisu.adapters.etcd.connection import Connection, Member
from bwvisu.adapters.etcd.errors import LeaseLost


class EtcdLease:
    """See `Lease`; made by `Etcd.lease`."""

    def __init__(self, connection: Connection, lease_id: int, expires_at: float) -> None:
        self.id = lease_id
        self._connection = connection
        self._expires_at = expires_at

    @classmethod
    async def grant(cls, connection: Connection, ttl: int) -> "EtcdLease":
        """Ask for a lease; one that was granted to a lost answer runs out by itself."""
        asked_at = connection.clock()
        response = await connection.read(lambda member: member.lease.LeaseGrant, rpc.LeaseGrantRequest(TTL=ttl))
        return cls(connection, response.ID, asked_at + response.TTL)

    def remaining(self) -> float:
        """Seconds that the lease surely still holds; etcd counts from later than we do."""
        return self._expires_at - self._connection.clock()

    async def keep_alive(self) -> None:
        """Extend to the full time.  etcd answers for a lost lease without an error, by a TTL of 0."""
        asked_at = self._connection.clock()
        response = await self._connection.read(_keep_alive, rpc.LeaseKeepAliveRequest(ID=self.id))
        if response.TTL <= 0:
            self._expires_at = asked_at
            raise LeaseLost(f"lease {self.id:x} has run out")
        self._expires_at = asked_at + response.TTL

    async def revoke(self) -> None:
        """End it now.  Repeating it is harmless."""
        self._expires_at = self._connection.clock()
        try:
            await self._connection.read(lambda member: member.lease.LeaseRevoke, rpc.LeaseRevokeRequest(ID=self.id))
        except LeaseLost:
            return


def _keep_alive(member: Member) -> Callable[..., Any]:
    """One beat as if it were a plain call; etcd offers it only as a stream."""

    async def beat(request: Any, **options: Any) -> Any:
        call = member.lease.LeaseKeepAlive([request], **options)
        try:
            return await call.read()
        finally:
            call.cancel()

    return beat

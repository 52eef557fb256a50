"""The way to etcd: one gRPC channel per member, one of them in use, and calls that always end.

aetcd's own connect() knows neither TLS nor several members and lets calls hang as long as etcd does; of
aetcd only the generated stubs are used here.  gRPC could hold a list of addresses itself, but stays with a
member that is frozen or cut off from its peers; this class leaves a member as soon as one call fails.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import structlog
from aetcd import rpc
from grpc import ChannelConnectivity
from grpc.aio import AioRpcError

from bwvisu.adapters.etcd.errors import EtcdRefused, OutcomeUnknown
from bwvisu.adapters.etcd.verdict import Fate, Verdict, judge

log = structlog.get_logger(__name__)

Metadata = tuple[tuple[str, str], ...]
Method = Callable[["Member"], Callable[..., Awaitable[Any]]]
"""Picks a call of a member, such as ``lambda member: member.kv.Range``."""

_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", -1),  # a listing or a replay may exceed the default of 4 MiB
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 3000),  # is the connect timeout; below 1 s a busy etcd is never reached
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 10_000),  # etcd ends connections that ping more often than every 5 s
    ("grpc.keepalive_timeout_ms", 3000),
    ("grpc.http2.ping_timeout_ms", 3000),  # without it a frozen peer is never noticed
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.use_local_subchannel_pool", 1),  # another client's back-off is none of ours
    ("grpc.enable_http_proxy", 0),
    ("grpc.service_config_disable_resolution", 1),
)

_REQUIRE_LEADER: Metadata = (("hasleader", "true"),)
"""Without it a member that lost its peers keeps watches open, silent, for ever."""

_PAUSE = 0.1
"""Seconds between two tries once every member has been tried."""

_NOT_APPLIED = frozenset({Fate.NOT_APPLIED, Fate.OUTDATED})
_HARMLESS = frozenset({Fate.NOT_APPLIED, Fate.OUTDATED, Fate.UNKNOWN})
_LOGIN = frozenset({Fate.TOKEN, Fate.OUTDATED})
_OF_THE_MEMBER = frozenset({Fate.NOT_APPLIED, Fate.UNKNOWN})


def uptime() -> float:
    """Seconds since boot, suspension included: a machine that slept has not kept its lease meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class _Failed(Exception):
    """One try failed; the cause is gRPC's error."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict)
        self.verdict = verdict


@dataclass(frozen=True, slots=True)
class EtcdTls:
    """How to meet etcd over TLS.  Files are PEM; without ``ca_file`` gRPC's own roots count.

    ``server_name`` is checked in the certificates instead of the endpoint's host name.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str | None = None

    def credentials(self) -> Any:
        """Read the files into gRPC channel credentials; raises OSError."""
        ca, key, cert = (path and path.read_bytes() for path in (self.ca_file, self.key_file, self.cert_file))
        return grpc.ssl_channel_credentials(ca, key, cert)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user of etcd."""

    username: str
    password: str = field(repr=False)


class Member:
    """One etcd member: its channel and its services."""

    def __init__(self, endpoint: str, tls: EtcdTls | None) -> None:
        self.endpoint = endpoint
        target = f"dns:///{endpoint}"
        if tls is None:
            self.channel = grpc.aio.insecure_channel(target, _OPTIONS)
        else:
            name = (("grpc.ssl_target_name_override", tls.server_name),) if tls.server_name else ()
            self.channel = grpc.aio.secure_channel(target, tls.credentials(), (*_OPTIONS, *name))
        self.kv, self.watch = rpc.KVStub(self.channel), rpc.WatchStub(self.channel)
        self.lease, self.auth = rpc.LeaseStub(self.channel), rpc.AuthStub(self.channel)
        self.maintenance = rpc.MaintenanceStub(self.channel)

    @property
    def ready(self) -> bool:
        """Whether a connection stands, as far as we know."""
        return bool(self.channel.get_state(try_to_connect=True) is ChannelConnectivity.READY)


class Connection:
    """All members of one etcd, as one client: failover, login, deadlines, and errors of ours."""

    def __init__(
        self,
        endpoints: Sequence[str],
        *,
        tls: EtcdTls | None = None,
        credentials: Credentials | None = None,
        timeout: float = 3.0,
        clock: Callable[[], float] = uptime,
    ) -> None:
        if not endpoints:
            raise ValueError("etcd needs at least one endpoint")
        self.timeout = timeout
        self.clock = clock
        self.members = [Member(endpoint, tls) for endpoint in endpoints]
        self._current = 0
        self._credentials = credentials
        self._token: str | None = None
        self._login = asyncio.Lock()

    async def close(self) -> None:
        """Close all channels; calls in flight end as cancelled."""
        for member in self.members:
            await member.channel.close()

    @property
    def member(self) -> Member:
        """The member in use."""
        return self.members[self._current]

    def leave(self, member: Member) -> None:
        """Go on to the next member, unless another call has done so already."""
        if self.member is member and len(self.members) > 1:
            self._current = (self._current + 1) % len(self.members)
            log.info("etcd-failover", left=member.endpoint, now=self.member.endpoint)

    async def read(self, method: Method, request: Any) -> Any:
        """Call what may safely be repeated, on one member after the other, within the deadline.

        Raises EtcdUnavailable at the deadline, and what `judge` finds final.
        """
        return await self._call(method, request, self.clock() + self.timeout, may_repeat=_HARMLESS)

    async def write(self, method: Method, request: Any) -> Any:
        """Call what must not be repeated once it may have been applied: that raises OutcomeUnknown.

        Where no connection stands yet, a harmless call finds a living member first, so that the write is
        not sent into the dark.
        """
        if not self.member.ready:
            await self.read(lambda member: member.maintenance.Status, rpc.StatusRequest())
        return await self._call(method, request, self.clock() + self.timeout, may_repeat=_NOT_APPLIED)

    async def metadata(self, deadline: float) -> Metadata:
        """Return what goes with every call, after logging in where that is due."""
        if self._credentials is None:
            return _REQUIRE_LEADER
        if self._token is None:
            async with self._login:
                if self._token is None:
                    self._token = await self._authenticate(self._credentials, deadline)
        return (*_REQUIRE_LEADER, ("token", self._token)) if self._token else _REQUIRE_LEADER

    def forget_token(self, refused: Metadata) -> bool:
        """Drop the token in ``refused``; False where no new login can help."""
        if self._credentials is None:
            return False
        if dict(refused).get("token", "") == self._token:
            self._token = None
        return True

    async def _call(
        self, method: Method, request: Any, deadline: float, *, may_repeat: frozenset[Fate], login: bool = True
    ) -> Any:
        for attempt in count(1):
            try:
                patience = self._patience(deadline, may_repeat)
                return await self._once(method, request, patience, deadline if login else None)
            except _Failed as failure:
                out_of_time = self.clock() + _PAUSE >= deadline
                if out_of_time or failure.verdict.fate not in may_repeat:
                    unknown = failure.verdict.fate is Fate.UNKNOWN and Fate.UNKNOWN not in may_repeat
                    error = failure.verdict.error
                    raise (OutcomeUnknown(str(error)) if unknown else error) from failure.__cause__
            await asyncio.sleep(0 if attempt % len(self.members) else _PAUSE)
        raise AssertionError("count() ends never")

    async def _once(self, method: Method, request: Any, patience: float, login_by: float | None) -> Any:
        """Try the member in use, with a second chance after a fresh login; raises _Failed."""
        for second_chance in (True, False):
            member = self.member
            metadata = _REQUIRE_LEADER if login_by is None else await self.metadata(login_by)
            try:
                return await method(member)(request, timeout=patience, metadata=metadata)
            except AioRpcError as error:
                verdict = judge(error.code(), error.details() or "")
                if verdict.fate in _LOGIN and second_chance and self.forget_token(metadata):
                    continue
                if verdict.fate in _OF_THE_MEMBER:
                    self.leave(member)
                raise _Failed(verdict) from error
        raise AssertionError("the second try returns or raises")

    def _patience(self, deadline: float, may_repeat: frozenset[Fate]) -> float:
        """Seconds for one try: not all of them on one member, where another may be asked afterwards."""
        left = max(deadline - self.clock(), 0.01)
        return max(left / 2, min(left, 0.5)) if Fate.UNKNOWN in may_repeat and len(self.members) > 1 else left

    async def _authenticate(self, user: Credentials, deadline: float) -> str:
        """Log in (some 80 ms of bcrypt at etcd); "" where etcd runs without authentication."""
        request = rpc.AuthenticateRequest(name=user.username, password=user.password)
        try:
            method = lambda member: member.auth.Authenticate  # noqa: E731
            response = await self._call(method, request, deadline, may_repeat=_HARMLESS, login=False)
        except EtcdRefused as error:
            if "authentication is not enabled" in str(error):
                return ""
            raise
        return str(response.token)

"""A web server as a part of a role: it ends when its task is cancelled, and cuts long answers after a while."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from bwvisu.settings import ServerTlsSettings

GRACE = 3
"""Seconds that open requests may take to end (uvicorn waits for ever without)."""
HEAD_PATIENCE = 10.0
"""Seconds for a request's head; uvicorn would wait for ever, and each idle connection costs a file descriptor."""
LONGEST_HEAD = 64 * 1024
"""Bytes of an unfinished head that are kept; 400 beyond."""
UNREAD = 60
"""Seconds after which the kernel cuts a connection whose other end does not take what we send (tcp(7))."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def] # uvicorn's own is untyped in its result
        """Signals are the process's business: it may run several roles."""
        yield


class ImpatientProtocol(H11Protocol):
    """Closes a connection on which no whole head arrives in time, or whose other end does not take what we send."""

    patience = HEAD_PATIENCE
    unread = UNREAD
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """The first head is due; the kernel minds the rest."""
        super().connection_made(transport)
        plug = transport.get_extra_info("socket")
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self.unread * 1000)
        self._head_is_due()

    def data_received(self, data: bytes) -> None:
        """A head has begun or ended, or this was part of a body."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._head_is_due()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _head_is_due(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.patience, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def _tls_context(_: uvicorn.Config, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    context = default()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def run_web(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    tls: ServerTlsSettings | None,
    trusted_proxies: Sequence[IPv4Network | IPv6Network] = (),
    stopping: Callable[[], None] = lambda: None,
) -> None:
    """Serve until cancelled; ``stopping`` is called then, to end answers that would go on for ever."""
    server = _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=ImpatientProtocol,
            h11_max_incomplete_event_size=LONGEST_HEAD,
            ssl_certfile=tls.cert_file if tls else None,
            ssl_keyfile=tls.key_file if tls else None,
            ssl_context_factory=_tls_context if tls else None,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=[str(network) for network in trusted_proxies],
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=GRACE,
            lifespan="off",
        )
    )
    serving = asyncio.create_task(server.serve())
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        stopping()
        server.should_exit = True
        await serving
        raise

"""One node: its connection, the places on it, and when to leave it alone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncssh

from bwvisu.adapters.ssh.breaker import Breaker
from bwvisu.adapters.ssh.exchange import Exchange
from bwvisu.adapters.ssh.settings import Node, SshSettings

PAUSES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
"""Seconds before each try to open a channel; one that was not opened has surely started nothing."""
CLOSE_WITHIN = 2.0
"""Seconds that a connection may take to say goodbye."""


class NotOpenedError(Exception):
    """No session was had."""

    def __init__(self, reason: str, *, retryable: bool = True, tried: bool = True) -> None:
        super().__init__(reason)
        self.retryable = retryable
        self.tried = tried


@dataclass(slots=True, eq=False)
class Connection:
    """An open connection and its places."""

    ssh: asyncssh.SSHClientConnection
    places: asyncio.Semaphore
    in_use: int = 0
    retired: bool = False
    """Gets no new sessions; closes with its last one."""

    @property
    def usable(self) -> bool:
        """Whether a new session may be tried on it."""
        return not self.retired and not self.ssh.is_closed()


class Link:
    """Makes the connection when it is needed, once for all who wait, and again when it was lost."""

    def __init__(self, node: Node, settings: SshSettings, clock: Callable[[], float]) -> None:
        self.node = node
        self.breaker = Breaker(settings.backoff_first, settings.backoff_limit)
        self._settings = settings
        self._clock = clock
        self._current: Connection | None = None
        self._all: set[Connection] = set()
        self._connecting: asyncio.Task[Connection] | None = None
        self._closed = False

    @property
    def pause(self) -> float:
        """Seconds until the next connect may be tried."""
        return self.breaker.pause(self._clock())

    @asynccontextmanager
    async def session(self, text: str, exchange: Exchange) -> AsyncIterator[None]:
        """Start ``text`` on the node and hold its place until the block ends; raises NotOpenedError.

        Whoever is cancelled here has lost patience with the host: its connection gets no further sessions.
        """
        connection = await self._start(text, exchange)
        try:
            yield
            if exchange.answered:
                self.breaker.succeeded()
        except asyncio.CancelledError:
            self._suspect(connection, "it did not answer in time")
            raise
        finally:
            exchange.abort()
            self._give_back(connection)

    def warm(self) -> None:
        """Begin to connect where that may help and nobody does, and do not wait for it."""
        if not self._closed and not self.pause and (self._current is None or not self._current.usable):
            self._connect_once()

    async def aclose(self) -> None:
        """Close everything, politely for a moment."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        await asyncio.gather(*(_close(connection.ssh) for connection in self._all))

    async def _start(self, text: str, exchange: Exchange) -> Connection:
        """Open a channel and ask for the program, again while surely nothing was started."""
        reason = ""
        for pause in PAUSES:
            await asyncio.sleep(pause)
            connection = await self._place()
            try:
                await connection.ssh.create_session(exchange.opened, text, encoding=None)
            except asyncio.CancelledError:
                self._give_back(connection)
                self._suspect(connection, "it did not open a session in time")
                raise
            except (asyncssh.Error, OSError) as error:
                self._give_back(connection)
                reason = f"no session: {error}"
                if exchange.requested:
                    break
            else:
                return connection
        raise NotOpenedError(f"{self.node}: {reason}")

    async def _place(self) -> Connection:
        """A free place on a connection that may still be good."""
        while True:
            connection = await self._connected()
            await connection.places.acquire()
            if connection.usable:
                connection.in_use += 1
                return connection
            connection.places.release()

    def _give_back(self, connection: Connection) -> None:
        connection.in_use -= 1
        connection.places.release()
        self._tidy(connection)

    def _suspect(self, connection: Connection, reason: str) -> None:
        """Others may still get their answers over it; nobody new is sent there."""
        if not connection.retired:
            connection.retired = True
            self.breaker.failed(self._clock(), f"{self.node}: {reason}")
        self._tidy(connection)

    def _tidy(self, connection: Connection) -> None:
        if connection.in_use == 0 and not connection.usable:
            connection.ssh.abort()
            self._all.discard(connection)

    async def _connected(self) -> Connection:
        if self._closed:
            raise NotOpenedError("the pool is closed", retryable=False)
        if self._current is not None and self._current.usable:
            return self._current
        if self._connecting is None and self.pause:
            raise NotOpenedError(f"{self.breaker.reason}; left alone for another {self.pause:.1f} s", tried=False)
        attempt = self._connect_once()
        try:
            return await asyncio.shield(attempt)
        except asyncio.CancelledError:
            if attempt.cancelled():
                raise NotOpenedError("the pool was closed", retryable=False) from None
            raise

    def _connect_once(self) -> "asyncio.Task[Connection]":
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(self._connect_done)
        return self._connecting

    def _connect_done(self, task: "asyncio.Task[Connection]") -> None:
        self._connecting = None
        if not task.cancelled():
            task.exception()  # seen: those who wait get it too, and there may be none

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                ssh = await self._dial()
        except (asyncssh.Error, OSError, ValueError) as error:
            refused = NotOpenedError(f"{self.node}: {_words(error)}", retryable=_passing(error))
            self.breaker.failed(self._clock(), str(refused))
            raise refused from error
        self.breaker.succeeded()
        self._current = Connection(ssh, asyncio.Semaphore(self._settings.sessions))
        self._all = {connection for connection in self._all if connection.in_use} | {self._current}
        return self._current

    async def _dial(self) -> asyncssh.SSHClientConnection:
        """Only what is given here counts: no agent, no ~/.ssh/config, and the host's key is always checked."""
        return await asyncssh.connect(
            self.node.host,
            self.node.port,
            username=self.node.user,
            client_keys=[str(self._settings.key_file)],
            known_hosts=str(self._settings.known_hosts),
            config=None,
            agent_path=None,
            preferred_auth="publickey",
            keepalive_interval=self._settings.keepalive_interval,
            keepalive_count_max=self._settings.keepalive_count,
        )


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it did not let us in within the connect timeout"
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return f"its host key is not the known one ({error})"
    return str(error) or type(error).__name__


def _passing(error: Exception) -> bool:
    """Whether time alone may mend it: not keys, nor files of ours that are missing or unreadable."""
    lasting = (
        asyncssh.HostKeyNotVerifiable,
        asyncssh.PermissionDenied,
        FileNotFoundError,
        PermissionError,
        ValueError,
    )
    return not isinstance(error, lasting)


async def _close(ssh: asyncssh.SSHClientConnection) -> None:
    ssh.close()
    try:
        async with asyncio.timeout(CLOSE_WITHIN):
            await ssh.wait_closed()
    except TimeoutError:
        ssh.abort()

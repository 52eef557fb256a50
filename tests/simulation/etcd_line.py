"""The way from one client to the simulated etcd and back: time, losses, refusals, and answers that nobody awaits.

It stands for `bwvisu.adapters.etcd.connection` and for the network below it.  A request that was sent has a life of its
own: it arrives, and is applied, whether or not its client still waits, or still lives.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from bwvisu.adapters.etcd import EtcdError, EtcdUnavailable, OutcomeUnknown
from tests.simulation.etcd_machine import SimEtcd
from tests.simulation.weather import Weather

T = TypeVar("T")

KEEPALIVE = 13.0
"""Seconds after which a connection that is silent is given up: a ping every 10 s, its answer within 3 s."""
_PAUSE = 0.1
"""Seconds between two tries, as in the real client."""
_LATEST = 5.0
"""Seconds after its client gave up by which a late write has been applied."""


class _Silent(Exception):
    """No answer came in time."""


class _Broken(Exception):
    """The connection broke while the request was under way."""


class _Failure:
    """An error on its way back: a value until somebody receives it, so that no unread one counts as a defect."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class Line:
    """One client's connection."""

    def __init__(self, etcd: SimEtcd, client: str, weather: Weather, timeout: float) -> None:
        self.etcd = etcd
        self.client = client
        self.weather = weather
        self.timeout = timeout
        self._incarnation = -1  # of etcd, when it last answered; none so far
        self._silent_since: float | None = None

    @property
    def reachable(self) -> bool:
        """Whether the network between the two is there."""
        return self.weather.reachable(self.client, "etcd")

    async def read(self, work: Callable[[], T], *, writes: bool = False) -> T:
        """Ask for what may be repeated until the deadline: EtcdUnavailable.  What ``writes`` may be applied late."""
        deadline = _time() + self.timeout
        while True:
            await self._connect(deadline)
            try:
                return await self._ask(work, deadline, writes=writes)
            except _Silent as error:
                raise self._unavailable() from error
            except _Broken as error:
                if _time() + _PAUSE >= deadline:
                    raise self._unavailable() from error
                await asyncio.sleep(_PAUSE)

    async def write(self, work: Callable[[], T]) -> T:
        """Ask for what must not be repeated; an answer that does not come is OutcomeUnknown."""
        if not self._standing:
            await self.read(lambda: None)
        deadline = _time() + self.timeout
        await self._connect(deadline)
        try:
            return await self._ask(work, deadline, writes=True)
        except (_Silent, _Broken) as error:
            raise OutcomeUnknown(f"{self.client} has no answer to a write") from error

    async def once(self, work: Callable[[], T]) -> T:
        """Ask one time only, as for a watch; without an answer EtcdUnavailable."""
        if not self.etcd.up and self.reachable:
            raise EtcdUnavailable("failed to connect to all addresses")
        await self._connect(_time() + self.timeout)
        try:
            return await self._ask(work, _time() + self.timeout)
        except (_Silent, _Broken) as error:
            raise self._unavailable() from error

    @property
    def _standing(self) -> bool:
        """Whether a connection stands, as far as the client knows."""
        silent = 0.0 if self._silent_since is None else _time() - self._silent_since
        return self._incarnation == self.etcd.incarnation and self.etcd.up and silent < KEEPALIVE

    async def _connect(self, deadline: float) -> None:
        """Wait until somebody listens."""
        if self.weather.strikes("etcd.refused"):
            raise EtcdUnavailable("failed to connect to all addresses: connection refused")
        while not self.etcd.up and self.reachable:
            moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.etcd.when_moved(partial(_settle, moved, None))
            try:
                async with asyncio.timeout_at(deadline):
                    await moved
            except TimeoutError as error:
                raise self._unavailable() from error

    async def _ask(self, work: Callable[[], T], deadline: float, *, writes: bool = False) -> T:
        """Send a request and await what comes of it."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._send(work, answer, writes)
        alarm = loop.call_at(deadline, self._give_up, answer)
        try:
            reply = await answer
        finally:
            alarm.cancel()
        if isinstance(reply, _Failure):
            raise reply.error
        result: T = reply
        return result

    def _give_up(self, answer: asyncio.Future[Any]) -> None:
        if not answer.done():
            if self._silent_since is None:
                self._silent_since = _time() - self.timeout
            answer.set_result(_Failure(_Silent()))

    def _send(self, work: Callable[[], object], answer: asyncio.Future[Any], writes: bool) -> None:
        if not self.reachable or self.weather.strikes("etcd.request-lost"):
            return
        delay = self.travel()
        if writes and self.weather.strikes("etcd.late"):
            delay += self.timeout + self.weather.between(0.01, _LATEST)
        elif self.weather.strikes("etcd.slow"):
            delay += self.timeout * self.weather.between(0.1, 0.9)
        self.later(delay, self._arrive, work, answer, self.etcd.incarnation)

    def _arrive(
        self, work: Callable[[], object], answer: asyncio.Future[Any], incarnation: int, waited: bool = False
    ) -> None:
        """The server has the request; it answers now, or when it can."""
        etcd = self.etcd
        if not etcd.up or etcd.incarnation != incarnation:
            self._return(answer, _Failure(_Broken()), incarnation)
        elif not etcd.answering:
            etcd.when_moved(partial(self._arrive, work, answer, incarnation, waited=True))
        elif not (waited and answer.done()) or self.weather.strikes("etcd.late"):
            reply = _outcome(work)
            if not self.weather.strikes("etcd.answer-lost"):
                self.later(self.travel(), self._return, answer, reply, incarnation)

    def _return(self, answer: asyncio.Future[Any], reply: object, incarnation: int) -> None:
        """The client has the answer."""
        if not self.reachable:
            return
        if self.etcd.incarnation != incarnation:
            reply = _Failure(_Broken())
        else:
            self._incarnation, self._silent_since = incarnation, None
        _settle(answer, reply)

    def travel(self) -> float:
        """Seconds for one way."""
        return self.weather.between(0.00025, 0.01)

    def later(self, delay: float, callback: Callable[..., None], *args: object) -> None:
        """Let the network or the server do something ``delay`` seconds from now, whatever becomes of the client."""
        asyncio.get_running_loop().call_later(delay, callback, *args, context=self.etcd.context)

    def _unavailable(self) -> EtcdUnavailable:
        return EtcdUnavailable(f"{self.client} has no answer within {self.timeout} s")


def _outcome(work: Callable[[], object]) -> object:
    try:
        return work()
    except EtcdError as error:
        return _Failure(error)


def _settle(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)


def _time() -> float:
    return asyncio.get_running_loop().time()

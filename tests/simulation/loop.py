"""An event loop whose time is simulated, whose tasks belong to processes, and whose order is drawn from a seed.

Within a process callbacks run in asyncio's own order, first come first served; which process goes on next is drawn.  A
process can be killed at any await, without a ``finally`` of it ever running, and stopped and continued, as by SIGSTOP.
Time passes only when nobody has anything to do.
"""

import asyncio
import contextlib
import heapq
import random
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Process:
    """What dies and stops together."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.stopped = False
        self.ready: deque[asyncio.Handle] = deque()

    def __repr__(self) -> str:
        return self.name


WORLD = Process("world")
"""Everything that belongs to nobody else.  Nobody kills or stops it."""
_PROCESS: ContextVar[Process] = ContextVar("process", default=WORLD)


class Stuck(Exception):
    """Nothing will ever happen again although somebody waits for something."""


class _Task(asyncio.Task[Any]):
    """A task that sets always hold in the same order: asyncio cancels and wakes by iterating over sets."""

    number = 0

    def __hash__(self) -> int:
        return self.number


class SimLoop(asyncio.AbstractEventLoop):
    """``chance`` draws who goes on next; ``on_step`` is called after every callback."""

    def __init__(self, chance: random.Random) -> None:
        self.steps = 0
        self.on_step: Callable[[], None] = lambda: None
        self.crashes: list[dict[str, Any]] = []
        """What asyncio told its exception handler: tasks that ended by an error which nobody saw."""
        self._chance = chance
        self._now = 0.0
        self._turn = 0
        self._set_apart: set[Process] = set()
        """Processes that have died or were stopped at some time."""
        self._runnable: list[Process] = []
        self._timers: list[tuple[float, int, Process, asyncio.TimerHandle]] = []
        self._running = False
        WORLD.ready.clear()

    # ---- processes --------------------------------------------------------------------------------------------

    @property
    def current(self) -> Process:
        """Whose callback is running."""
        return _PROCESS.get()

    def spawn(self, process: Process, work: Coroutine[Any, Any, T], name: str | None = None) -> asyncio.Task[T]:
        """Begin ``work`` in ``process``, whoever asks."""
        context = copy_context()
        context.run(_PROCESS.set, process)
        return self.create_task(work, name=name, context=context)

    def kill(self, process: Process) -> None:
        """End a process between two of its steps: nothing of it runs any more."""
        process.alive = False
        process.ready.clear()
        self._set_aside(process)

    def freeze(self, process: Process) -> None:
        """SIGSTOP: it does nothing; what it waits for comes due meanwhile."""
        process.stopped = True
        self._set_aside(process)

    def thaw(self, process: Process) -> None:
        """SIGCONT: all that came due happens now."""
        process.stopped = False
        if process.ready and process.alive and process not in self._runnable:
            self._runnable.append(process)

    def _set_aside(self, process: Process) -> None:
        self._set_apart.add(process)
        if process in self._runnable:
            self._runnable.remove(process)

    # ---- running ----------------------------------------------------------------------------------------------

    def run_until_complete(self, future: Any) -> Any:
        """Run until ``future`` is done; raises `Stuck` where that cannot come any more."""
        with self._in_charge():
            task = asyncio.ensure_future(future, loop=self)
            while not task.done():
                self._step()
            return task.result()

    def end(self) -> None:
        """Cancel what is left, of dead processes too, and let it end; its effects do not matter any more."""
        with self._in_charge():
            self.on_step = lambda: None
            for process in self._set_apart:
                process.alive = True
                self.thaw(process)
            for _ in range(3):
                left = asyncio.all_tasks(self)
                for task in left:
                    task.cancel()
                limit = self.steps + 100 * (len(left) + 1)
                with contextlib.suppress(Stuck):
                    while self.steps < limit and not all(task.done() for task in left):
                        self._step()

    def _step(self) -> None:
        if not self._runnable:
            self._pass_time()
        process = self._choose()
        handle = process.ready.popleft()
        if not process.ready:
            self._runnable.remove(process)
        if not handle._cancelled:
            self.steps += 1
            handle._run()
            self.on_step()

    def _choose(self) -> Process:
        runnable = self._runnable
        return runnable[0] if len(runnable) == 1 else runnable[int(self._chance.random() * len(runnable))]

    def _pass_time(self) -> None:
        """Go on to the next moment at which somebody has something to do."""
        while not self._runnable:
            if not self._timers:
                raise Stuck
            self._now = max(self._now, self._timers[0][0])
            while self._timers and self._timers[0][0] <= self._now:
                _, _, process, handle = heapq.heappop(self._timers)
                self._ready(process, handle)

    def _ready(self, process: Process, handle: asyncio.Handle) -> None:
        if not process.alive or handle._cancelled:
            return
        if not process.ready and not process.stopped:
            self._runnable.append(process)
        process.ready.append(handle)

    @contextlib.contextmanager
    def _in_charge(self) -> Iterator[None]:
        asyncio._set_running_loop(self)
        self._running = True
        try:
            yield
        finally:
            self._running = False
            asyncio._set_running_loop(None)

    # ---- what asyncio asks of a loop --------------------------------------------------------------------------

    def time(self) -> float:
        """Seconds since the world began."""
        return self._now

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run it in the process of its context."""
        process = _PROCESS.get() if context is None else context.get(_PROCESS, WORLD)
        handle = asyncio.Handle(callback, args, self, context)
        self._ready(process, handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run it ``delay`` seconds from now."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run it at ``when``."""
        process = _PROCESS.get() if context is None else context.get(_PROCESS, WORLD)
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._turn += 1
        heapq.heappush(self._timers, (when, self._turn, process, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing to count: a cancelled timer is dropped when it comes due."""

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None, **_: Any
    ) -> asyncio.Task[Any]:
        """A task in the process of its context."""
        task = _Task.__new__(_Task)
        self._turn += 1
        task.number = self._turn
        task.__init__(coro, loop=self, name=name, context=context)  # type: ignore[misc]  # which asks for the hash
        return task

    def run_in_executor(self, executor: Any, func: Callable[[*Ts], T], *args: *Ts) -> "asyncio.Future[T]":
        """At once: threads have no place in a simulation."""
        del executor
        future: asyncio.Future[T] = self.create_future()
        future.set_result(func(*args))
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep it: a defect that nobody saw is to end the simulation."""
        self.crashes.append(context)

    async def shutdown_asyncgens(self) -> None:
        """None is kept track of."""

    def get_debug(self) -> bool:
        """Debugging is not what this loop is for."""
        return False

    def is_running(self) -> bool:
        """Whether it runs."""
        return self._running

    def is_closed(self) -> bool:
        """It holds nothing that could be closed."""
        return False

"""What the service says in its log, as lines of the trace; what it calls a defect ends the simulation."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from tests.simulation.world import World

_SILENT = frozenset({"timestamp", "level", "exc_info", "event"})


@contextmanager
def recording(world: World) -> Iterator[None]:
    """Send structlog's events to ``world`` for a while."""

    def note(_: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        words = " ".join(f"{key}={value}" for key, value in event.items() if key not in _SILENT)
        world.say(f"{world.loop.current}: {event['event']} {words}")
        if method in {"exception", "error", "critical"}:
            world.defects.append(f"{world.loop.current}: {event['event']} {words}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[note], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)

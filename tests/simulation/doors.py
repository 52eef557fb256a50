"""Who may come in where forwards are bound to their owners' addresses, and who opens and shuts the doors."""

import asyncio
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from bwvisu.domain.admission import Admission, Admissions
from keyhole.domain import Network, Sources, sources
from keyhole.nat.model import Translation
from tests.simulation.service import EPOCH

if TYPE_CHECKING:
    from tests.simulation.world import World

NETWORKS = ("203.0.113.9/32", "203.0.113.0/24", "198.51.100.7/32")

VIEWER = "203.0.113.9"


class Doors:
    """What was ever written of admissions."""

    def __init__(self) -> None:
        self.bound = False
        self.records: dict[str, Admissions] = {}
        self.ever: dict[str, set[Network]] = defaultdict(set)

    def stored(self, job_id: str, value: Any) -> None:
        """A job's record has changed."""
        self.records[job_id] = record = Admissions.model_validate(value or {})
        self.ever[job_id].update(each.addresses for each in record.entries)

    def now(self, job_id: str, time: float) -> Sources:
        """Who may come in at a moment of simulated time; None: everybody."""
        if not self.bound:
            return None
        record = self.records.get(job_id, Admissions())
        return sources([each.addresses for each in record.entries if each.expires_at.timestamp() > EPOCH + time], 4)

    def left_open(self, job_id: str, way: Translation) -> str:
        """I3: what a forward lets in that its job's record has never admitted; empty: nobody."""
        if not self.bound:
            return ""
        if way.sources is None:
            return "everybody"
        return ", ".join(str(each) for each in way.sources if each not in self.ever[job_id])


async def keep_doors(world: "World", seed: int) -> None:
    """Their owners admit addresses to jobs, for a while, and shut them out again; and viewers come, and stay.

    Drawn apart from the rest.
    """
    chance = random.Random(f"doors {seed}")  # noqa: S311
    while world.invariants.doors.bound:
        await asyncio.sleep(chance.uniform(0.5, 10.0))
        for gateway in world.gateways.values():
            for port in gateway.rules():
                gateway.connect(VIEWER, port)
        if jobs := sorted(world.invariants.specs):
            now = datetime.fromtimestamp(EPOCH + world.loop.time(), UTC)
            entries = tuple(
                Admission(
                    id=str(number),
                    network=str(ip_network(each)),
                    user="alice",
                    at=now,
                    expires_at=now + timedelta(seconds=chance.uniform(1.0, 30.0)),
                )
                for number, each in enumerate(chance.sample(NETWORKS, chance.randint(0, 3)))
            )
            world.admit(chance.choice(jobs), Admissions(entries=entries))

"""How long it takes to accept a job.

``POST /api/v1/jobs`` over one kept connection, and over 32 at once, to one replica of the API as a process of its own,
over a single etcd on this machine's disk; half of the answers take no longer than the figure.  The persons are 32 whose
accounts are known; the job is the smallest one that ships.  The floor: one transaction by the same client library that
compares and puts one key, with a value as large as the job's record, just as many at a time, in the same etcd.  What
comes between the two is everything that makes a job of a request: the web server, the token, the check of the form, the
job's secret and its sealing, its record, and the wait until the replica itself can list it.

Floor and measurement take turns, so that what else happens on the machine meets both.
"""

import itertools
from collections.abc import Sequence
from statistics import median

from bwvisu.adapters.etcd import Absent, Committed, Etcd, Put
from bwvisu.adapters.records import Keys
from tests.bench.line import Line, lines
from tests.bench.replica import APPLICATION, HEADERS, Replica, accepted, replica
from tests.bench.table import Goal, Result, Row, Say
from tests.bench.timing import durations

LANES = (1, 32)
ROUNDS = 5
EACH = 400
"""Calls of a round, whether they come one by one or 32 at a time."""
GOAL = Goal("at most", 2.5)


async def measure(say: Say) -> Result:
    """A row for each number of lanes."""
    async with replica() as running, Etcd(running.etcd.endpoints) as store:
        users = [f"user{number}" for number in range(max(LANES))]
        await accepted(running.api, users)  # their accounts, and the bundle, are known from now on
        value = await _record(store)
        async with lines(running.api.port, max(LANES), HEADERS) as opened:
            return Result([await _row(say, running, opened, store, value, lanes) for lanes in LANES])


async def _record(store: Etcd) -> bytes:
    """A job's record as the API stored it."""
    listing = await store.list("/test-")
    return next(entry.value for key, entry in listing.entries.items() if "/specs/" in key)


async def _row(say: Say, running: Replica, opened: Sequence[Line], store: Etcd, value: bytes, lanes: int) -> Row:
    floor: list[float] = []
    posts: list[float] = []
    keys, numbers = Keys(f"/floor-{lanes}"), itertools.count()

    async def commit(_: int) -> None:
        key = keys.spec(str(next(numbers)))
        assert isinstance(await store.commit([Absent(key)], [Put(key, value)]), Committed)

    async def post(lane: int) -> None:
        await opened[lane].ask("/api/v1/jobs", {"user": f"user{lane}", "application": APPLICATION}, 201)

    for number in range(ROUNDS):
        say(f"{lanes} at a time: round {number + 1} of {ROUNDS}")
        floor += await durations(commit, EACH, lanes)
        posts += await durations(post, EACH, lanes)
    return Row(
        f"POST, half within, {lanes} at a time", 1000 * median(posts), "ms",
        floor=1000 * median(floor), floor_is="one bare etcd transaction", goal=GOAL,
    )  # fmt: skip

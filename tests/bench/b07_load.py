"""How long a gateway takes to load all forwards, and one more.

A gateway of the sandbox cluster is told of 10, 1,000 and 10,000 forwards from nothing, as after its reboot, and then of
one more, by the texts and over the SSH connection that the leader uses; both packet filters.  Timed from rendering the
rules to the gateway's answer.  The floor: the very same rules piped into bare ``nft -f -`` or ``iptables-restore``
over the same connection.  Median of several rounds, in which both take turns.

One more forward is to cost the same however many there are: its floor is one more beside ten.
"""

from statistics import median

from keyhole.nat.model import Actual
from tests.bench.gateway import FILTERS, Gateway, gateways
from tests.bench.table import Curve, Goal, Result, Row, Say

SIZES = (10, 1_000, 10_000)
ROUNDS = 5
SAME = 1.5
"""Times: what noise makes of the same."""


async def measure(say: Say) -> Result:
    """Both packet filters."""
    result = Result([])
    async with gateways(say) as found:
        for backend in FILTERS:
            gateway = found["gw1", backend]
            costs = {size: await _at(gateway, size) for size in SIZES}
            for size, (full, bare, more) in costs.items():
                say(f"{backend}, {size} forwards: {full:.0f} ms, bare {bare:.0f} ms, one more {more:.0f} ms")
            result.rows.extend(_rows(gateway, costs))
            for position, title in ((0, "All forwards"), (2, "One more forward")):
                points = [(float(size), each[position]) for size, each in costs.items()]
                result.curves.append(Curve(f"{title}, {backend}", "forwards", "load, ms", points))
    return result


def _rows(gateway: Gateway, costs: dict[int, tuple[float, float, float]]) -> list[Row]:
    backend, few, many = gateway.driver.backend, min(SIZES), max(SIZES)
    full, bare, more = costs[many]
    command = {"nftables": "bare nft -f", "iptables": "bare iptables-restore"}[backend]
    return [
        Row(f"load {many:,} forwards, {backend}", full, "ms", bare, command, Goal("at most", 1.5)),
        Row(f"one more at {many:,}, {backend}", more, "ms", costs[few][2], f"one more at {few}", Goal("at most", SAME)),
    ]


async def _at(gateway: Gateway, size: int) -> tuple[float, float, float]:
    """Milliseconds of a full load, of the same bare, and of one more; nothing is left."""
    table, one_more = gateway.table(size), gateway.table(size + 1)
    rounds = []
    for _ in range(ROUNDS):
        await gateway.empty()
        bare = await gateway.bare(gateway.render(table, Actual()))
        await gateway.empty()
        full = await gateway.become(table)
        more = await gateway.become(one_more)
        assert (await gateway.actual()).forwards == one_more
        rounds.append((full, bare, more))
    await gateway.empty()
    full, bare, more = (1000 * median(each) for each in zip(*rounds, strict=True))
    return full, bare, more

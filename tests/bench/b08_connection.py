"""How long a new connection takes through the last of 10,000 forwards.

One gateway of the sandbox cluster carries 10,000 forwards, the other one a single one.  A client on the outside host
connects to the last port of the first and to the port of the second in turns, thousands of times; both lead to the same
program on a compute node.  Timed is ``connect``: from the first packet to the answer's arrival.  Both packet filters:
with nftables a forward is an entry of a map, with iptables a rule that stands behind 9,999 others.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from bwvisu.sandbox import Sandbox
from tests.bench.gateway import FILTERS, FIRST, NODE, gateways
from tests.bench.table import Goal, Result, Row, Say

FORWARDS = 10_000
TURNS = 3_000
_CLIENT = """
import json, socket, struct, sys, time
ways = [(host, int(port)) for host, port in zip(sys.argv[2::2], sys.argv[3::2])]
took = [[] for _ in ways]
for _ in range(int(sys.argv[1])):
    for way, times in zip(ways, took):
        with socket.socket() as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            began = time.perf_counter()
            line.connect(way)
            times.append(time.perf_counter() - began)
print(json.dumps(took))
"""
"""Arguments: how often, then host and port of each way.  It resets its connections: none waits for a late packet."""
_SERVER = """
import selectors, socket, sys
doors = selectors.DefaultSelector()
for port in sys.argv[1:]:
    doors.register(socket.create_server(("", int(port)), backlog=1024), selectors.EVENT_READ)
doors.register(sys.stdin, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in doors.select():
        if key.fileobj is sys.stdin:
            sys.exit()
        key.fileobj.accept()[0].close()
"""
"""It ends with its stdin."""


async def measure(say: Say) -> Result:
    """Both packet filters."""
    rows = []
    async with gateways(say) as found:
        for backend in FILTERS:
            many, one = (found[name, backend] for name in ("gw1", "gw2"))
            tables = many.table(FORWARDS), one.table(1)
            last = max(tables[0])
            await many.become(tables[0])
            await one.become(tables[1])
            with _serving(many.box, [tables[0][last].port, tables[1][FIRST].port]):
                last_us, only_us = _connect(many.box, [(many.outer, last), (one.outer, FIRST)])
            await many.empty()
            await one.empty()
            say(f"{backend}: {last_us:.0f} µs through the last of {FORWARDS:,}, {only_us:.0f} µs through one alone")
            goal = Goal("at most", 1.1) if backend == "nftables" else None
            what = f"new connection, last of {FORWARDS:,} forwards, {backend}"
            rows.append(Row(what, last_us, "µs", only_us, "through a single one", goal))
    return Result(rows)


@contextmanager
def _serving(box: Sandbox, ports: list[int]) -> Iterator[None]:
    argv = ["/usr/bin/python3", "-c", _SERVER, *map(str, ports)]
    with box.popen(NODE, argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout
        assert server.stdout.readline() == "ready\n"
        yield
        server.communicate(timeout=30)


def _connect(box: Sandbox, ways: list[tuple[str, int]]) -> list[float]:
    """The median of each, in microseconds."""
    argv = ["/usr/bin/python3", "-c", _CLIENT, str(TURNS), *(str(part) for way in ways for part in way)]
    done = box.run("outside", argv, timeout=300)
    assert done.returncode == 0, done.stderr
    return [1e6 * median(times) for times in json.loads(done.stdout)]

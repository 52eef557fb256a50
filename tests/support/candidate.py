"""A candidate for leadership as a process of its own, to be killed, stopped and cut off by tests.

While it leads it writes ``<prefix>writes/<epoch>`` as fast as etcd takes it.  It prints a JSON line for each
thing that happens: ``{"at": <seconds since boot>, "event": ..., "epoch": ...}``.
"""

import asyncio
import json
import signal
import sys
import time
from contextlib import suppress

import structlog

from bwvisu.adapters.etcd import Etcd, EtcdError, Put
from bwvisu.reconcilers.leadership import Candidate, Election, Leadership, NotLeader


def say(event: str, epoch: int = 0) -> None:
    print(json.dumps({"at": time.clock_gettime(time.CLOCK_BOOTTIME), "event": event, "epoch": epoch}), flush=True)


async def main(endpoint: str, prefix: str, name: str, ttl: int) -> None:
    async def work(leadership: Leadership) -> None:
        say("elected", leadership.epoch)
        try:
            await write(leadership)
        finally:
            say("stopped", leadership.epoch)

    async def write(leadership: Leadership) -> None:
        number = 0
        while True:
            number += 1
            record = Put(f"{prefix}writes/{leadership.epoch}", f"{name} {number}".encode())
            try:
                await leadership.commit([], [record])
            except NotLeader:
                say("fenced", leadership.epoch)
                await leadership.lost.wait()
            except EtcdError:
                say("unsure", leadership.epoch)
            await asyncio.sleep(0.005)

    async with Etcd([endpoint], timeout=1.0) as etcd:
        election = Election(etcd, prefix + "leader", Candidate(name, "here"), ttl=ttl)
        running = asyncio.create_task(election.run(work))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
        say("standing")
        with suppress(asyncio.CancelledError):
            await running
    say("ended")


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))

"""A running batch script: what `keyhole.client` and an application do on a compute node, as a process of its own.

It reads its configuration from the very text that was submitted and speaks the same protocol as the client; its own
work (asking, binding, reporting) is small, so it is written again here instead of running a blocking program.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from keyhole.auth import Call, signature
from keyhole.client import FAREWELL_SECONDS, SKEWED
from tests.simulation.asgi import Reply
from tests.simulation.weather import Weather

_CONFIG = re.compile(r"^CONFIG = json\.loads\((.*)\)$", re.MULTILINE)
LAST_LINE = "# This is the last line."
PATIENCE = 300.0
"""Seconds after which a script that got no ports ends."""
ANSWER_SECONDS = 35.0

FAULTS: Mapping[str, str] = {
    "job.port-taken": "another process binds the port between choice and bind",
    "job.repeats-itself": "the client asks again although it has an answer, or after a lost one",
    "job.crashes": "the script ends by itself, with an exit code",
    "job.never-listens": "the application does not open its port",
    "job.stops-listening": "the application closes its port for a while",
    "keyhole.lost": "a request to the keyhole, or its answer, is lost",
    "keyhole.refused": "a keyhole replica does not take the connection",
}


class Surroundings(Protocol):
    """The compute node and the network, as a script meets them."""

    @property
    def weather(self) -> Weather:
        """What goes wrong."""
        ...

    async def call_keyhole(self, path: str, body: bytes, headers: Mapping[str, str], host: str) -> Reply | None:
        """One POST to some keyhole replica; None: no answer."""
        ...

    def unix_time(self, host: str) -> float:
        """The node's clock."""
        ...

    def can_bind(self, script: "Script", port: int) -> bool:
        """Whether its port is free on the host."""
        ...

    def listen(self, script: "Script", port: int) -> None:
        """The application of this script listens."""
        ...

    def close(self, script: "Script", port: int) -> None:
        """It does not any more."""
        ...


class Script:
    """One start of one script.  ``finish`` is told its exit code."""

    def __init__(
        self, slurm_job_id: int, restart: int, hosts: tuple[str, ...], text: str, surroundings: Surroundings
    ) -> None:
        found = _CONFIG.search(text)
        self.whole = found is not None and LAST_LINE in text
        """Whether all of the script was submitted."""
        self.slurm_job_id = slurm_job_id
        self.restart = restart
        self.hosts = hosts
        self.ports: tuple[int, ...] = ()
        self._config: dict[str, Any] = json.loads(eval(found[1])) if found else {}  # noqa: S307  it is a literal
        self._around = surroundings
        self._seq = 0
        self._nonce = 0
        self._offset = 0
        """Seconds by which this host's clock seems to be behind the keyhole's."""

    @property
    def job_id(self) -> str:
        """Whose script this is."""
        return str(self._config.get("job_id", ""))

    @property
    def attempt(self) -> int:
        """Which attempt's."""
        return int(self._config.get("attempt", 0))

    async def run(self) -> int:
        """Everything until the script ends by itself; Slurm may end it at any await."""
        if not self.whole:
            return 2
        code = await self._obtain()
        if code is not None:
            return code
        await self._report("started")
        code = await self._serve()
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._report("exited", exit_code=code, log_tail="The application has ended.\n")
        return code

    async def _obtain(self) -> int | None:
        """Ask until there are ports; an exit code where there will be none."""
        deadline, pause = _now() + PATIENCE, 0.5
        taken: set[int] = set()
        while _now() < deadline:
            reply = await self._ask()
            if reply is not None and reply.status == 200:
                self.ports = tuple(int(each["internal_port"]) for each in reply.content["forwards"])
                (port,) = self.ports
                if self._around.weather.strikes("job.port-taken") or not self._around.can_bind(self, port):
                    taken.add(port)
                if port in taken:
                    await self._report("port-taken", port)
                elif not self._around.weather.strikes("job.repeats-itself"):
                    return None
            elif reply is not None and _final(reply):
                return 77
            await asyncio.sleep(pause)
            pause = min(2 * pause, 10.0)
        return 75

    async def _serve(self) -> int:
        """Listen until the application ends by itself."""
        weather = self._around.weather
        if weather.strikes("job.never-listens"):
            await asyncio.sleep(self._config["start_timeout"])
            await self._report("started", log_tail="The application is loading.\n")
            await asyncio.sleep(3600)
        while True:
            await asyncio.sleep(weather.between(0.1, 5.0))
            for port in self.ports:
                self._around.listen(self, port)
                await self._report("listening", port)
            await asyncio.sleep(weather.between(20.0, 60.0))
            if weather.strikes("job.crashes"):
                return 3
            if weather.strikes("job.stops-listening"):
                for port in self.ports:
                    self._around.close(self, port)
            else:
                await asyncio.sleep(3600)

    async def _ask(self) -> Reply | None:
        return await self._call(
            "forwards",
            {"slurm_job_id": self.slurm_job_id, "hosts": list(self.hosts), "ports": self._config["ports"]},
            ANSWER_SECONDS,
        )

    async def _report(self, event: str, port: int | None = None, **more: Any) -> None:
        """Say it until it was heard, or nobody wants to hear it; the client does not give up while the script lives."""
        while True:
            self._seq += 1
            reply = await self._call("reports", {**more, "seq": self._seq, "event": event, "port": port}, 10.0)
            if reply is not None and (reply.status < 300 or _final(reply)):
                return
            await asyncio.sleep(2.0)

    async def _call(self, action: str, message: Mapping[str, Any], seconds: float) -> Reply | None:
        """One answer; a clock that is wrong is corrected once, by the keyhole's."""
        body = json.dumps({**message, "attempt": self.attempt, "restart": self.restart}).encode()
        reply = await self._exchange(action, body, seconds)
        if reply is not None and reply.content.get("type") == SKEWED:
            self._offset = int(reply.content["server_time"]) - int(self._around.unix_time(self.hosts[0]))
            reply = await self._exchange(action, body, seconds)
        return reply

    async def _exchange(self, action: str, body: bytes, seconds: float) -> Reply | None:
        path = f"/keyhole/v1/jobs/{self.job_id}/{action}"
        self._nonce += 1
        timestamp = str(int(self._around.unix_time(self.hosts[0])) + self._offset)
        nonce = f"{self.slurm_job_id:08d}{self._nonce}"
        headers = {
            "Content-Type": "application/json",
            "X-Keyhole-Timestamp": timestamp,
            "X-Keyhole-Nonce": nonce,
            "X-Keyhole-Signature": signature(self._config["key"], Call("POST", path, body), timestamp, nonce),
        }
        try:
            async with asyncio.timeout(seconds):
                return await self._around.call_keyhole(path, body, headers, self.hosts[0])
        except TimeoutError:
            return None


def _final(reply: Reply) -> bool:
    """As the client judges: a refusal that would be repeated."""
    skewed = reply.content.get("type") == SKEWED
    return 400 <= reply.status < 500 and reply.status != 408 and "retry-after" not in reply.headers and not skewed


def _now() -> float:
    return asyncio.get_running_loop().time()

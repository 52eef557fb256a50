"""Whether somebody outside gets through a gateway to a test job: tried from here, or from a machine that is named."""

import asyncio
import re
from dataclasses import dataclass
from typing import Self

from bwvisu.adapters.shell import posix_script
from bwvisu.adapters.ssh import Command, Completed, Node, Wire
from bwvisu.errors import UserError

SECONDS = 8.0
_TARGET = re.compile(r"(?P<user>[A-Za-z_][\w.-]*)@(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?")
_SCRIPT = 'exec nc -w 8 "$1" "$2" </dev/null'


@dataclass(frozen=True, slots=True)
class Outside:
    """Where to connect from; ``node`` None: here."""

    node: Node | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """``here``, or ``USER@HOST`` or ``USER@HOST:PORT``; raises UserError for anything else."""
        if text == "here":
            return cls()
        match = _TARGET.fullmatch(text)
        if match is None:
            raise UserError(f"--outside is `here` or USER@HOST[:PORT], not {text!r}")
        return cls(Node(match["host"].strip("[]"), match["user"], int(match["port"] or 22)))

    async def hears(self, wire: Wire, host: str, port: int, greeting: str) -> str:
        """Connect, and read the greeting; words where it does not come."""
        if self.node is None:
            return await _from_here(host, port, greeting)
        outcome = await wire.run(self.node, Command(posix_script(_SCRIPT, host, str(port)), SECONDS + 2))
        if not isinstance(outcome, Completed):
            raise CannotAskError(outcome.reason)
        if outcome.exit_status == 127:
            raise CannotAskError(f"{self.node} has no nc")
        return "" if greeting.encode() in outcome.stdout else "no answer of the test job comes back"


class CannotAskError(Exception):
    """The machine outside could not be asked."""


async def _from_here(host: str, port: int, greeting: str) -> str:
    writer = None
    try:
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            said = await reader.read(200)
    except TimeoutError:
        return f"no answer within {SECONDS:g} s"
    except OSError as error:
        return str(error)
    finally:
        if writer is not None:
            writer.close()
    return "" if greeting.encode() in said else "somebody else answers"

"""Many small questions in one command: a fixed shell text prints sections, and a closing line says that all arrived."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from bwvisu.adapters.shell import posix_script
from bwvisu.adapters.ssh import Command, Completed, Node, Outcome, Wire

PRELUDE = """\
set -u
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin:/usr/local/sbin"
mark=$1
shift
section() {
    name=$1
    shift
    out=$("$@" 2>&1 </dev/null)
    printf '== %s %s %s\\n%s\\n' "$mark" "$name" $? "$out"
}
paths() { for each; do printf '%s=%s\\n' "$each" "$(command -v "$each")"; done; }
"""
"""Functions of every text: ``section NAME COMMAND ...`` prints what a command said; ``paths`` where programs lie."""
CLOSING = """\
printf '== %s end 0\\n' "$mark"
"""
DEADLINE = 45.0
"""Seconds for all questions of one machine."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, both streams together, and how it ended."""

    status: int
    text: str

    @property
    def words(self) -> str:
        """The end of it, on one line."""
        return " ".join(self.text.split())[-200:]


@dataclass(frozen=True, slots=True)
class NotSaid:
    """The machine could not be asked, or its answer was cut short."""

    reason: str
    lacks_timeout: bool = False
    """It has no ``timeout``, so that nothing of ours can be run there."""


Facts = Mapping[str, Said]


async def gather(wire: Wire, node: Node, questions: str, *args: str) -> Facts | NotSaid:
    """Ask a machine; ``questions``: shell text between `PRELUDE` and `CLOSING`, which sees ``args`` as ``$1``, ...."""
    mark = secrets.token_hex(8)
    argv = posix_script(PRELUDE + questions + CLOSING, mark, *args)
    return read(await wire.run(node, Command(argv, DEADLINE)), mark)


def read(outcome: Outcome, mark: str) -> Facts | NotSaid:
    """What a text printed; `NotSaid` for anything less than all of it.  Never raises."""
    if not isinstance(outcome, Completed):
        return NotSaid(outcome.reason)
    text = outcome.stdout.decode(errors="replace")
    found = {}
    for part in re.split(rf"^== {mark} ", text, flags=re.MULTILINE)[1:]:
        header, _, body = part.partition("\n")
        name, _, status = header.partition(" ")
        if not status.isdecimal():
            return NotSaid("the answer cannot be read")
        found[name] = Said(int(status), body.strip("\n"))
    if "end" not in found:
        said = outcome.stderr.decode(errors="replace").strip()[-200:]
        lacks = outcome.exit_status == 127 and "timeout" in said
        return NotSaid(f"the answer is cut off (exit status {outcome.exit_status}) {said}".rstrip(), lacks)
    return found


def paths(said: Said) -> dict[str, str]:
    """Program -> where it lies; empty: it is not there."""
    return {name: path for name, _, path in (line.partition("=") for line in said.text.splitlines())}

"""A cluster's partitions, for those who choose one: asked of slurmctld, one line each."""

import re

from bwvisu.adapters.slurm import fields
from bwvisu.adapters.ssh import Command, Completed, Outcome
from bwvisu.domain.cluster import PartitionView
from bwvisu.domain.observation import CouldNotLook, PartitionsResult

MOST = 1000
"""More than any site has."""
_PAIR = re.compile(r"(?:^| )(\w+)=(\S*)", re.ASCII)
_NAME = re.compile(r"[^\s,=\x00-\x1f]{1,128}")
_STATE = re.compile(r"[A-Z]{1,32}", re.ASCII)


def command(timeout: float) -> Command:
    """``--all``: without it those are left out that the middleware's account may not use, though people may."""
    return Command(("env", *fields.ENVIRONMENT, "scontrol", "--all", "--oneliner", "show", "partition"), timeout)


def parse(outcome: Outcome, at: float) -> PartitionsResult:
    """All of them but those that the site hides, in Slurm's order.  Never raises."""
    if not isinstance(outcome, Completed):
        return CouldNotLook(outcome.reason, at)
    if outcome.exit_status != 0:
        return CouldNotLook(f"scontrol ended with {outcome.exit_status}", at)
    try:
        return _read(outcome.stdout.decode(errors="replace"))
    except ValueError as error:
        return CouldNotLook(f"scontrol's partitions cannot be read: {error}", at)


def _read(text: str) -> tuple[PartitionView, ...]:
    if not text.endswith("\n"):
        raise ValueError("the answer is cut off")
    lines = [line for line in text.split("\n") if line.strip()]
    if not 0 < len(lines) <= MOST:
        raise ValueError(f"there are {len(lines)} lines")
    found = [_partition(line) for line in lines]
    if len({partition.name for partition, _ in found}) != len(found):
        raise ValueError("a partition is listed twice")
    return tuple(partition for partition, hidden in found if not hidden)


def _partition(line: str) -> tuple[PartitionView, bool]:
    """The partition, and whether the site hides it.  A key that comes twice is not believed."""
    pairs = _PAIR.findall(line)
    told: dict[str, str] = dict(pairs)
    if len(told) != len(pairs):
        raise ValueError("a key stands twice")
    try:
        name, state, hidden = told["PartitionName"], told["State"], told["Hidden"]
        limit, default, nodes = told["MaxTime"], told["Default"], told["TotalNodes"]
    except KeyError as missing:
        raise ValueError(f"{missing} is not told") from missing
    if not _NAME.fullmatch(name) or not _STATE.fullmatch(state) or not re.fullmatch(r"\d{1,7}", nodes, re.ASCII):
        raise ValueError("a name, state or number is none")
    partition = PartitionView(
        name=name,
        state=state.lower(),
        is_default=default == "YES",
        time_limit=fields.seconds(limit),
        nodes=int(nodes),
    )
    return partition, hidden == "YES"

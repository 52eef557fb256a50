"""What a cluster's Slurm says of its site: how it is configured, and which partitions it has."""

from typing import Protocol

from bwvisu.domain.cluster import PartitionView
from bwvisu.domain.observation import ConfigResult, CouldNotLook, PartitionsResult, SlurmConfig

EVERY = 60.0
"""Seconds between questions: who closes a partition wants to see it closed."""
SOON = 10.0
"""Seconds until the next question where one was not answered."""


class Controller(Protocol):
    """See `bwvisu.adapters.slurm.SlurmCluster`."""

    async def config(self) -> ConfigResult:
        """How the site is configured."""

    async def partitions(self) -> PartitionsResult:
        """Which partitions it has."""


class Site:
    """What was told last.  A question that is not answered changes nothing."""

    def __init__(self, slurm: Controller) -> None:
        self._slurm = slurm
        self.config: SlurmConfig | None = None
        self.partitions: tuple[PartitionView, ...] | None = None

    async def ask(self) -> float:
        """Ask; returns the seconds after which to ask again."""
        config, partitions = await self._slurm.config(), await self._slurm.partitions()
        if not isinstance(config, CouldNotLook):
            self.config = config
        if not isinstance(partitions, CouldNotLook):
            self.partitions = partitions
        return SOON if isinstance(config, CouldNotLook) or isinstance(partitions, CouldNotLook) else EVERY

"""What a site says of itself is kept until it says something else."""

from bwvisu.domain.cluster import PartitionView
from bwvisu.domain.observation import ConfigResult, CouldNotLook, PartitionsResult, SlurmConfig
from bwvisu.reconcilers.site import EVERY, SOON, Site

CONFIG = SlurmConfig("c", "22.05.8", 300, (), accounting=False)
BATCH = PartitionView(name="batch", state="up")
AWAY = CouldNotLook("no answer", 0.0)


class Slurm:
    def __init__(self) -> None:
        self.says: tuple[ConfigResult, PartitionsResult] = (AWAY, AWAY)

    async def config(self) -> ConfigResult:
        return self.says[0]

    async def partitions(self) -> PartitionsResult:
        return self.says[1]


async def test_what_was_not_told_changes_nothing_and_is_asked_again_soon() -> None:
    slurm = Slurm()
    site = Site(slurm)
    assert (await site.ask(), site.config, site.partitions) == (SOON, None, None)
    slurm.says = (CONFIG, AWAY)
    assert (await site.ask(), site.config, site.partitions) == (SOON, CONFIG, None)
    slurm.says = (AWAY, (BATCH,))
    assert (await site.ask(), site.config, site.partitions) == (SOON, CONFIG, (BATCH,))
    slurm.says = (AWAY, AWAY)
    assert (await site.ask(), site.config, site.partitions) == (SOON, CONFIG, (BATCH,))
    slurm.says = (CONFIG, ())
    assert (await site.ask(), site.config, site.partitions) == (EVERY, CONFIG, ())

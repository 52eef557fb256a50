"""What tests do with a cluster: submit, and look until something is so."""

import time
from collections.abc import Callable
from itertools import count

from bwvisu.adapters.slurm import SlurmCluster, Submission
from bwvisu.domain.observation import Look, SlurmJob, SlurmState, Submitted
from tests.contract.slurm.sites import SLEEP
from tests.support.waiting import eventually_true

PREFIX = "bwvcontract"
_numbers = count(time.time_ns())


def request(user: str = "alice", name: str = "", script: bytes = SLEEP, options: tuple[str, ...] = ()) -> Submission:
    """A submission with a name of its own."""
    home = f"/home/{user}"
    return Submission(user, home, name or f"{PREFIX}-{next(_numbers)}", f"{home}/out-%j", script, options)


class Desk:
    """`SlurmCluster`, and patience."""

    def __init__(self, slurm: SlurmCluster) -> None:
        self.slurm = slurm

    async def submit(self, job: Submission) -> int:
        """The id of a job that Slurm takes."""
        submitted = await self.slurm.submit(job)
        assert isinstance(submitted, Submitted), submitted
        return submitted.slurm_job_id

    async def look(self) -> Look:
        """A complete look."""
        look = await self.slurm.look()
        assert isinstance(look, Look), look
        return look

    async def shown(self, name: str) -> SlurmJob | None:
        """The one job of this name."""
        found = (await self.look()).named(name)
        assert len(found) < 2
        return found[0] if found else None

    async def until(self, name: str, state: SlurmState, also: Callable[[SlurmJob], bool] = lambda _: True) -> SlurmJob:
        """Look until the job is in this state."""
        seen: list[SlurmJob] = []

        async def reached() -> bool:
            job = await self.shown(name)
            if job is None or job.state is not state or not also(job):
                return False
            seen.append(job)
            return True

        await eventually_true(reached, 120)
        return seen[-1]

    async def until_gone(self, name: str) -> None:
        """Look until no look shows it any more."""

        async def gone() -> bool:
            return await self.shown(name) is None

        await eventually_true(gone, 120)

    async def until_answered(self) -> None:
        """Look until slurmctld answers."""

        async def answered() -> bool:
            return isinstance(await self.slurm.look(), Look)

        await eventually_true(answered, 120)

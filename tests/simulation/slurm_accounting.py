"""slurmdbd: what sacct can say after slurmctld has forgotten a job.

The rows' form is documented (sacct(1)); the sandbox has no slurmdbd, so only ``off`` was measured.
"""

from dataclasses import replace
from functools import partial

from tests.simulation.slurm_job import Job
from tests.simulation.slurm_life import Later
from tests.simulation.weather import Weather


class Accounting:
    """The latest known run per job id; off by default, as in the sandbox."""

    def __init__(self, weather: Weather, later: Later) -> None:
        self.on = False
        self.away = False
        """slurmdbd does not answer; slurmctld's news wait."""
        self.rows: dict[int, Job] = {}
        """Copies, by job id.  After a reset of Slurm the later job of an id counts, as for sacct without
        ``--duplicates``."""
        self._weather = weather
        self._later = later
        self._news: list[Job] = []

    def note(self, job: Job) -> None:
        """slurmctld tells of a job's begin or end."""
        if not self.on:
            return
        copy = replace(job)
        if self._weather.strikes("slurm.accounting-behind"):
            self._later(self._weather.between(10.0, 300.0), partial(self._take, copy))
        else:
            self._take(copy)

    def recover(self) -> None:
        """slurmdbd is back, and hears what it has missed."""
        self.away = False
        news, self._news = self._news, []
        for job in news:
            self._take(job)

    def _take(self, job: Job) -> None:
        if self.away:
            self._news.append(job)
            return
        known = self.rows.get(job.job_id)
        if known is None or (job.submit_time, job.over) >= (known.submit_time, known.over):
            self.rows[job.job_id] = job

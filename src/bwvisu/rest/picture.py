"""Jobs as an event stream of the API draws them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from bwvisu.rest.answers import Json


@dataclass(frozen=True, slots=True)
class Removed:
    """The API has forgotten this job."""

    id: str


@dataclass(slots=True)
class Picture:
    """The jobs of one stream as they were last told: what is told twice is no news."""

    jobs: dict[str, Json] = field(default_factory=dict)
    _snapshot: dict[str, Json] = field(default_factory=dict)

    def news(self, event: str, data: Json) -> Iterator[Json | Removed]:
        """What an event changes; a kind of event that we do not know changes nothing."""
        match event:
            case "snapshot":
                self._snapshot.update({str(job["id"]): job for job in data["jobs"]})
                if data["complete"]:
                    yield from self._replace()
            case "job":
                yield from self._see(data)
            case "removed":
                if self.jobs.pop(str(data["id"]), None) is not None:
                    yield Removed(str(data["id"]))
            case "resync":
                self._snapshot.clear()

    def reconnected(self) -> None:
        """Half a snapshot is none."""
        self._snapshot.clear()

    def _see(self, job: Json) -> Iterator[Json]:
        if self.jobs.get(str(job["id"])) != job:
            self.jobs[str(job["id"])] = job
            yield job

    def _replace(self) -> Iterator[Json | Removed]:
        whole, self._snapshot = self._snapshot, {}
        for gone in [job_id for job_id in self.jobs if job_id not in whole]:
            del self.jobs[gone]
            yield Removed(gone)
        for job in whole.values():
            yield from self._see(job)

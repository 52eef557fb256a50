"""Users and frontends: they post, repeat what got no answer, ask for other run times, and end what they began."""

import asyncio
from collections.abc import Callable, Sequence

from bwvisu.domain.principal import Principal, Scope
from bwvisu.errors import BwvisuError, UserError
from bwvisu.services.cancel import cancel
from bwvisu.services.context import PreconditionFailed
from bwvisu.services.extend import extend
from bwvisu.services.idle import keep
from bwvisu.services.request import JobRequest
from bwvisu.services.submit import Accepted, submit
from tests.simulation.service import ApiReplica
from tests.simulation.weather import Weather

FAULTS = {
    "client.answer-lost": "the frontend does not hear the answer to its POST, PATCH or DELETE, and repeats it",
    "client.doubles": "the frontend sends its POST twice at the same time",
}
_PRINCIPAL = Principal("portal", frozenset(Scope))
_PATIENCE = 8.0


class Person:
    """Somebody who wants one job.  ``accepted``: ids that the API has ever answered; there must be one at most."""

    def __init__(
        self,
        number: int,
        user: str,
        replicas: Sequence[ApiReplica],
        weather: Weather,
        cluster: str | None = None,
    ) -> None:
        self.key = f"request-{number}"
        self.user = user
        self.accepted: set[str] = set()
        self.refused = ""
        self.on_accepted: Callable[[str], None] = lambda _: None
        """The API has answered with this job."""
        self.idle_stop_minutes: int | None = None
        """What to ask for with the job."""
        self.cancelled = False
        """The API has confirmed the DELETE."""
        self._cluster = cluster
        self._replicas = replicas
        self._weather = weather

    @property
    def job_id(self) -> str | None:
        """The job, once it is accepted."""
        return next(iter(self.accepted), None)

    async def post(self) -> None:
        """POST until there is an answer that counts."""
        while not self.accepted and not self.refused:
            tries = [self._post_once() for _ in range(2 if self._weather.strikes("client.doubles") else 1)]
            await asyncio.gather(*tries)
            await asyncio.sleep(self._weather.between(0.5, 3.0))

    async def delete(self) -> None:
        """DELETE until it is confirmed."""
        while not self.cancelled and self.job_id is not None:
            replica = self._choose()
            try:
                async with asyncio.timeout(_PATIENCE):
                    await replica.call(cancel(replica.context, _PRINCIPAL, self.job_id))
                self.cancelled = not self._weather.strikes("client.answer-lost")
            except UserError:  # forgotten
                self.cancelled = True
            except (BwvisuError, TimeoutError, AttributeError):
                await asyncio.sleep(1.0)

    async def extend(self, minutes: int) -> None:
        """PATCH until there is an answer that counts: by the job as it was read, or by whatever it is."""
        while self.job_id is not None:
            replica = self._choose()
            try:
                known = replica.context.state.job(self.job_id) if self._weather.between(0, 1) > 0.1 else None
                means = known.revision.__eq__ if known is not None else _any
                async with asyncio.timeout(_PATIENCE):
                    await replica.call(extend(replica.context, _PRINCIPAL, self.job_id, minutes, means))
            except PreconditionFailed:
                await asyncio.sleep(1.0)
            except UserError:  # not yet, not any more, or not so
                return
            except (BwvisuError, TimeoutError, AttributeError):
                await asyncio.sleep(1.0)
            else:
                if not self._weather.strikes("client.answer-lost"):
                    return

    async def keep(self) -> bool:
        """POST …/keep until there is an answer that counts; whether the job is kept."""
        while self.job_id is not None:
            replica = self._choose()
            try:
                async with asyncio.timeout(_PATIENCE):
                    await replica.call(keep(replica.context, _PRINCIPAL, self.job_id))
            except UserError:  # it is over
                return False
            except (BwvisuError, TimeoutError, AttributeError):
                await asyncio.sleep(1.0)
            else:
                return True
        return False

    async def _post_once(self) -> None:
        request = JobRequest(
            user=self.user,
            application="one-port",
            cluster=self._cluster,
            idle_stop_minutes=self.idle_stop_minutes,
        )
        replica = self._choose()
        try:
            async with asyncio.timeout(_PATIENCE):
                answer: Accepted = await replica.call(submit(replica.context, request, _PRINCIPAL, self.key))
        except UserError as error:
            self.refused = str(error)
        except (BwvisuError, TimeoutError, AttributeError):
            return  # not up yet, without etcd, or dead: again
        else:
            if not self._weather.strikes("client.answer-lost"):
                self.accepted.add(answer.job.spec.id)
                self.on_accepted(answer.job.spec.id)

    def _choose(self) -> ApiReplica:
        return self._replicas[int(self._weather.between(0, len(self._replicas) - 0.001))]


def _any(_: int) -> bool:
    """``If-Match: *``."""
    return True

"""The way to the REST API: one call, and every answer that is not a success as an error of our tree."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import quote

import httpx2

from bwvisu.correlation import HEADER, request_id
from bwvisu.errors import BwvisuError, NotFound, OperatorError, TryAgain, UserError
from bwvisu.portal.documents import (
    Access,
    Application,
    ApplicationList,
    AuditEntry,
    AuditList,
    Cluster,
    ClusterList,
    Document,
    Job,
    JobPage,
    UsageList,
    UserUsage,
)
from bwvisu.portal.shared import Shared
from bwvisu.portal.sharing import (
    Admission,
    AdmissionList,
    OpenedShare,
    Share,
    SharedJob,
    SharedJobList,
    ShareList,
)
from bwvisu.rest import Json, as_error, document

T = TypeVar("T", bound=Document)
TIMEOUT = 10.0
"""Seconds; somebody waits in front of a screen."""
SILENCE = 25.0
"""Seconds without a byte after which an event stream is dead; the API sends a comment every 10 s."""
LARGEST_EVENT = 32 << 20
"""Bytes; 200 jobs with the longest parameters."""
COMMON = 3.0
"""Seconds for which all pages share what the API said of the catalogue and the clusters."""
MOST_SHOWN = 100
"""Jobs of one person on a page."""


def connect(url: str, token: str, ca_file: Path | None) -> httpx2.AsyncClient:
    """A client that keeps its connections; as many event streams as there are open pages."""
    trust: ssl.SSLContext | bool = ssl.create_default_context(cafile=ca_file) if ca_file else True
    return httpx2.AsyncClient(
        base_url=f"{url.rstrip('/')}/api/v1/",
        headers={"Authorization": f"Bearer {token}"},
        timeout=TIMEOUT,
        verify=trust,
        trust_env=False,
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=50),
    )


class Api:
    """What one person may ask; ``user`` None: the portal itself.

    ``administrator``: the person at whose wish the portal itself asks; the audit trail names them.
    Every call raises UserError (NotFound, Conflict, InvalidInput), TryAgain, OperatorError.
    """

    def __init__(
        self,
        client: httpx2.AsyncClient,
        user: str | None = None,
        administrator: str | None = None,
        common: "_Common | None" = None,
    ) -> None:
        self._client = client
        self.user = user
        self._administrator = administrator
        self._common = common or _Common(self)

    def acting_for(self, user: str | None) -> "Api":
        """The same for another person."""
        return Api(self._client, user, common=self._common)

    def administered_by(self, user: str) -> "Api":
        """The portal itself, at the wish of this administrator."""
        return Api(self._client, None, user, self._common)

    # ---- catalogue and clusters -------------------------------------------------------------------------------

    async def applications(self) -> ApplicationList:
        """The catalogue; for persons as it was at most some seconds ago."""
        return await (self._common.applications.get() if self.user else self.applications_now())

    async def applications_now(self) -> ApplicationList:
        """The catalogue."""
        return await self._get("applications", ApplicationList)

    async def application(self, name: str) -> Application:
        """One application."""
        return await self._get(f"applications/{quote(name, safe='')}", Application)

    async def icon(self, name: str) -> str:
        """Its picture, SVG."""
        return (await self._answer("GET", f"applications/{quote(name, safe='')}/icon")).text

    async def clusters(self) -> tuple[Cluster, ...]:
        """All clusters, the first is meant where nobody names one; for persons as they were some seconds ago."""
        return (await self._clusters()).items

    async def notices(self) -> tuple[str, ...]:
        """What a person can be told of by mail."""
        return (await self._clusters()).notify

    async def _clusters(self) -> ClusterList:
        return await (self._common.clusters.get() if self.user else self.clusters_now())

    async def clusters_now(self) -> ClusterList:
        """All clusters, and what else is said with them."""
        return await self._get("clusters", ClusterList)

    async def accounts(self, user: str) -> tuple[list[str], list[str]]:
        """Clusters on which this person may run jobs, and those that did not answer."""
        clusters = await self.clusters()
        answers = await asyncio.gather(*(self._account(cluster.name, user) for cluster in clusters))
        known = [cluster.name for cluster, answer in zip(clusters, answers, strict=True) if answer]
        silent = [cluster.name for cluster, answer in zip(clusters, answers, strict=True) if answer is None]
        return known, silent

    async def _account(self, cluster: str, user: str) -> bool | None:
        try:
            await self._answer("GET", f"clusters/{quote(cluster, safe='')}/users/{quote(user, safe='')}")
        except NotFound:
            return False
        except TryAgain:
            return None
        return True

    # ---- jobs -------------------------------------------------------------------------------------------------

    async def jobs(self, query: Mapping[str, str] | None = None) -> JobPage:
        """Jobs, newest first."""
        answer = await self._answer("GET", "jobs", query={"limit": str(MOST_SHOWN), **(query or {})})
        return JobPage.model_validate(document(answer))

    async def job(self, job_id: str) -> Job:
        """One job."""
        return await self._get(_job(job_id), Job)

    async def submit(self, body: Json, key: str) -> Job:
        """Start a job; repeated with the same key it starts no other."""
        return Job.model_validate(document(await self._answer("POST", "jobs", body, {"Idempotency-Key": key})))

    async def stop(self, job_id: str) -> Job:
        """Want a job stopped."""
        return Job.model_validate(document(await self._answer("DELETE", _job(job_id))))

    async def extend(self, job_id: str, minutes: int, revision: int) -> Job:
        """Another run time, in all."""
        headers = {"If-Match": f'"{revision}"'}
        return Job.model_validate(document(await self._answer("PATCH", _job(job_id), {"minutes": minutes}, headers)))

    async def keep_job(self, job_id: str) -> Job:
        """Keep a job that would be stopped because nobody uses it."""
        return Job.model_validate(document(await self._answer("POST", f"{_job(job_id)}/keep")))

    async def access(self, job_id: str, address: str | None) -> Access:
        """What opens it, and what this address needs to come in; holds secrets."""
        query = {"address": address} if address else {}
        return Access.model_validate(document(await self._answer("GET", f"{_job(job_id)}/access", query=query)))

    async def text(self, job_id: str, what: str) -> str:
        """Its ``log`` or its ``script``; empty where there is none yet."""
        try:
            return (await self._answer("GET", f"{_job(job_id)}/{what}")).text
        except UserError as error:
            if error.slug == "no-log-yet":
                return ""
            raise

    @asynccontextmanager
    async def events(self, query: Mapping[str, str] | None = None) -> AsyncIterator[AsyncIterator[tuple[str, Json]]]:
        """Everything that this person may see, as it changes: (event, data).  Ends when the API ends it."""
        patience = httpx2.Timeout(TIMEOUT, read=SILENCE)
        with _told():
            async with self._client.sse(
                "events", params=query, headers=self._headers(), timeout=patience, max_event_size=LARGEST_EVENT
            ) as source:
                if not source.response.is_success:
                    await source.response.aread()
                    raise _error(source.response)
                yield _read(source)

    # ---- who else comes in, and from where --------------------------------------------------------------------

    async def admit(self, job_id: str, address: str) -> None:
        """Let connections from there pass."""
        await self._answer("POST", f"{_job(job_id)}/admissions", {"address": address})

    async def admissions(self, job_id: str) -> tuple[Admission, ...]:
        """From where it may be entered."""
        return (await self._get(f"{_job(job_id)}/admissions", AdmissionList)).items

    async def share(self, job_id: str, wanted: Json) -> Share:
        """Let somebody in; a link's token is in this answer only."""
        return Share.model_validate(document(await self._answer("POST", f"{_job(job_id)}/shares", wanted)))

    async def shares(self, job_id: str) -> tuple[Share, ...]:
        """Whom it is shared with."""
        return (await self._get(f"{_job(job_id)}/shares", ShareList)).items

    async def revoke(self, job_id: str, what: Literal["admissions", "shares"], entry: str) -> None:
        """Have an entry gone."""
        await self._answer("DELETE", f"{_job(job_id)}/{what}/{quote(entry, safe='')}")

    async def shared(self) -> tuple[SharedJob, ...]:
        """What others share with this person by name."""
        return (await self._get("shares", SharedJobList)).items

    async def redeem(self, token: str, address: str | None) -> OpenedShare:
        """Enter by a link; holds secrets."""
        body: Json = {"token": token, "address": address}
        return OpenedShare.model_validate(document(await self._answer("POST", "shares/redeem", body)))

    # ---- a person's own ---------------------------------------------------------------------------------------

    async def preferences(self) -> tuple[Json, str]:
        """What the portal keeps of this person, and its version."""
        answer = await self._answer("GET", f"users/{self.user}/preferences")
        return document(answer), answer.headers.get("etag", "*")

    async def keep(self, values: Json, version: str) -> None:
        """Put these in the place of what is kept."""
        await self._answer("PUT", f"users/{self.user}/preferences", values, {"If-Match": version})

    # ---- administrators ---------------------------------------------------------------------------------------

    async def drain(self, cluster: str, gateway: str, *, drained: bool, move: bool) -> None:
        """Give a gateway no new forwards, and ``move`` those that it carries; or let it have some again."""
        path = f"clusters/{quote(cluster, safe='')}/gateways/{quote(gateway, safe='')}/drain"
        query = {"move": "true"} if move else {}
        await self._answer("PUT" if drained else "DELETE", path, query=query)

    async def usage(self, cluster: str) -> tuple[UserUsage, ...]:
        """Who has unfinished jobs there, most jobs first."""
        return (await self._get(f"clusters/{quote(cluster, safe='')}/usage", UsageList)).items

    async def audit(self, query: Mapping[str, str]) -> tuple[AuditEntry, ...]:
        """What was asked lately, newest first."""
        answer = await self._answer("GET", "audit", query=query)
        return AuditList.model_validate(document(answer)).items

    # ---- how --------------------------------------------------------------------------------------------------

    async def _get(self, path: str, kind: type[T]) -> T:
        return kind.model_validate(document(await self._answer("GET", path)))

    async def _answer(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        with _told():
            answer = await self._client.request(
                method, path, json=body, params=query, headers={**self._headers(), **(headers or {})}
            )
        if answer.is_success:
            return answer
        raise _error(answer)

    def _headers(self) -> dict[str, str]:
        own = request_id()
        headers = {HEADER: own} if own else {}
        if self.user:
            return {**headers, "X-On-Behalf-Of": self.user}
        return {**headers, "X-Requested-By": self._administrator} if self._administrator else headers


class _Common:
    """What the API tells everybody alike: each open page needs it, at its start and after each lost connection."""

    def __init__(self, api: Api) -> None:
        self.applications = Shared(api.applications_now, COMMON)
        self.clusters = Shared(api.clusters_now, COMMON)


def _error(answer: httpx2.Response) -> BwvisuError:
    """A scope is missing from the portal's own token, whoever asked: no person can mend that."""
    error = as_error(answer)
    if isinstance(error, UserError) and error.slug == "scope-missing":
        return OperatorError(f"the portal's token does not suffice: {error}.")
    return error


async def _read(source: httpx2.EventSource) -> AsyncIterator[tuple[str, Json]]:
    async for event in source:
        data = json.loads(event.data or "{}")
        if isinstance(data, dict):
            yield event.event, data


def _job(job_id: str) -> str:
    return f"jobs/{quote(job_id, safe='')}"


class _told:  # noqa: N801 used as a function
    """What the client library raises, as errors of our tree."""

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, httpx2.TransportError):
            raise TryAgain("The service does not answer at the moment.", after=2) from error
        if isinstance(error, httpx2.InvalidURL | httpx2.HTTPError):
            raise OperatorError(f"the service cannot be asked: {type(error).__name__}") from error

"""One line of the audit trail for every call that may change something, whatever answers it.

It is written before the answer leaves, from outside of everything that may refuse the call.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bwvisu.api.source import client_of, source_of
from bwvisu.api.trail import Trail, trail_of
from bwvisu.correlation import request_id
from bwvisu.domain.audit import Action, AuditRecord, Result
from bwvisu.domain.naming import ULID
from bwvisu.domain.principal import Principal
from bwvisu.services.accounts import plausible
from bwvisu.services.context import Context
from keyhole.throttle import Buckets

Holder = Callable[[str], Principal | None]
"""Whose credentials an ``Authorization`` header holds."""

ACTIONS: Mapping[str, Action] = {
    **{action.value: action for action in Action},
    "originalCreateJob": Action.CREATE_JOB,
    "originalCancelJob": Action.CANCEL_JOB,
}
"""By operation id.  A test fails where a call that is no GET is not here."""


class AuditTrail:
    """Middleware."""

    def __init__(
        self,
        app: ASGIApp,
        context: Context,
        routes: Sequence[BaseRoute],
        holder: Holder,
        write: Callable[[AuditRecord], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._context = context
        self._routes = [
            (action, route)
            for route in routes
            if isinstance(route, APIRoute) and (action := ACTIONS.get(route.operation_id or ""))
        ]
        self._holder = holder
        self._write = write
        self._clock = clock
        self._refusals = Buckets(burst=1, per_second=1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; when the answer begins, or there is none, say what became of it."""
        found = self._audited(scope) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        action, path = found

        answered = False

        async def watched(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                if self._is_news(scope):
                    self._write(self._record(action, path, scope, message["status"]))
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            if not answered:  # a defect, which Starlette answers further out; or we are being stopped
                trail_of(scope).problem = "internal"
                self._write(self._record(action, path, scope, 500))

    def _audited(self, scope: Scope) -> tuple[Action, Mapping[str, str]] | None:
        """What this request tries, and its path's parameters: it may be refused before any route has seen it."""
        for action, route in self._routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                return action, found["path_params"]
        return None

    def _is_news(self, scope: Scope) -> bool:
        """Who is refused for asking too often shall not fill the log: a line a second is kept of each address."""
        if trail_of(scope).problem != "rate-limited":
            return True
        return not self._refusals.take(source_of(scope), self._clock())

    def _record(self, action: Action, path: Mapping[str, str], scope: Scope, status: int) -> AuditRecord:
        trail = trail_of(scope)
        principal = trail.principal or self._holder(Headers(scope=scope).get("authorization", ""))
        job = trail.job or _id(path.get("job_id"))
        return AuditRecord(
            action=action,
            result=_result(status),
            by=principal.name if principal else None,
            behalf_of=principal.behalf if principal else None,
            requested_by=principal.requested_by if principal else None,
            source=client_of(scope),
            job=job,
            guest=trail.guest if trail.guest is not None and plausible(self._context, trail.guest) else None,
            entry=trail.entry or _id(path.get("admission_id") or path.get("share_id")),
            address=trail.address,
            **self._place(path),
            user=self._user(trail, path, job),
            reason=trail.problem,
            request=request_id(),
            at=self._context.now(),
        )

    def _user(self, trail: Trail, path: Mapping[str, str], job_id: str | None) -> str | None:
        named = trail.user or path.get("user")
        if named is not None and plausible(self._context, named):
            return named
        job = self._context.state.job(job_id) if job_id else None
        return job.spec.user if job else None

    def _place(self, path: Mapping[str, str]) -> dict[str, str]:
        """Cluster and gateway, where the path names some that there are."""
        cluster = self._context.clusters.get(path.get("name", ""))
        if cluster is None or path.get("gateway") not in cluster.gateways_by_name():
            return {}
        return {"cluster": path["name"], "gateway": path["gateway"]}


def _id(text: str | None) -> str | None:
    """Only what can be an id: the path is the asker's own text."""
    return text if text is not None and ULID.fullmatch(text) else None


def _result(status: int) -> Result:
    if status < 400:
        return Result.ACCEPTED
    return Result.REFUSED if status < 500 else Result.FAILED

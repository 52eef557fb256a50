"""Accept a job: check everything, then create spec, secret, bundle, place and idempotency record in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import NamedTuple

from bwvisu.adapters.bundles import Bundle
from bwvisu.adapters.etcd import (
    Absent,
    Committed,
    Condition,
    Conflict,
    CreatedAt,
    LeaseLost,
    Operation,
    OutcomeUnknown,
    Put,
)
from bwvisu.adapters.records import encode
from bwvisu.correlation import request_id
from bwvisu.domain.job import JobSpec, Scalar
from bwvisu.domain.principal import Principal
from bwvisu.domain.quota import Places
from bwvisu.errors import Fault, InvalidInput, NotFound, TryAgain, UserError
from bwvisu.services import accounts, idle, quota
from bwvisu.services.context import Context, Forbidden
from bwvisu.services.idempotency import Ticket, replay
from bwvisu.services.offers import not_carried
from bwvisu.services.request import JobRequest, meaning
from bwvisu.services.state import Job

SECRET_BYTES = 32
TRIES = 4
"""How often a transaction without an answer is put: it recognises by its own conditions whether it has taken effect."""
CONTESTED = 32
"""How often one is put that others were faster than: each time somebody got what they wanted."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job, and whether this very request made it."""

    job: Job
    created: bool


@dataclass(frozen=True, slots=True)
class _Draft:
    """All that one transaction is to store.  The id is drawn once: it makes the transaction repeatable."""

    spec: JobSpec
    bundle: Bundle
    ticket: Ticket | None
    places: Places
    secret: bytes = field(repr=False)


class _Order(NamedTuple):
    """A request that was understood."""

    bundle: Bundle
    cluster: str
    parameters: Mapping[str, Scalar]
    idle_stop: int | None


class _Transaction(NamedTuple):
    conditions: Sequence[Condition]
    operations: Sequence[Operation]


async def submit(
    context: Context, request: JobRequest, principal: Principal, idempotency_key: str | None = None
) -> Accepted:
    """Store the job, or find the one that this key has made before.

    Raises InvalidInput, Forbidden, LimitReached, UserError (``idempotency-key-reused``), TryAgain.
    """
    ticket = Ticket.of(context, request, principal, idempotency_key) if idempotency_key is not None else None
    try:
        order = _understood(context, request, principal)
        if ticket is not None:
            ticket = replace(ticket, meaning=_meaning(request, order))
        return await _store(context, await _draft(context, request, principal, order, ticket))
    except UserError:
        earlier = await _earlier(context, ticket)
        if earlier is None:
            raise
        return earlier


def _meaning(request: JobRequest, order: _Order) -> str:
    return meaning(request.user, order.bundle.name, order.cluster, order.parameters, request.idle_stop_minutes)


def _understood(context: Context, request: JobRequest, principal: Principal) -> _Order:
    if not principal.may_see(request.user):
        raise Forbidden("this token acts for another user")
    if request.notify and not context.mails:
        raise InvalidInput([Fault("/notify", "this installation sends no mail")])
    bundle = _bundle(context, request.application)
    cluster = _cluster(context, bundle, request)
    if why := _closed(context, bundle, request, cluster):
        raise InvalidInput([Fault("/cluster", why)])
    accounts.check_name(context, cluster, request.user)
    parameters = bundle.check(request.parameters, cluster)
    asked, limits = request.idle_stop_minutes, context.clusters[cluster].limits.idle_stop
    return _Order(bundle, cluster, parameters, idle.resolve(asked, bundle.application, limits))


async def _draft(
    context: Context, request: JobRequest, principal: Principal, order: _Order, ticket: Ticket | None
) -> _Draft:
    bundle, cluster = order.bundle, order.cluster
    await accounts.judge(context, cluster, request.user)
    spec = JobSpec(
        id=context.new_id(),
        user=request.user,
        application=bundle.name,
        cluster=cluster,
        parameters=order.parameters,
        bundle=bundle.digest,
        services=bundle.application.services,
        start_timeout=bundle.application.start_timeout,
        idle_stop=order.idle_stop,
        created_at=context.now(),
        created_by=principal.name,
        created_for=principal.behalf,
        request=request_id(),
        notify=request.notify,
        original=request.original,
    )
    allowed = quota.places(context, cluster, bundle.application)
    return _Draft(spec, bundle, ticket, allowed, context.random(SECRET_BYTES))


async def _earlier(context: Context, ticket: Ticket | None) -> Accepted | None:
    """What the same key has made before, even where the request would be refused today."""
    entry = await context.state.store.get(ticket.key) if ticket else None
    return Accepted(await replay(context, ticket, entry), created=False) if ticket and entry else None


async def _store(context: Context, draft: _Draft) -> Accepted:
    if not draft.places.limited:
        return await _commit(context, draft)
    async with context.turn(context.state.keys.quota(draft.spec.cluster, draft.spec.user)):
        return await _commit(context, draft)


async def _commit(context: Context, draft: _Draft) -> Accepted:
    doubts = 0
    for _ in range(CONTESTED):
        result = await _try(context, draft)
        if isinstance(result, Committed):
            return await _accepted(context, draft, result.revision)
        if isinstance(result, Conflict):
            accepted = await _recognise(context, draft, result)
            if accepted is not None:
                return accepted
            _learn(context, draft, result)
        else:
            doubts += 1
        if doubts == TRIES:
            break
    raise TryAgain("it is not known whether the job was accepted; ask again with the same Idempotency-Key")


async def _try(context: Context, draft: _Draft) -> Committed | Conflict | None:
    """Put the transaction once; None: nobody knows what became of it, or it must be put again as it is."""
    try:
        return await context.state.store.commit(*await _transaction(context, draft))
    except OutcomeUnknown:
        return None
    except LeaseLost:
        context.leases.lost()
        return None


async def _recognise(context: Context, draft: _Draft, conflict: Conflict) -> Accepted | None:
    """The job, where a conflict only means that it is there: by an earlier try of ours, or by the same key."""
    ours = conflict.current.get(context.state.keys.spec(draft.spec.id))
    if ours is not None:  # took effect though its answer was lost
        return await _accepted(context, draft, ours.mod_revision)
    theirs = conflict.current.get(draft.ticket.key) if draft.ticket else None
    if draft.ticket and theirs:
        return Accepted(await replay(context, draft.ticket, theirs), created=False)
    return None


async def _accepted(context: Context, draft: _Draft, revision: int) -> Accepted:
    spec = draft.spec
    await context.state.seen(revision)
    return Accepted(context.state.beside_status(spec, revision), created=True)


async def _transaction(context: Context, draft: _Draft) -> _Transaction:
    keys, spec = context.state.keys, draft.spec
    parts = [
        _Transaction(
            [Absent(keys.spec(spec.id))],
            [
                Put(keys.spec(spec.id), encode(spec)),
                Put(keys.secret(spec.id), context.vault.seal(spec.id, draft.secret)),
            ],
        ),
        await _store_bundle(context, draft.bundle),
    ]
    if draft.places.limited:
        claim = await quota.claim(context, spec, draft.places)
        parts.append(_Transaction([claim.condition], [claim.put]))
    if draft.ticket:
        put = Put(draft.ticket.key, encode(draft.ticket.record(spec.id)), await context.leases.current())
        parts.append(_Transaction([Absent(draft.ticket.key)], [put]))
    return _Transaction(
        list(chain.from_iterable(part.conditions for part in parts)),
        list(chain.from_iterable(part.operations for part in parts)),
    )


async def _store_bundle(context: Context, bundle: Bundle) -> _Transaction:
    """The bundle's text is stored once; a job is only accepted while it surely is there."""
    key = context.state.keys.bundle(bundle.digest)
    if bundle.digest not in context.bundles:
        entry = await context.state.store.get(key)
        if entry is None:
            return _Transaction([Absent(key)], [Put(key, bundle.source.text.encode())])
        context.bundles[bundle.digest] = entry.create_revision
    return _Transaction([CreatedAt(key, context.bundles[bundle.digest])], [])


def _learn(context: Context, draft: _Draft, conflict: Conflict) -> None:
    """Somebody else stored the bundle first, or it was removed: the next try knows."""
    entry = conflict.current.get(context.state.keys.bundle(draft.bundle.digest))
    if entry is None:
        context.bundles.pop(draft.bundle.digest, None)
    else:
        context.bundles[draft.bundle.digest] = entry.create_revision


def _bundle(context: Context, name: str) -> Bundle:
    try:
        return context.catalogue.get(name)
    except NotFound as error:
        raise InvalidInput([Fault("/application", str(error))], slug="unknown-application") from error


def _cluster(context: Context, bundle: Bundle, request: JobRequest) -> str:
    """The cluster that was asked for, else the first one that the application runs on."""
    name = request.cluster
    allowed = bundle.application.clusters or tuple(context.clusters)
    if name is None:
        able = [cluster for cluster in context.clusters if cluster in allowed]
        name = next((each for each in able if not _closed(context, bundle, request, each)), next(iter(able), None))
        if name is None:
            raise InvalidInput([Fault("/application", "runs on none of the clusters")], slug="unknown-cluster")
    if name not in context.clusters:
        raise InvalidInput([Fault("/cluster", "there is no such cluster")], slug="unknown-cluster")
    if name not in allowed:
        raise InvalidInput([Fault("/cluster", "the application does not run there")])
    return name


def _closed(context: Context, bundle: Bundle, request: JobRequest, cluster: str) -> str:
    """Why nobody would ever enter such a job there; empty: they can."""
    forwards = context.clusters[cluster].forwards
    if request.original and forwards.proxied:
        return f"the gateways of {cluster} let in by a cookie, which the original's API cannot hand over; use /api/v1"
    if request.original and forwards.admission == "owner-address":
        return f"the gateways of {cluster} let admitted addresses in, and the original's API admits none; use /api/v1"
    return not_carried(bundle.application, forwards)

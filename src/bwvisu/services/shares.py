"""An owner lets other people in: by name, or by a link; until that is over, revoked, or the job is."""

from dataclasses import dataclass, field

from bwvisu.adapters.records import decode
from bwvisu.domain.admission import Admission
from bwvisu.domain.job import JobId
from bwvisu.domain.origin import plain_address
from bwvisu.domain.principal import Principal
from bwvisu.domain.share import TOKEN_BYTES, Share, Shares, by_token, by_user, digest_of, job_of, new_token
from bwvisu.errors import Conflict, Fault, InvalidInput, NotFound, OperatorError
from bwvisu.services.access import Access, access_by
from bwvisu.services.accounts import plausible
from bwvisu.services.admissions import TOO_MANY, Standing, Wish, admitting, cut_short, ending, is_bound
from bwvisu.services.bundles import bundle_of
from bwvisu.services.context import Context, Forbidden, visible
from bwvisu.services.edit import Edit, edit, without
from bwvisu.services.exact import Exact, read_exactly, read_of_anybody
from bwvisu.services.guests import Entrant, check_going_on, counting, same_spec, shares_of
from bwvisu.services.state import Job
from bwvisu.settings import ClusterSettings

NO_VIEW_ONLY = "view-only-impossible"


@dataclass(frozen=True, slots=True)
class NewShare:
    """What an owner wants; ``user`` None: a link; ``minutes`` None: as long as the site lets it."""

    user: str | None = None
    view_only: bool = False
    minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Minted:
    """A share that was just made; ``token``: a link's, which nobody can ask for again."""

    share: Share
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SharedJob:
    """A job as those see it who are let in."""

    job: Job
    share: Share


@dataclass(frozen=True, slots=True)
class Entered:
    """What a link opened."""

    shared: SharedJob
    access: Access
    admission: Admission | None = None
    """Of the visitor's address; None: it needed none, or no other one."""


async def share(context: Context, principal: Principal, job_id: JobId, new: NewShare) -> Minted:
    """Let somebody in.

    Raises NotFound, Forbidden, InvalidInput, Conflict (``job-over``, ``view-only-impossible``, ``too-many``), TryAgain.
    """
    new_id = context.new_id()
    token = new_token(job_id, context.random(TOKEN_BYTES)) if new.user is None else None

    async def attempt() -> Edit[Minted]:
        read = await read_exactly(context, principal, job_id)
        rules = _rules(context, read.job).sharing
        await _check(context, read.job, new)
        found = await shares_of(context, job_id)
        live = counting(context, read.job, found.value)
        if any(each.id == new_id for each in live):  # a try whose answer was lost
            return Edit(Minted(next(each for each in live if each.id == new_id), token))
        same = next((each for each in live if new.user is not None and each.user == new.user), None)
        others = [each for each in live if each is not same]
        if len(others) >= rules.most:
            raise Conflict(f"it is shared {rules.most} times already; revoke one of them", slug=TOO_MANY)
        made = Share(
            id=same.id if same else new_id,  # what came by it goes with it still
            user=new.user,
            token_sha256=digest_of(token) if token else "",
            view_only=new.view_only,
            by=principal.name,
            at=context.now(),
            expires_at=ending(rules.lasts, new.minutes, context.now()),
        )
        writes = [found.replaced(entries=(*others, made))]
        conditions = [same_spec(read), found.unchanged]
        if same:
            narrowed = made.view_only and not same.view_only
            admitted, put = await cut_short(context, job_id, same.id, None if narrowed else made.expires_at)
            conditions.append(admitted.unchanged)
            writes += [put] if put else []
        return Edit(Minted(made, token), conditions, writes)

    return await edit(context, f"shares/{job_id}", attempt)


async def shares(context: Context, principal: Principal, job_id: JobId) -> tuple[Share, ...]:
    """Whom the owner lets in, the oldest first.  Raises NotFound."""
    job = await visible(context, principal, job_id)
    return counting(context, job, (await shares_of(context, job.spec.id)).value)


async def unshare(context: Context, principal: Principal, job_id: JobId, share_id: str) -> Share | None:
    """Let them in no more, and cut what they have open; may be repeated.  None: it was gone already.

    Raises NotFound, TryAgain.
    """

    async def attempt() -> Edit[Share | None]:
        read = await read_exactly(context, principal, job_id)
        found = await shares_of(context, job_id)
        gone, kept = without(found.value.entries, share_id)
        if gone is None:
            return Edit(None)
        admitted, put = await cut_short(context, job_id, share_id, None)
        writes = [found.replaced(entries=kept), *([put] if put else [])]
        return Edit(gone, (same_spec(read), found.unchanged, admitted.unchanged), writes)

    return await edit(context, f"shares/{job_id}", attempt)


async def redeem(context: Context, principal: Principal, token: str, wish: Wish) -> Entered:
    """Enter by a link: the visitor's address is admitted where that is needed.

    Raises NotFound (``share-not-found``), Conflict (``job-not-available`` and what `admit` raises), InvalidInput,
    TryAgain.
    """
    who = await _by_token(context, token)
    check_going_on(who.job)
    opened = await access_by(context, who.job, who.share, plain_address((wish.address or "").strip()))
    admission = None
    if is_bound(context, who.job):
        new_id = context.new_id()

        async def attempt() -> Edit[Admission]:
            return await admitting(context, principal, await _by_token(context, token), wish, new_id)

        try:
            admission = await edit(context, f"admissions/{who.job.spec.id}", attempt)
        except Conflict as error:
            if error.slug != TOO_MANY or opened.standing is not Standing.ADMITTED:  # else it comes in as it is
                raise
        opened = opened.admitted()
    if who.share is None:
        raise _no_such_share()
    return Entered(SharedJob(who.job, who.share), opened, admission)


async def shared_with(context: Context, principal: Principal) -> tuple[SharedJob, ...]:
    """Jobs that others share with this person by name and that are not over, the newest share first.

    Asked of etcd itself: what was revoked is gone at once.  Raises Forbidden where no person asks.
    """
    if principal.user is None:
        raise Forbidden("this is asked for a person: name one as X-On-Behalf-Of")
    state, found = context.state, []
    for key, entry in (await state.store.list(state.keys.kind("shares"))).entries.items():
        try:
            shares = decode(Shares, entry.value)
        except ValueError:  # one that cannot be read hides no other; who opens it is told
            continue
        job = await state.find(state.keys.tail(key)) if by_user(shares.entries, principal.user) else None
        given = by_user(counting(context, job, shares), principal.user) if job else None
        if given and job and not job.spec.stopped and job.status.finished_at is None:
            found.append(SharedJob(job, given))
    return tuple(sorted(found, key=lambda each: each.share.at, reverse=True))


async def _by_token(context: Context, token: str) -> Entrant:
    """Whoever holds this token.  The same answer for every reason why it opens nothing."""
    job_id = job_of(token)
    if job_id is None:
        raise _no_such_share()
    found = await shares_of(context, job_id)
    if by_token(found.value.entries, token) is None:
        raise _no_such_share()
    read: Exact = await read_of_anybody(context, job_id)
    given = by_token(counting(context, read.job, found.value), token)
    if given is None:
        raise _no_such_share()
    return Entrant(read, given, (same_spec(read), found.unchanged))


def _no_such_share() -> NotFound:
    return NotFound("this link is not valid, or not any more", slug="share-not-found")


def _rules(context: Context, job: Job) -> ClusterSettings:
    cluster = context.clusters.get(job.spec.cluster)
    if cluster is None:
        raise OperatorError(f"the settings do not name the cluster {job.spec.cluster} any more")
    if not cluster.sharing.allowed:
        raise Forbidden("this site does not let jobs be shared")
    return cluster


async def _check(context: Context, job: Job, new: NewShare) -> None:
    """Raise where this cannot be."""
    check_going_on(job)
    if new.user is not None and not plausible(context, new.user):
        raise InvalidInput([Fault("/user", "is not a user name of a cluster")])
    if new.user == job.spec.user:
        raise InvalidInput([Fault("/user", "owns the job")])
    if new.view_only:
        application = (await bundle_of(context, job.spec)).application
        if not application.view_only:
            words = f"{application.title} cannot let somebody in who shall only see"
            raise Conflict(words, slug=NO_VIEW_ONLY)

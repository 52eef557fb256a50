"""From where a job may be entered: addresses are admitted, listed and revoked; the gateways follow the record.

The leader loads a gateway's rules as soon as the record changes.  Nothing waits for it: a connection that comes too
early gets no answer, its machine sends the first packet again after a second, and that one passes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bwvisu.adapters.etcd import Put
from bwvisu.domain.admission import Admission, Admissions
from bwvisu.domain.job import JobId
from bwvisu.domain.origin import LENGTHS, Address, Network, network_of
from bwvisu.domain.principal import Principal
from bwvisu.domain.share import Share
from bwvisu.errors import Conflict, Fault, InvalidInput
from bwvisu.services.context import Context, visible
from bwvisu.services.edit import Edit, Found, edit, read, without
from bwvisu.services.exact import read_exactly
from bwvisu.services.guests import Entrant, check_going_on, entrant, same_spec
from bwvisu.services.state import Job
from bwvisu.settings import ClusterSettings

GUESTS_MOST = 4
"""Entries of one guest: who moves on to another network loses the oldest, and cannot use up what the owner has."""
OPEN_FORWARDS = "forwards-open"
OTHER_FAMILY = "address-family"
TOO_MANY = "too-many"


class Standing(StrEnum):
    """What somebody's address needs; the names are the API's contract."""

    OPEN = "open"
    """Nothing: whoever knows the job's address reaches it."""
    NEEDED = "needed"
    """It must be admitted."""
    ADMITTED = "admitted"
    """Its connections pass."""
    OTHER_FAMILY = "other-family"
    """It can never reach the job's gateway, which has an address of the other family."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An address to admit; ``minutes`` None: as long as the site lets it."""

    address: str | None
    """None: nobody has named one, and where the asker is is not known."""
    minutes: int | None = None


async def admit(context: Context, principal: Principal, job_id: JobId, wish: Wish) -> tuple[Admission, bool]:
    """The entry, and whether it is new: the same address again is renewed.

    Raises NotFound, InvalidInput, Conflict (``forwards-open``, ``job-over``, ``address-family``, ``too-many``),
    TryAgain.
    """
    new_id = context.new_id()

    async def attempt() -> Edit[Admission]:
        who = await entrant(context, principal, job_id)
        return await admitting(context, principal, who, wish, new_id)

    admission = await edit(context, f"admissions/{job_id}", attempt)
    return admission, admission.id == new_id


async def admitting(context: Context, principal: Principal, who: Entrant, wish: Wish, new_id: str) -> Edit[Admission]:
    """What admits this address.  Raises as `admit` does."""
    job, cluster, now = who.job, _bound(context, who.job), context.now()
    check_going_on(job)
    network, ends = _network(cluster, wish.address), _end(cluster, wish.minutes, who.share, now)
    check_family(context, job, network)
    found = await _read(context, job.spec.id)
    entries = _live(found.value, now)
    share = who.share.id if who.share else None
    user = principal.user or job.spec.user
    same = [each for each in entries if (each.network, each.user, each.share) == (str(network), user, share)]
    wanted = Admission(
        id=same[0].id if same else new_id,
        network=str(network),
        user=user,
        by=principal.name,
        share=share,
        at=same[0].at if same else now,
        expires_at=ends,
    )
    most = cluster.forwards.admissions.most
    others = _with_room([each for each in entries if each.id != wanted.id], wanted, most)
    if len(others) >= most:
        raise Conflict(f"{most} addresses are admitted already; revoke one of them", slug=TOO_MANY)
    return Edit(wanted, (*who.conditions, found.unchanged), (found.replaced(entries=(*others, wanted)),))


async def admissions(context: Context, principal: Principal, job_id: JobId) -> tuple[Admission, ...]:
    """Who may come in from where, the oldest first.  Raises NotFound."""
    job = await visible(context, principal, job_id)
    return _live((await _read(context, job.spec.id)).value, context.now())


async def revoke(context: Context, principal: Principal, job_id: JobId, admission_id: str) -> Admission | None:
    """Have an entry gone; may be repeated.  Live connections from there are cut.  None: it was gone already.

    Raises NotFound, TryAgain.
    """

    async def attempt() -> Edit[Admission | None]:
        job = await read_exactly(context, principal, job_id)
        found = await _read(context, job_id)
        gone, kept = without(found.value.entries, admission_id)
        if gone is None:
            return Edit(None)
        return Edit(gone, (same_spec(job), found.unchanged), (found.replaced(entries=kept),))

    return await edit(context, f"admissions/{job_id}", attempt)


async def cut_short(
    context: Context, job_id: JobId, share_id: str, ends: datetime | None
) -> tuple[Found[Admissions], Put | None]:
    """What lets the entries that came by a share outlive ``ends`` no more; None: takes them away.  No Put: all fit."""
    found = await _read(context, job_id)
    kept = tuple(
        each.model_copy(update={"expires_at": min(each.expires_at, ends)}) if ends and each.share == share_id else each
        for each in found.value.entries
        if ends or each.share != share_id
    )
    return found, None if kept == found.value.entries else found.replaced(entries=kept)


async def standing(context: Context, job: Job, address: Address | None) -> Standing:
    """What an address needs; None: it is not known."""
    if not is_bound(context, job):
        return Standing.OPEN
    if address is None:
        return Standing.NEEDED
    if address.version not in _families(context, job):
        return Standing.OTHER_FAMILY
    entries = _live((await _read(context, job.spec.id)).value, context.now())
    return Standing.ADMITTED if any(address in each.addresses for each in entries) else Standing.NEEDED


def is_bound(context: Context, job: Job) -> bool:
    """Whether a job's forwards let admitted addresses pass only."""
    cluster = context.clusters.get(job.spec.cluster)
    return cluster is not None and cluster.forwards.admission == "owner-address"


def check_family(context: Context, job: Job, network: Network) -> None:
    """Raises Conflict (``address-family``) where the job's gateway has no address of this family."""
    families = _families(context, job)
    if network.version not in families:
        other = " or ".join(f"IPv{each}" for each in sorted(families))
        words = f"{network} is IPv{network.version}, and the job's gateway has an {other} address only"
        raise Conflict(f"{words}; admit the address that you come from by {other}", slug=OTHER_FAMILY)


def _families(context: Context, job: Job) -> frozenset[int]:
    """Of the job's gateways, or before it has any of all that it may be given; without one nothing is known."""
    cluster = context.clusters.get(job.spec.cluster)
    gateways = cluster.gateways if cluster else ()
    named = {service.gateway for service in job.status.services}
    own = [each for each in gateways if each.name in named] or gateways
    return frozenset(each.external_ip.version for each in own) or frozenset(LENGTHS)


def _bound(context: Context, job: Job) -> ClusterSettings:
    cluster = context.clusters.get(job.spec.cluster)
    if cluster is None or not is_bound(context, job):
        words = "this cluster binds no job to addresses: whoever knows the job's address reaches its sign-in"
        raise Conflict(words, slug=OPEN_FORWARDS)
    return cluster


def _network(cluster: ClusterSettings, address: str | None) -> Network:
    rules = cluster.forwards.admissions
    if address is None:
        words = "is needed: where the person is is not known, for a frontend's own address is another one"
        raise InvalidInput([Fault("/address", words)])
    try:
        return network_of(address, {4: rules.ipv4_prefix, 6: rules.ipv6_prefix})
    except ValueError as error:
        raise InvalidInput([Fault("/address", str(error))]) from None


def _end(cluster: ClusterSettings, minutes: int | None, share: Share | None, now: datetime) -> datetime:
    ends = ending(cluster.forwards.admissions.lasts, minutes, now)
    return min(ends, share.expires_at) if share is not None else ends


def ending(longest: float, minutes: int | None, now: datetime) -> datetime:
    """When something is over that lasts so many seconds at most.  Raises InvalidInput."""
    if minutes is not None and minutes * 60 > longest:
        raise InvalidInput([Fault("/minutes", f"must be at most {longest // 60:.0f}")])
    return now + timedelta(seconds=longest if minutes is None else minutes * 60)


def _with_room(others: list[Admission], wanted: Admission, most: int) -> list[Admission]:
    """Without a guest's own oldest entries, or for the owner any guest's, so that there is room for a new one."""
    if wanted.share is None:
        giving, surplus = [each for each in others if each.share is not None], len(others) - most + 1
    else:
        giving = [each for each in others if (each.user, each.share) == (wanted.user, wanted.share)]
        surplus = len(giving) - GUESTS_MOST + 1
    gone = {each.id for each in sorted(giving, key=lambda each: each.at)[: max(0, surplus)]}
    return [each for each in others if each.id not in gone]


def _live(record: Admissions, now: datetime) -> tuple[Admission, ...]:
    return tuple(each for each in record.entries if each.expires_at > now)


async def _read(context: Context, job_id: JobId) -> Found[Admissions]:
    return await read(context, context.state.keys.admissions(job_id), Admissions, Admissions())

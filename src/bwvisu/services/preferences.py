"""A person's preferences: read, and written whole.  Who names the version that they know overwrites no other."""

from collections.abc import Callable
from dataclasses import dataclass

from bwvisu.adapters.etcd import Absent, Committed, Entry, OutcomeUnknown, Put, Unchanged
from bwvisu.adapters.records import decode, encode
from bwvisu.domain.preferences import Preferences, Values, objection
from bwvisu.domain.principal import Principal
from bwvisu.errors import Fault, InvalidInput, NotFound, TryAgain
from bwvisu.services.accounts import plausible
from bwvisu.services.context import Context, Forbidden, PreconditionFailed

TRIES = 4


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept; ``revision`` 0: nothing was ever kept."""

    values: Values
    revision: int


async def preferences(context: Context, principal: Principal, user: str) -> Kept:
    """A person's preferences, read from etcd.  Raises NotFound (``user-not-found``), Forbidden."""
    entry = await context.state.store.get(_key(context, principal, user))
    return Kept({}, 0) if entry is None else Kept(decode(Preferences, entry.value).values, entry.mod_revision)


async def keep(
    context: Context, principal: Principal, user: str, values: Values, admits: Callable[[int], bool] | None = None
) -> Kept:
    """Put these in the place of what is kept.

    ``admits``: which revision may be replaced, 0 where nothing is kept; None: any, the last writer wins.
    Raises NotFound (``user-not-found``), Forbidden, InvalidInput, PreconditionFailed, TryAgain.
    """
    key = _key(context, principal, user)
    if why := objection(values):
        raise InvalidInput([Fault("", why)])
    record = Preferences(values=dict(values), changed_at=context.now(), changed_by=principal.name)
    put = Put(key, encode(record))
    for _ in range(TRIES):
        entry = await context.state.store.get(key) if admits else None
        if entry is not None and entry.value == put.value:  # a try whose answer was lost
            return Kept(values, entry.mod_revision)
        if admits and not admits(entry.mod_revision if entry else 0):
            raise PreconditionFailed("the preferences have changed since; read them again")
        try:
            result = await context.state.store.commit([_as_read(key, entry)] if admits else [], [put])
        except OutcomeUnknown:
            continue
        if isinstance(result, Committed):
            return Kept(values, result.revision)
    raise TryAgain("it is not known whether the preferences were kept; send them again")


def _key(context: Context, principal: Principal, user: str) -> str:
    if not plausible(context, user):
        raise NotFound("no cluster has such a user", slug="user-not-found")
    if not principal.may_see(user):
        raise Forbidden("this token acts for another user")
    return context.state.keys.preferences(user)


def _as_read(key: str, entry: Entry | None) -> Absent | Unchanged:
    return Absent(key) if entry is None else Unchanged(key, entry.mod_revision)

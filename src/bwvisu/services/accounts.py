"""Whether a person may run jobs on a cluster: the leader is asked through ``lookups/`` and answers in ``users/``."""

from datetime import timedelta

from bwvisu.adapters.etcd import Committed, LeaseLost, OutcomeUnknown, Put
from bwvisu.adapters.records import encode
from bwvisu.domain.cluster import ClusterUser, UserLookup
from bwvisu.errors import Fault, InvalidInput, NotFound, TryAgain
from bwvisu.services.context import Context

PATIENCE = 2.0
"""Seconds that a request waits for the leader's answer."""
FRESH_KNOWN = timedelta(minutes=10)
FRESH_ABSENT = timedelta(seconds=10)
"""For how long an answer is used without asking again; a new account should not have to wait."""


LONGEST_NAME = 256
"""Characters, whatever a cluster's pattern allows."""


def plausible(context: Context, user: str) -> bool:
    """Whether some cluster may have such an account; root is nobody's."""
    allowed = len(user) <= LONGEST_NAME and any(each.user_name_allowed(user) for each in context.clusters.values())
    return allowed and user != "root"


def check_name(context: Context, cluster: str, user: str) -> None:
    """Refuse names that no account of ours has, before anybody is asked; raises `InvalidInput`."""
    if user == "root":
        raise _not_allowed("root never runs jobs here")
    if not context.clusters[cluster].user_name_allowed(user):
        raise InvalidInput([Fault("/user", "is not a user name that this cluster accepts")])


async def judge(context: Context, cluster: str, user: str) -> None:
    """Raise `InvalidInput` where the cluster is known not to know the user, or not to let them in.

    Without an answer in time nothing is raised: the job is judged again when it is submitted.
    """
    account = await ask(context, cluster, user)
    if account is None:
        return
    if not account.exists:
        raise InvalidInput([Fault("/user", "this cluster knows no such user")], slug="unknown-user")
    if account.refused:
        raise _not_allowed(account.refused)


async def show(context: Context, cluster: str, user: str) -> ClusterUser:
    """An account that may run jobs; raises `NotFound`, or `TryAgain` while the cluster has not answered."""
    absent = NotFound("this cluster has no such user", slug="user-not-found")
    try:
        check_name(context, cluster, user)
    except InvalidInput:
        raise absent from None
    account = await ask(context, cluster, user)
    if account is None:
        raise TryAgain("the cluster has not answered yet", after=2)
    if not account.exists or account.refused:
        raise absent
    return account


async def ask(context: Context, cluster: str, user: str) -> ClusterUser | None:
    """The leader's answer, fresh from memory or asked for now; None: no answer within `PATIENCE`."""
    state = context.state
    key = state.keys.user(cluster, user)
    known = state.users.values.get(key)
    if known is not None and _is_fresh(context, known):
        return known
    asked_at = await _put_question(context, cluster, user)

    def answered() -> bool:
        entry = state.users.entries.get(key)
        return entry is not None and entry.mod_revision > asked_at

    if asked_at and await state.until(answered, PATIENCE):
        return state.users.values.get(key)
    return None


def _is_fresh(context: Context, account: ClusterUser) -> bool:
    usable = account.exists and not account.refused
    return context.now() - account.checked_at < (FRESH_KNOWN if usable else FRESH_ABSENT)


async def _put_question(context: Context, cluster: str, user: str) -> int:
    """The revision of the question; 0 where it is not known to be stored."""
    lookup = encode(UserLookup(asked_at=context.now()))
    put = Put(context.state.keys.lookup(cluster, user), lookup, await context.leases.current())
    try:
        result = await context.state.store.commit([], [put])
    except OutcomeUnknown:
        return 0
    except LeaseLost:
        context.leases.lost()
        return 0
    return result.revision if isinstance(result, Committed) else 0


def _not_allowed(detail: str) -> InvalidInput:
    return InvalidInput([Fault("/user", detail)], slug="user-not-allowed")

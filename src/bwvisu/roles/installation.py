"""The record of the installation: drawn once; and which releases may run with what lies in its store."""

import asyncio
import secrets
import string
from importlib.metadata import version
from typing import NoReturn

import structlog
from pydantic import ValidationError

from bwvisu.adapters.etcd import Absent, EtcdFull, OutcomeUnknown, Put, Store, Unchanged
from bwvisu.adapters.records import Keys, decode, encode
from bwvisu.domain.cluster import STORE_FORMAT, Installation
from bwvisu.errors import OperatorError, TryAgain
from bwvisu.reconcilers.leadership import Leadership

RELEASE = version("bwvisu")
_ALPHABET = string.ascii_lowercase + string.digits
_PAUSE = 0.3
"""Seconds between questions while etcd does not answer."""

log = structlog.get_logger(__name__)


async def installation(store: Store, keys: Keys) -> Installation:
    """This installation's record; the first process ever draws it.

    It is read first: an etcd without space refuses every transaction that might write, and nobody is to crash for it.
    Raises OperatorError where a newer release has made the store its own.
    """
    entry = await store.get(keys.installation)
    if entry is None:
        drawn = Installation(
            id="".join(secrets.choice(_ALPHABET) for _ in range(8)), release=RELEASE, store_format=STORE_FORMAT
        )
        await store.commit([Absent(keys.installation)], [Put(keys.installation, encode(drawn))])
        entry = await store.get(keys.installation)
    if entry is None:
        raise OperatorError(f"{keys.installation} was deleted from the store while it was being made")
    return _known(keys, entry.value)


async def refuse_the_future(store: Store, keys: Keys) -> None:
    """Raise OperatorError where a newer release has made the store its own; a store without a record is anybody's."""
    entry = await store.get(keys.installation)
    if entry is not None:
        _known(keys, entry.value)


async def keep_to_the_present(store: Store, keys: Keys) -> NoReturn:
    """`refuse_the_future` as soon as etcd answers; then nothing, for ever: what newer releases write later is refused
    record by record."""
    while True:
        try:
            await refuse_the_future(store, keys)
        except TryAgain:
            await asyncio.sleep(_PAUSE)
            continue
        await asyncio.Event().wait()


async def take_over(store: Store, keys: Keys, leadership: Leadership) -> Installation:
    """The record as it is in this term, with our release noted in it.  Raises OperatorError as `installation` does.

    An etcd without space keeps the older note.
    """
    while True:
        try:
            return await _noted(store, keys, leadership)
        except (TryAgain, OutcomeUnknown):  # NotLeader, too: whoever ends the term cancels this
            await asyncio.sleep(_PAUSE)


async def _noted(store: Store, keys: Keys, leadership: Leadership) -> Installation:
    entry = await store.get(keys.installation)
    if entry is None:
        raise OperatorError(f"{keys.installation} was deleted from the store")
    drawn = _known(keys, entry.value)
    ours = drawn.model_copy(update={"release": RELEASE, "store_format": STORE_FORMAT})
    if ours == drawn:
        return drawn
    try:
        await leadership.commit(
            [Unchanged(keys.installation, entry.mod_revision)], [Put(keys.installation, encode(ours))]
        )
    except EtcdFull:
        if drawn.store_format < STORE_FORMAT:
            raise
        return drawn
    log.info("release-noted", release=RELEASE, before=drawn.release)
    return await _noted(store, keys, leadership)


def _known(keys: Keys, value: bytes) -> Installation:
    try:
        drawn = decode(Installation, value)
    except (
        ValidationError
    ) as error:  # no guess: without the id that stands there, what is ours on a cluster is not known
        why = error.errors()[0]
        place = ".".join(map(str, why["loc"]))
        raise OperatorError(
            f"{keys.installation} cannot be read ({place}: {why['msg']}); restore a backup of the store"
        ) from error
    if drawn.store_format > STORE_FORMAT:
        raise OperatorError(
            f"the store is of format {drawn.store_format}: release {drawn.release} of bwVisu has made it its own, and "
            f"this is release {RELEASE}, which knows format {STORE_FORMAT}; run that one, or restore a backup"
        )
    return drawn

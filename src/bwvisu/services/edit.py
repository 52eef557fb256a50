"""Records that several requests may change at once: read, compare and swap, and again where another one was faster."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from bwvisu.adapters.etcd import Absent, Committed, Condition, Entry, Operation, OutcomeUnknown, Put, Unchanged
from bwvisu.adapters.records import decode, encode
from bwvisu.domain.job import Record
from bwvisu.errors import OperatorError, TryAgain
from bwvisu.services.context import Context

T = TypeVar("T")
R = TypeVar("R", bound=Record)
TRIES = 8


class Named(Protocol):
    """An entry of a record that lists several."""

    @property
    def id(self) -> str:
        """Names it among them."""
        ...


N = TypeVar("N", bound=Named)


@dataclass(frozen=True, slots=True)
class Found(Generic[R]):
    """A record as etcd has it, and the condition that it still is so."""

    value: R
    unchanged: Condition

    def replaced(self, **fields: object) -> Put:
        """What gives it these fields; those that this version does not know stay."""
        return Put(self.unchanged.key, encode(self.value.model_copy(update=fields)))


async def read(context: Context, key: str, kind: type[R], absent: R) -> Found[R]:
    """A record, or ``absent``.  Raises OperatorError where it cannot be read."""
    entry = await context.state.store.get(key)
    if entry is None:
        return Found(absent, Absent(key))
    return Found(_decoded(entry, kind), Unchanged(key, entry.mod_revision))


def _decoded(entry: Entry, kind: type[R]) -> R:
    try:
        return decode(kind, entry.value)
    except ValueError as error:
        raise OperatorError(f"the record {entry.key} cannot be read") from error


@dataclass(frozen=True, slots=True)
class Edit(Generic[T]):
    """What is written if all is as it was read, and what is answered then; nothing to write: it is answered at once."""

    answer: T
    conditions: Sequence[Condition] = ()
    writes: Sequence[Operation] = ()


async def edit(context: Context, of: str, attempt: Callable[[], Awaitable[Edit[T]]]) -> T:
    """Try until what was read is what is replaced.  ``attempt`` reads anew each time, and knows its own work again.

    ``of``: what it is about; of one process's requests, one at a time goes to etcd.  Raises TryAgain.
    """
    async with context.turn(of):
        for _ in range(TRIES):
            found = await attempt()
            if not found.writes:
                return found.answer
            try:
                result = await context.state.store.commit(found.conditions, found.writes)
            except OutcomeUnknown:
                continue  # reading it again tells
            if isinstance(result, Committed):
                return found.answer
    raise TryAgain("it is not known whether that was stored; ask again")


def without(entries: Sequence[N], entry_id: str) -> tuple[N | None, tuple[N, ...]]:
    """The entry of this name, None where there is none, and the others."""
    gone = next((each for each in entries if each.id == entry_id), None)
    return gone, tuple(each for each in entries if each is not gone)

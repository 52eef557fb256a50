"""The leader's pen: every write is fenced by its epoch, compares what it replaces, and is echoed into `Records`."""

from collections.abc import Sequence

from pydantic import BaseModel

from bwvisu.adapters.etcd import Absent, Committed, Condition, Delete, Operation, OutcomeUnknown, Put, Unchanged
from bwvisu.adapters.records import encode
from bwvisu.reconcilers.leadership import Leadership
from bwvisu.reconcilers.records import Records


class Writer:
    """Writes records of the leader."""

    def __init__(self, leadership: Leadership, records: Records) -> None:
        self.leadership = leadership
        self._records = records

    async def put(self, key: str, record: BaseModel, revision: int | None, given: Sequence[Condition] = ()) -> bool:
        """Compare-and-swap (None: create), under the conditions ``given``, too.

        False: it had changed, or the result is unknown; plan again.
        What it had changed to is taken in at once: a watch that stalls must not make the next try fail like this one.
        """
        condition = Absent(key) if revision is None else Unchanged(key, revision)
        committed = await self._commit([condition, *given], [Put(key, encode(record))])
        if committed is None:
            return False
        self._records.echo(key, committed, record)
        return True

    async def overwrite(self, key: str, record: BaseModel) -> bool:
        """Store a record that only a leader writes and that no decision is made by."""
        return await self._commit([], [Put(key, encode(record))]) is not None

    async def delete(self, key: str, revision: int) -> bool:
        """Compare-and-delete; False as for `put`."""
        committed = await self._commit([Unchanged(key, revision)], [Delete(key)])
        if committed is None:
            return False
        self._records.echo(key, committed, None)
        return True

    async def forget(self, operations: Sequence[Operation]) -> bool:
        """The leader's final delete of everything of a job."""
        committed = await self._commit([], operations)
        if committed is None:
            return False
        for operation in operations:
            if isinstance(operation, Delete):
                self._records.echo(operation.key, committed, None)
        return True

    async def _commit(self, conditions: Sequence[Condition], operations: Sequence[Operation]) -> int | None:
        try:
            result = await self.leadership.commit(conditions, operations)
        except OutcomeUnknown:
            # The mirror will show what became of it, and the next pass plans from that.
            return None
        if isinstance(result, Committed):
            return result.revision
        for key, entry in result.current.items():
            self._records.found(key, entry, result.revision)
        return None

"""Our words to etcd's protobuf messages and back: pure, and the only file besides `connection` that sees protobuf.

The messages are those of etcd's ``rpc.proto``, as generated in ``aetcd.rpc``.  Keys are text in the program
and bytes in etcd; a key that is not UTF-8 (hostile, or foreign) survives the way in and out as surrogates.
"""

from collections.abc import Sequence
from typing import Any

from aetcd import rpc

from bwvisu.adapters.etcd.errors import TransactionTooLarge
from bwvisu.adapters.etcd.model import (
    MAX_OPERATIONS,
    Absent,
    Batch,
    Committed,
    Condition,
    Conflict,
    CreatedAt,
    Delete,
    DeletePrefix,
    Entry,
    Event,
    Keyspace,
    Operation,
    Put,
    Span,
    Unchanged,
)


def to_bytes(key: str) -> bytes:
    """Encode a key; raises ValueError for the empty one, which etcd takes for "everything" in places."""
    if not key:
        raise ValueError("an etcd key or prefix must not be empty")
    return key.encode("utf-8", "surrogateescape")


def to_text(key: bytes) -> str:
    """Decode a key, the inverse of `to_bytes`."""
    return key.decode("utf-8", "surrogateescape")


def prefix_end(prefix: bytes) -> bytes:
    """Return the first key after all keys with this prefix; ``b"\\0"``, etcd's "to the end", where there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else b"\0"


def bounds(keys: Keyspace) -> tuple[bytes, bytes]:
    """Return the first key that may be in a keyspace, and the first after it, as etcd takes them."""
    span = Span.of(keys)
    return to_bytes(span.first), prefix_end(to_bytes(span.last))


def range_request(
    keys: Keyspace, *, after: str | None = None, limit: int = 0, revision: int = 0, keys_only: bool = False
) -> Any:
    """Ask for the keys of a prefix or span, in order; 0 stands for "no limit" and "now"."""
    start, end = bounds(keys)
    if after is not None:
        start = max(start, to_bytes(after) + b"\0")
    return rpc.RangeRequest(key=start, range_end=end, limit=limit, revision=revision, keys_only=keys_only)


def entry(kv: Any) -> Entry:
    """Read a ``mvccpb.KeyValue``."""
    return Entry(to_text(kv.key), kv.value, kv.create_revision, kv.mod_revision, kv.lease)


def txn_request(conditions: Sequence[Condition], operations: Sequence[Operation]) -> Any:
    """Build "if all conditions, then all operations, else show me their keys"; raises TransactionTooLarge."""
    if max(len(conditions), len(operations)) > MAX_OPERATIONS:
        raise TransactionTooLarge(
            f"{len(operations)} operations under {len(conditions)} conditions, not over {MAX_OPERATIONS}"
        )
    keys = dict.fromkeys(condition.key for condition in conditions)
    return rpc.TxnRequest(
        compare=[_compare(condition) for condition in conditions],
        success=[_operation(operation) for operation in operations],
        failure=[rpc.RequestOp(request_range=rpc.RangeRequest(key=to_bytes(key))) for key in keys],
    )


def txn_result(conditions: Sequence[Condition], response: Any) -> Committed | Conflict:
    """Read the answer to `txn_request`."""
    if response.succeeded:
        return Committed(response.header.revision)
    current: dict[str, Entry | None] = {condition.key: None for condition in conditions}
    for part in response.responses:
        current.update({found.key: found for found in map(entry, part.response_range.kvs)})
    return Conflict(current, response.header.revision)


def watch_request(keys: Keyspace, start_revision: int) -> Any:
    """Ask for every change of a prefix or span.  Raises ValueError for a revision below 1: etcd reads 0 as "now"."""
    if start_revision < 1:
        raise ValueError("a watch starts from a known revision")
    start, end = bounds(keys)
    return rpc.WatchRequest(
        create_request=rpc.WatchCreateRequest(key=start, range_end=end, start_revision=start_revision)
    )


def batch(response: Any) -> Batch | None:
    """Read one watch response; None for one without events.

    Without ``fragment`` in the request a response always holds whole revisions, so its last event is a safe
    point to resume from.  The header's revision is not: it may be ahead of undelivered events (etcd #15220).
    """
    if not response.events:
        return None
    events = tuple(_event(event) for event in response.events)
    return Batch(events[-1].revision, events)


def _event(event: Any) -> Event:
    removed = event.type == rpc.Event.DELETE
    return Event(to_text(event.kv.key), event.kv.mod_revision, None if removed else entry(event.kv))


def _compare(condition: Condition) -> Any:
    key = to_bytes(condition.key)
    match condition:
        case Absent():
            return rpc.Compare(key=key, target=rpc.Compare.CREATE, result=rpc.Compare.EQUAL, create_revision=0)
        case Unchanged(mod_revision=revision):
            return rpc.Compare(key=key, target=rpc.Compare.MOD, result=rpc.Compare.EQUAL, mod_revision=revision)
        case CreatedAt(create_revision=revision):
            return rpc.Compare(key=key, target=rpc.Compare.CREATE, result=rpc.Compare.EQUAL, create_revision=revision)


def _operation(operation: Operation) -> Any:
    match operation:
        case Put(key=key, value=value, lease=lease):
            return rpc.RequestOp(request_put=rpc.PutRequest(key=to_bytes(key), value=value, lease=lease))
        case Delete(key=key):
            return rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=to_bytes(key)))
        case DeletePrefix(prefix=prefix):
            start = to_bytes(prefix)
            return rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=start, range_end=prefix_end(start)))

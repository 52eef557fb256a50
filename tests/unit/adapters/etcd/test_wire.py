"""Keys, ranges and transactions as etcd's messages."""

import pytest
from aetcd import rpc
from hypothesis import assume, given
from hypothesis import strategies as st

from bwvisu.adapters.etcd import (
    MAX_OPERATIONS,
    Absent,
    Committed,
    Condition,
    Conflict,
    CreatedAt,
    DeletePrefix,
    Entry,
    Event,
    Put,
    Span,
    TransactionTooLarge,
    Unchanged,
    wire,
)


@pytest.mark.parametrize(
    ("prefix", "end"),
    [(b"/a/", b"/a0"), (b"a\xff", b"b"), (b"a\xff\xff", b"b"), (b"\xff", b"\0"), (b"a\xfe", b"a\xff")],
)
def test_the_end_of_a_prefix(prefix: bytes, end: bytes) -> None:
    assert wire.prefix_end(prefix) == end


@given(st.binary(min_size=1, max_size=4), st.binary(max_size=4))
def test_a_prefix_holds_exactly_the_keys_that_begin_with_it(prefix: bytes, key: bytes) -> None:
    end = wire.prefix_end(prefix)
    inside = prefix <= key and (end == b"\0" or key < end)
    assert inside == key.startswith(prefix)
    assert end == b"\0" or not end.startswith(prefix)


@given(st.binary(min_size=1))
def test_any_key_survives_the_way_in_and_out(key: bytes) -> None:
    assert wire.to_bytes(wire.to_text(key)) == key


def test_the_next_page_begins_after_the_last_key() -> None:
    request = wire.range_request("/a/", after="/a/7", limit=10, revision=5)
    assert (request.key, request.range_end, request.limit, request.revision) == (b"/a/7\0", b"/a0", 10, 5)
    assert wire.range_request("/b/", after="/a/7").key == b"/b/", "never before the prefix"


KEYS = st.text("/ab", min_size=1, max_size=3)


@given(KEYS, KEYS, KEYS)
def test_a_span_holds_exactly_the_keys_that_etcd_takes_for_its_own(first: str, last: str, key: str) -> None:
    assume(first <= last)
    start, end = wire.bounds(Span(first, last))
    assert (key in Span(first, last)) == (start <= key.encode() < end)
    assert (key in Span.of(first)) == key.startswith(first)


@pytest.mark.parametrize(("first", "last"), [("", ""), ("", "a"), ("b", "a")])
def test_a_span_is_not_empty_and_does_not_run_backwards(first: str, last: str) -> None:
    with pytest.raises(ValueError, match="empty"):
        Span(first, last)


@pytest.mark.parametrize("condition", [Absent("/k"), Unchanged("/k", 7), CreatedAt("/k", 7)])
def test_every_condition_compares_its_key_for_equality(condition: Condition) -> None:
    (compare,) = wire.txn_request([condition], []).compare
    assert (compare.key, compare.result, compare.range_end) == (b"/k", rpc.Compare.EQUAL, b"")
    target = {Absent: ("create_revision", 0), Unchanged: ("mod_revision", 7), CreatedAt: ("create_revision", 7)}
    field, value = target[type(condition)]
    assert compare.WhichOneof("target_union") == field
    assert getattr(compare, field) == value


def test_a_refused_transaction_shows_each_conditions_key_once() -> None:
    conditions: list[Condition] = [CreatedAt("/leader", 3), Absent("/a"), Unchanged("/leader", 4)]
    request = wire.txn_request(conditions, [Put("/a", b"", 9), DeletePrefix("/b/")])
    assert [part.request_range.key for part in request.failure] == [b"/leader", b"/a"]
    kv = rpc.KeyValue(key=b"/leader", value=b"x", create_revision=5, mod_revision=6, lease=7)
    found = rpc.ResponseOp(response_range=rpc.RangeResponse(kvs=[kv]))
    nothing = rpc.ResponseOp(response_range=rpc.RangeResponse())
    header = rpc.ResponseHeader(revision=8)
    refused = rpc.TxnResponse(header=header, succeeded=False, responses=[found, nothing])
    assert wire.txn_result(conditions, refused) == Conflict({"/leader": Entry("/leader", b"x", 5, 6, 7), "/a": None}, 8)
    assert wire.txn_result(conditions, rpc.TxnResponse(header=header, succeeded=True)) == Committed(8)


def test_conditions_are_counted_like_operations() -> None:
    with pytest.raises(TransactionTooLarge):
        wire.txn_request([Absent(str(n)) for n in range(1, MAX_OPERATIONS + 2)], [])


def test_a_batch_ends_at_its_last_event_and_not_at_the_header() -> None:
    put = rpc.Event(type=rpc.Event.PUT, kv=rpc.KeyValue(key=b"/a", value=b"1", create_revision=4, mod_revision=4))
    gone = rpc.Event(type=rpc.Event.DELETE, kv=rpc.KeyValue(key=b"/b", mod_revision=5))
    response = rpc.WatchResponse(header=rpc.ResponseHeader(revision=900), events=[put, gone])
    batch = wire.batch(response)
    assert batch is not None
    assert batch.revision == 5
    assert batch.events == (Event("/a", 4, Entry("/a", b"1", 4, 4, 0)), Event("/b", 5, None))
    assert wire.batch(rpc.WatchResponse(header=rpc.ResponseHeader(revision=900))) is None

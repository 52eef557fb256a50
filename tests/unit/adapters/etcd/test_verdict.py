"""What etcd's and gRPC's words mean: recorded from etcd 3.4.23 and grpcio 1.85.1."""

import pytest
from aetcd import rpc
from grpc import StatusCode

from bwvisu.adapters.etcd import (
    Compacted,
    EtcdError,
    EtcdFull,
    EtcdRefused,
    EtcdUnavailable,
    LeaseLost,
    TransactionTooLarge,
)
from bwvisu.adapters.etcd.verdict import Fate, judge, judge_cancelled_watch
from bwvisu.errors import OperatorError, TryAgain

UNCONNECTED = "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:2379: "


@pytest.mark.parametrize(
    ("code", "words", "fate", "error"),
    [
        (StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", Fate.UNKNOWN, EtcdUnavailable),
        (StatusCode.UNAVAILABLE, "Socket closed", Fate.UNKNOWN, EtcdUnavailable),
        (StatusCode.UNAVAILABLE, "etcdserver: request timed out", Fate.UNKNOWN, EtcdUnavailable),
        (StatusCode.UNAVAILABLE, "etcdserver: leader changed", Fate.UNKNOWN, EtcdUnavailable),
        (StatusCode.UNAVAILABLE, "etcdserver: no leader", Fate.NOT_APPLIED, EtcdUnavailable),
        (StatusCode.RESOURCE_EXHAUSTED, "etcdserver: too many requests", Fate.NOT_APPLIED, EtcdUnavailable),
        (StatusCode.UNAVAILABLE, UNCONNECTED + "Connection refused", Fate.NOT_APPLIED, EtcdUnavailable),
        (
            StatusCode.UNAVAILABLE,
            UNCONNECTED + "Handshake read failed (Socket closed)",
            Fate.NOT_APPLIED,
            EtcdUnavailable,
        ),
        (StatusCode.UNAVAILABLE, UNCONNECTED + "Ssl: CERTIFICATE_VERIFY_FAILED", Fate.NOT_APPLIED, EtcdRefused),
        (StatusCode.UNAVAILABLE, UNCONNECTED + "Unwrap failed (TSI_DATA_CORRUPTED)", Fate.NOT_APPLIED, EtcdRefused),
        (StatusCode.UNAUTHENTICATED, "etcdserver: invalid auth token", Fate.TOKEN, EtcdRefused),
        (StatusCode.INVALID_ARGUMENT, "etcdserver: revision of auth store is old", Fate.OUTDATED, EtcdUnavailable),
        (StatusCode.PERMISSION_DENIED, "etcdserver: permission denied", Fate.REFUSED, EtcdRefused),
        (StatusCode.NOT_FOUND, "etcdserver: requested lease not found", Fate.REFUSED, LeaseLost),
        (StatusCode.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", Fate.REFUSED, EtcdFull),
        (StatusCode.INVALID_ARGUMENT, "etcdserver: request is too large", Fate.REFUSED, TransactionTooLarge),
        (StatusCode.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted", Fate.REFUSED, Compacted),
        (StatusCode.UNIMPLEMENTED, "", Fate.REFUSED, EtcdRefused),
    ],
)
def test_each_failure_has_one_meaning(code: StatusCode, words: str, fate: Fate, error: type[EtcdError]) -> None:
    verdict = judge(code, words)
    assert verdict.fate is fate
    assert type(verdict.error) is error


def test_errors_say_who_must_act() -> None:
    assert isinstance(EtcdUnavailable("..."), TryAgain)
    assert isinstance(EtcdRefused("..."), OperatorError)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (rpc.WatchResponse(created=True), None),
        (rpc.WatchResponse(created=True, canceled=True, cancel_reason="etcdserver: permission denied"), EtcdRefused),
        (rpc.WatchResponse(canceled=True, compact_revision=7), Compacted),
        (rpc.WatchResponse(canceled=True, cancel_reason="etcdserver: no leader"), EtcdUnavailable),
        (rpc.WatchResponse(created=True, canceled=True), EtcdRefused),
    ],
)
def test_a_cancelled_watch_is_never_taken_for_a_good_one(response: object, error: type[EtcdError] | None) -> None:
    end = judge_cancelled_watch(response)
    assert (type(end) if end is not None else None) is error

"""etcd: a key-value store with revisions, transactions, leases and watches.

Law: nobody outside sees gRPC, protobuf or aetcd.  Every call has a deadline and ends in an answer or in an
error that says who must act; a write that may have been applied is never repeated here.  What a record
*means* is not known here: values are bytes, and a mirror is told how to decode them.

Others depend on `Store`, not on `Etcd`, so that the simulation can stand in for it.
"""

from bwvisu.adapters.etcd.client import Etcd, MemberHealth
from bwvisu.adapters.etcd.connection import Credentials, EtcdTls
from bwvisu.adapters.etcd.errors import (
    Compacted,
    EtcdError,
    EtcdFull,
    EtcdRefused,
    EtcdUnavailable,
    LeaseLost,
    OutcomeUnknown,
    TransactionTooLarge,
)
from bwvisu.adapters.etcd.measured import MeasuredStore
from bwvisu.adapters.etcd.mirror import Mirror
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
    Lease,
    Listing,
    Operation,
    Put,
    Span,
    Store,
    Unchanged,
)
from bwvisu.adapters.etcd.replica import Change, Changes
from bwvisu.adapters.etcd.subscription import Lagged, Subscription
from bwvisu.adapters.etcd.users import Access, Permission

__all__ = [
    "MAX_OPERATIONS",
    "Absent",
    "Access",
    "Batch",
    "Change",
    "Changes",
    "Committed",
    "Compacted",
    "Condition",
    "Conflict",
    "CreatedAt",
    "Credentials",
    "Delete",
    "DeletePrefix",
    "Entry",
    "Etcd",
    "EtcdError",
    "EtcdFull",
    "EtcdRefused",
    "EtcdTls",
    "EtcdUnavailable",
    "Event",
    "Keyspace",
    "Lagged",
    "Lease",
    "LeaseLost",
    "Listing",
    "MeasuredStore",
    "MemberHealth",
    "Mirror",
    "Operation",
    "OutcomeUnknown",
    "Permission",
    "Put",
    "Span",
    "Store",
    "Subscription",
    "TransactionTooLarge",
    "Unchanged",
]

"""The leader's loops: who gets forwards, what each gateway carries, and which services answer.

Law: a pass starts from the whole state and may be cut off at any point and repeated; each returns a typed report and
never raises on what a gateway, a job or the store may do.  Decisions are the pure modules' work (``verification``,
``allocation``, ``retirement``, ``readiness``, ``nat``), remote texts are ``scripts``; here they are only put together.
Memory is a cache: what a loop remembers may be lost at any time and costs at most time.

`ForwardsReconciler` one per cluster; `GatewaySync`, `Prober`, `Knocker` and `ActivityWatch` one per gateway; so a slow
gateway delays only itself.
"""

from keyhole.reconciler.activity import ActivityBoard, ActivityPass, ActivityWatch
from keyhole.reconciler.board import GatewayBoard, ProbeBoard
from keyhole.reconciler.forwards import ForwardsPass, ForwardsReconciler
from keyhole.reconciler.prober import ProbePass, Prober
from keyhole.reconciler.reach import Knocker, KnockPass, ListeningShell
from keyhole.reconciler.sync import GatewaySync, SyncPass

__all__ = [
    "ActivityBoard",
    "ActivityPass",
    "ActivityWatch",
    "ForwardsPass",
    "ForwardsReconciler",
    "GatewayBoard",
    "GatewaySync",
    "KnockPass",
    "Knocker",
    "ListeningShell",
    "ProbeBoard",
    "ProbePass",
    "Prober",
    "SyncPass",
]

"""What is known of a cluster, for the API: ``clusters/{name}``, written when it changes or has grown old."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from bwvisu.domain.cluster import ClusterView, GatewayView, NodeView, PartitionView
from bwvisu.reconcilers.records import Records
from bwvisu.reconcilers.watcher import Watcher
from bwvisu.reconcilers.writer import Writer

AT_LEAST_EVERY = 10.0
"""Seconds after which an unchanged view is written again, so that its age tells how alive the leader is."""


class Publisher:
    """Shows one cluster."""

    def __init__(
        self,
        cluster: str,
        records: Records,
        writer: Writer,
        watcher: Watcher,
        command_nodes: Callable[[], Sequence[NodeView]],
        gateways: Callable[[], Sequence[GatewayView]],
        partitions: Callable[[], Sequence[PartitionView] | None],
        *,
        clock: Callable[[], float],
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cluster = cluster
        self._records = records
        self._writer = writer
        self._watcher = watcher
        self._command_nodes = command_nodes
        self._gateways = gateways
        self._partitions = partitions
        self._clock = clock
        self._wall = wall
        self._shown: ClusterView | None = None
        self._shown_at = 0.0

    async def reconcile(self) -> bool:
        """Write the view where that is due; whether it was."""
        view = ClusterView(
            name=self._cluster,
            command_nodes=tuple(self._command_nodes()),
            gateways=tuple(self._gateways()),
            looked_at=self._looked_at(),
            detail=self._watcher.problem,
            partitions=self._known_partitions(),
        )
        same = self._shown is not None and view.model_copy(update={"looked_at": None}) == self._shown
        if same and self._clock() - self._shown_at < AT_LEAST_EVERY:
            return False
        await self._writer.overwrite(self._records.keys.cluster(self._cluster), view)
        self._shown, self._shown_at = view.model_copy(update={"looked_at": None}), self._clock()
        return True

    def _known_partitions(self) -> tuple[PartitionView, ...] | None:
        """Until Slurm has told us, what it told whoever led before."""
        known = self._partitions()
        before = self._records.clusters.get(self._cluster)
        return tuple(known) if known is not None else before.partitions if before is not None else None

    def _looked_at(self) -> datetime | None:
        look = self._watcher.last
        if look is None:
            return None
        return datetime.fromtimestamp(self._wall().timestamp() - (self._clock() - look.ended_at), UTC)

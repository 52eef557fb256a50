"""A cluster's nodes: how they are met at present, and which gateways are to take nothing new."""

from collections import Counter
from collections.abc import Sequence

from bwvisu.adapters.ssh import Node, Wire
from bwvisu.domain.cluster import GatewayView, NodeView
from bwvisu.reconcilers.keyhole_host import LeaderBooks
from bwvisu.reconcilers.records import Records
from bwvisu.roles.boards import Boards
from keyhole.domain import LIVE


class Nodes:
    """What a leader knows of one cluster's nodes; ``command_nodes`` by the order in which they are asked."""

    def __init__(
        self,
        cluster: str,
        records: Records,
        books: LeaderBooks,
        wire: Wire,
        command_nodes: Sequence[Node],
        boards: Boards,
    ) -> None:
        self._prefix = f"{cluster}/"
        self._records = records
        self._books = books
        self._wire = wire
        self._command_nodes = command_nodes
        self._boards = boards

    def command_nodes(self) -> list[NodeView]:
        """The command nodes, for the cluster's view."""
        nodes = {node.host: self._wire.failing(node) for node in self._command_nodes}
        return [NodeView(name=host, reachable=not why, detail=why) for host, why in nodes.items()]

    def gateways(self) -> list[GatewayView]:
        """The gateways that were met, for the cluster's view."""
        carried, drained, vacated = self._carried(), self.drained(), self.vacated()
        views: list[GatewayView] = []
        for name, state in self._boards.gateways.states().items():
            traffic = self._boards.activity.traffic().get(name)
            bytes_in, bytes_out = traffic.totals if traffic and traffic.totals else (None, None)
            views.append(
                GatewayView(
                    name=name,
                    reachable=state.usable,
                    detail=state.words or self._boards.activity.words(name),
                    forwards=carried[name],
                    drained=name in drained,
                    vacated=name in vacated,
                    connections=traffic.connections if traffic else None,
                    bytes_in=bytes_in,
                    bytes_out=bytes_out,
                )
            )
        return views

    def drained(self) -> frozenset[str]:
        """Gateways that an administrator wants to take no new forwards."""
        tails = (tail for tail in self._records.gateways.kept if tail.startswith(self._prefix))
        return frozenset(tail.removeprefix(self._prefix) for tail in tails)

    def vacated(self) -> frozenset[str]:
        """Gateways of which an administrator wants what they carry to be moved, too."""
        kept, prefix = self._records.gateways.kept, self._prefix
        return frozenset(
            tail.removeprefix(prefix) for tail, each in kept.items() if tail.startswith(prefix) and each.record.move
        )

    def _carried(self) -> Counter[str]:
        """Forwards by gateway; those of this cluster only, since another may have a gateway of the same name."""
        grants = (grant for each in self._books.forwards().values() for grant in each.record.grants)
        return Counter(grant.gateway for grant in grants if grant.phase in LIVE for _ in grant.forwards)

"""What the keyhole's loops have seen of a cluster's services, as the reconcilers ask for it."""

from collections.abc import Callable, Iterable, Mapping

from bwvisu.domain.job import JobId
from bwvisu.domain.lifecycle import Phase
from bwvisu.planning.snapshot import JobView, Quiet
from bwvisu.reconcilers.records import Records
from bwvisu.reconcilers.views import present_run
from keyhole.activity import Told, Totals
from keyhole.domain import Grant, Report
from keyhole.readiness import Service, services_ready
from keyhole.reconciler import ActivityBoard, GatewayBoard, ProbeBoard


class Boards:
    """`bwvisu.reconcilers.views.Board` over the keyhole's probes and its looks at connections."""

    def __init__(
        self,
        on_change: Callable[[JobId], None],
        known: Callable[[Service], Totals | None],
        record_every: float,
        clock: Callable[[], float],
    ) -> None:
        self.probes = ProbeBoard(on_change)
        self.activity = ActivityBoard(on_change, known, record_every)
        self.gateways = GatewayBoard()
        self._clock = clock
        self._hidden: dict[JobId, float] = {}
        """Until when users may have come through a gateway that was left; monotonic seconds."""

    def reachable(self, job_id: JobId, grant: Grant, reports: tuple[Report, ...]) -> tuple[bool | None, ...]:
        """See `services_ready`."""
        return services_ready(job_id, grant, self.probes.of(grant.gateway), reports)

    def told(self, job_id: JobId, grant: Grant) -> tuple[Told | None, ...]:
        """For each forward of the grant what is to be written down of its users; None: nobody has looked."""
        services = (Service(job_id, grant.run, forward.internal_port) for forward in grant.forwards)
        return tuple(self.activity.told(grant.gateway, service) for service in services)

    def quiet(self, views: Iterable[JobView]) -> Mapping[JobId, Quiet | None]:
        """See `Snapshot.quiet`."""
        watched = [view for view in views if view.spec.idle_stop is not None and view.status.phase is Phase.READY]
        now = self._clock()
        hidden = {view.spec.id: now if view.leaving else self._hidden.get(view.spec.id) for view in watched}
        self._hidden = {job_id: until for job_id, until in hidden.items() if until is not None}
        return {view.spec.id: self._quiet(view) for view in watched if self._looked(view)}

    def _looked(self, view: JobView) -> bool:
        return all(self.activity.looked(gateway, service) for gateway, service in _services(view))

    def _quiet(self, view: JobView) -> Quiet | None:
        """A job is as quiet as the least quiet of its services.

        Whom a gateway that was left still lets through cannot be seen, and it may go on for long: only its management
        may be away.
        """
        if view.leaving:
            return None
        since, until = self._hidden.get(view.spec.id, float("-inf")), float("inf")
        for gateway, service in _services(view):
            quiet = self.activity.quiet(gateway, service)
            if quiet is None:
                return None
            since, until = max(since, quiet.since), min(until, quiet.until)
        return Quiet(since, until)


def totals(records: Records, service: Service) -> Totals | None:
    """What was written down of a service's bytes; None: nothing was, since its port is new or nobody counted."""
    status = records.status.get(service.job_id)
    if status is None or present_run(status) != service.run:
        return None
    for each in status.services:
        if each.internal_port == service.internal_port and each.bytes_in is not None:
            return Totals(each.bytes_in, each.bytes_out or 0)
    return None


def _services(view: JobView) -> list[tuple[str, Service]]:
    run = present_run(view.status)
    return [(each.gateway, Service(view.spec.id, run, each.internal_port)) for each in view.status.services]

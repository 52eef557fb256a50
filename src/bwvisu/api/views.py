"""From what services answer to the API's documents: pure."""

import math
from collections.abc import Mapping

from bwvisu.adapters.bundles import Bundle, Catalogue
from bwvisu.api.models import (
    AccessView,
    ApplicationList,
    ApplicationView,
    BrokenBundle,
    ClusterLimits,
    ClusterStatus,
    ExtensionView,
    FormView,
    GatewayStatus,
    IdleStopLimits,
    IdleView,
    JobView,
    MomentView,
    NodeStatus,
    PartitionStatus,
    PortView,
    ReasonView,
    ServiceView,
    SlurmJobView,
)
from bwvisu.domain.cluster import ClusterView, GatewayView, NodeView, PartitionView
from bwvisu.domain.job import JobStatus, Moment, Reason, Service, SlurmView
from bwvisu.domain.lifecycle import State
from bwvisu.planning.extension import standing
from bwvisu.planning.idle import idle_since, warned
from bwvisu.services.access import Access
from bwvisu.services.clusters import Cluster
from bwvisu.services.offers import runs_on, usual_idle_stops
from bwvisu.services.state import Job
from bwvisu.settings import ClusterSettings, IdleStopSettings


def job_view(job: Job) -> JobView:
    """What is wanted and what was seen, as one."""
    spec, status = job.spec, job.status
    return JobView(
        id=spec.id,
        user=spec.user,
        application=spec.application,
        cluster=spec.cluster,
        parameters=spec.parameters,
        wanted=spec.wanted,
        state=status.state,
        outcome=status.outcome,
        reason=_reason(status.reason),
        services=tuple(_service(service) for service in status.services),
        moved_at=status.moved_at,
        slurm=_slurm(status.slurm) if status.slurm else None,
        extension=_extension(job),
        idle=_idle(job),
        timeline=_timeline(job, status),
        created_at=spec.created_at,
        exit_code=status.exit_code,
        revision=job.revision,
    )


def _timeline(job: Job, status: JobStatus) -> tuple[MomentView, ...]:
    """It begins with the acceptance, which the API itself has seen."""
    seen = tuple(moment for moment in status.timeline if moment.state is not State.ACCEPTED)
    accepted = Moment(state=State.ACCEPTED, at=job.spec.created_at)
    return tuple(MomentView(state=moment.state, at=moment.at) for moment in (accepted, *seen))


def _service(service: Service) -> ServiceView:
    return ServiceView(
        name=service.name,
        protocol=service.protocol,
        gateway=service.gateway,
        external_host=service.external_host,
        external_port=service.external_port,
        internal_host=service.internal_host,
        internal_port=service.internal_port,
        reachable=service.reachable,
        connections=service.connections,
        bytes_in=service.bytes_in,
        bytes_out=service.bytes_out,
        last_active_at=service.last_active_at,
    )


def _slurm(slurm: SlurmView) -> SlurmJobView:
    return SlurmJobView(
        job_id=slurm.job_id,
        state=slurm.state,
        reason=slurm.reason,
        nodes=slurm.nodes,
        partition=slurm.partition,
        expected_start_at=slurm.expected_start_at,
        started_at=slurm.started_at,
        ends_at=slurm.ends_at,
        time_limit_minutes=slurm.time_limit // 60 if slurm.time_limit is not None else None,
    )


def _extension(job: Job) -> ExtensionView | None:
    wanted = job.spec.extension
    if wanted is None:
        return None
    state, reason = standing(job.spec, job.status)
    return ExtensionView(minutes=wanted.minutes, asked_at=wanted.asked_at, state=state, reason=_reason(reason))


def _idle(job: Job) -> IdleView | None:
    if job.spec.idle_stop is None:
        return None
    stops_at = warned(job.spec, job.status)
    return IdleView(
        stop_after_minutes=job.spec.idle_stop // 60,
        since=idle_since(job.spec, job.status),
        warned=stops_at is not None,
        stops_at=stops_at,
    )


def _reason(reason: Reason | None) -> ReasonView | None:
    return ReasonView(code=reason.code, message=reason.message) if reason else None


def access_view(access: Access) -> AccessView:
    """What opens a job."""
    form = FormView(action=access.form.action, fields=access.form.fields) if access.form else None
    return AccessView(
        url=access.url,
        password=access.password,
        native=access.native,
        form=form,
        admission=access.standing.value,
        view_only=access.view_only,
    )


def application_view(bundle: Bundle, clusters: Mapping[str, ClusterSettings]) -> ApplicationView:
    """An application; ``clusters`` are all that there are."""
    application = bundle.application
    allowed = runs_on(application, clusters)
    return ApplicationView(
        name=bundle.name,
        title=application.title,
        summary=application.summary,
        version=application.version,
        category=application.category,
        ports=tuple(PortView(name=port.name, protocol=port.protocol, path=port.path) for port in application.ports),
        clusters=allowed,
        parameters=application.json_schema(),
        cluster_parameters={
            cluster: application.on(cluster).json_schema() for cluster in allowed if application.differs_on(cluster)
        },
        digest=bundle.digest,
        view_only=application.view_only,
        idle_stop_minutes=usual_idle_stops(application, {name: clusters[name] for name in allowed}),
    )


def catalogue_view(catalogue: Catalogue, clusters: Mapping[str, ClusterSettings], *, whole: bool) -> ApplicationList:
    """Everything that can be started, and with ``whole`` what somebody must mend."""
    items = tuple(application_view(each, clusters) for each in catalogue.all())
    served = {each.name for each in items}
    problems = sorted(catalogue.problems.items()) if whole else ()
    broken = (BrokenBundle(name=name, problems=why, served=name in served) for name, why in problems)
    return ApplicationList(items=items, broken=tuple(broken))


def cluster_view(cluster: Cluster) -> ClusterStatus:
    """A cluster; before a leader has looked, its nodes are listed as not reachable."""
    settings = cluster.settings
    view = cluster.view or ClusterView(
        name=cluster.name,
        command_nodes=tuple(_unseen(node.host) for node in settings.command_nodes),
        gateways=tuple(GatewayView(**dict(_unseen(gateway.name))) for gateway in settings.gateways),
        detail=_UNSEEN,
    )
    families = {gateway.name: gateway.external_ip.version for gateway in settings.gateways}
    return ClusterStatus(
        name=cluster.name,
        title=settings.title or cluster.name,
        command_nodes=tuple(_node(node) for node in view.command_nodes),
        gateways=tuple(_gateway(gateway, families) for gateway in view.gateways),
        looked_at=view.looked_at,
        look_age_seconds=cluster.age,
        detail=view.detail,
        partitions=None if view.partitions is None else tuple(_partition(each) for each in view.partitions),
        limits=_limits(settings),
        admission=settings.forwards.admission,
        sharing=settings.sharing.allowed,
    )


def _limits(settings: ClusterSettings) -> ClusterLimits:
    return ClusterLimits(
        running_per_user=settings.limits.running_per_user,
        waiting_per_user=settings.limits.waiting_per_user,
        extend_to_minutes=settings.slurm.extend.longest,
        idle_stop=_idle_stop(settings.limits.idle_stop),
    )


def _idle_stop(limits: IdleStopSettings) -> IdleStopLimits | None:
    if not limits.allowed:
        return None
    return IdleStopLimits(
        minimum_minutes=math.ceil(limits.minimum / 60),
        maximum_minutes=int(limits.maximum // 60),
        never_allowed=limits.never_allowed,
        warning_seconds=int(limits.warning),
    )


_UNSEEN = "nobody has looked yet"


def _unseen(name: str) -> NodeView:
    return NodeView(name=name, reachable=False, detail=_UNSEEN)


def _partition(partition: PartitionView) -> PartitionStatus:
    return PartitionStatus(
        name=partition.name,
        state=partition.state,
        default=partition.is_default,
        time_limit_minutes=None if partition.time_limit is None else partition.time_limit // 60,
        nodes=partition.nodes,
    )


def _node(node: NodeView) -> NodeStatus:
    return NodeStatus(name=node.name, reachable=node.reachable, detail=node.detail)


def _gateway(gateway: GatewayView, families: Mapping[str, int]) -> GatewayStatus:
    return GatewayStatus(
        **dict(_node(gateway)),
        forwards=gateway.forwards,
        drained=gateway.drained,
        vacated=gateway.vacated,
        address_family=families.get(gateway.name),
        connections=gateway.connections,
        bytes_in=gateway.bytes_in,
        bytes_out=gateway.bytes_out,
    )

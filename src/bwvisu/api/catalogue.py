"""``/api/v1/applications`` and ``/api/v1/clusters``: what can be started, and where."""

from fastapi import APIRouter
from starlette.responses import Response

from bwvisu.api.auth import ClusterReader, JobReader
from bwvisu.api.models import ApplicationList, ApplicationView, ClusterList, ClusterStatus, UserView
from bwvisu.api.routing import Services, answer, errors
from bwvisu.api.views import application_view, catalogue_view, cluster_view
from bwvisu.domain.job import Notice
from bwvisu.domain.principal import Scope
from bwvisu.services.accounts import show
from bwvisu.services.clusters import all_clusters, one_cluster

applications = APIRouter(prefix="/api/v1/applications", tags=["applications"])
_PICTURE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
clusters = APIRouter(prefix="/api/v1/clusters", tags=["clusters"])


@applications.get(
    "",
    operation_id="listApplications",
    summary="List applications",
    response_model=ApplicationList,
    responses=errors(),
)
async def list_applications(context: Services, principal: JobReader) -> Response:
    """Everything that can be started; for administrators also what is broken."""
    administrator = principal.may(Scope.ADMIN)
    return answer(catalogue_view(context.catalogue, context.clusters, whole=administrator))


@applications.get(
    "/{name}",
    operation_id="getApplication",
    summary="Show an application",
    response_model=ApplicationView,
    responses=errors("application-not-found"),
)
async def get_application(context: Services, principal: JobReader, name: str) -> Response:  # noqa: ARG001
    """One application, with its parameters as JSON Schema."""
    return answer(application_view(context.catalogue.get(name), context.clusters))


@applications.get(
    "/{name}/icon",
    operation_id="getApplicationIcon",
    summary="An application's picture",
    response_class=Response,
    responses={
        200: {"description": "SVG", "content": {"image/svg+xml": {"schema": {"type": "string"}}}},
        **errors("application-not-found"),
    },
)
async def get_icon(context: Services, principal: JobReader, name: str) -> Response:  # noqa: ARG001
    """Its icon, SVG; what it may hold no browser runs: it comes with a policy that forbids scripts."""
    bundle = context.catalogue.get(name)
    return Response(bundle.icon, media_type="image/svg+xml", headers=_PICTURE)


@clusters.get("", operation_id="listClusters", summary="List clusters", response_model=ClusterList, responses=errors())
async def list_clusters(context: Services, principal: ClusterReader) -> Response:  # noqa: ARG001
    """Every cluster as it was last seen."""
    items = tuple(cluster_view(cluster) for cluster in all_clusters(context))
    return answer(ClusterList(items=items, notify=tuple(Notice) if context.mails else ()))


@clusters.get(
    "/{name}",
    operation_id="getCluster",
    summary="Show a cluster",
    response_model=ClusterStatus,
    responses=errors("cluster-not-found"),
)
async def get_cluster(context: Services, principal: ClusterReader, name: str) -> Response:  # noqa: ARG001
    """One cluster as it was last seen."""
    return answer(cluster_view(one_cluster(context, name)))


@clusters.get(
    "/{name}/users/{user}",
    operation_id="checkUser",
    summary="May this user run jobs there?",
    response_model=UserView,
    responses=errors("cluster-not-found", "user-not-found"),
)
async def check_user(context: Services, principal: ClusterReader, name: str, user: str) -> Response:  # noqa: ARG001
    """200 where the account exists and may run jobs, 404 where not, 503 while the cluster has not answered."""
    one_cluster(context, name)
    account = await show(context, name, user)
    return answer(UserView(user=account.name, cluster=name))

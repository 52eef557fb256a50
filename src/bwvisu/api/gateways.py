"""``/api/v1/clusters/{name}/gateways/{gateway}/drain``: for administrators."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from bwvisu.api.auth import Administrator
from bwvisu.api.models import ClusterStatus
from bwvisu.api.routing import Services, answer, errors
from bwvisu.api.views import cluster_view
from bwvisu.services.drain import drain

router = APIRouter(prefix="/api/v1/clusters/{name}/gateways/{gateway}/drain", tags=["clusters"])

Move = Annotated[
    bool,
    Query(
        description="Those that it carries move to other gateways, as far as there is room: connections are cut, and "
        "the jobs' addresses change."
    ),
]

_ERRORS = errors("cluster-not-found", "gateway-not-found")


@router.put("", operation_id="drainGateway", summary="Drain a gateway", response_model=ClusterStatus, responses=_ERRORS)
async def drain_gateway(
    context: Services, principal: Administrator, name: str, gateway: str, *, move: Move = False
) -> Response:
    """Have it take no new forwards; those that it carries stay, or move.  May be repeated; the last word counts."""
    return answer(cluster_view(await drain(context, principal, name, gateway, wanted=True, move=move)))


@router.delete(
    "",
    operation_id="undrainGateway",
    summary="Put a drained gateway to use again",
    response_model=ClusterStatus,
    responses=_ERRORS,
)
async def undrain_gateway(context: Services, principal: Administrator, name: str, gateway: str) -> Response:
    """Have it take new forwards again; nothing moves back by itself.  May be repeated."""
    return answer(cluster_view(await drain(context, principal, name, gateway, wanted=False)))

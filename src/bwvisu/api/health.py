"""``/livez``, ``/readyz``, ``/metrics``: for those who operate the service; no token."""

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from bwvisu.api.models import Health
from bwvisu.api.problems import problem
from bwvisu.api.routing import AnyContext, answer, declared
from bwvisu.metrics import exposition

router = APIRouter(tags=["operation"])


@router.get("/livez", operation_id="live", summary="Is the process alive?", response_model=Health)
async def live() -> Response:
    """Answers as long as the process can answer anything."""
    return answer(Health())


@router.get(
    "/readyz",
    operation_id="ready",
    summary="Can it serve?",
    response_model=Health,
    responses=declared("not-ready", "unavailable", "out-of-order"),
)
async def ready(context: AnyContext) -> Response:
    """200 when etcd answers now and everything has been read once; Slurm need not be up."""
    if not context.state.ready:
        return problem("not-ready", "The records have not been read yet.", headers={"Retry-After": "1"})
    await context.state.store.get(context.state.keys.installation)
    return answer(Health())


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Prometheus metrics",
    response_class=PlainTextResponse,
    response_description="The counts of this replica",
)
async def metrics(request: Request) -> Response:
    """In Prometheus' text format."""
    return exposition(request.app.state.registry)

"""Who may enter a job besides its owner, and from where: ``/api/v1/jobs/{id}/admissions``, ``…/shares``, and links."""

import math
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from bwvisu.api.auth import JobConnector
from bwvisu.api.problems import problem
from bwvisu.api.routing import BODY, Services, answer, errors
from bwvisu.api.sharing_models import (
    AdmissionList,
    AdmissionView,
    NewAdmission,
    NewShare,
    OpenedShare,
    Redemption,
    SharedJobList,
    ShareList,
    ShareView,
)
from bwvisu.api.sharing_views import admission_list, admission_view, opened_view, share_list, share_view, shared_list
from bwvisu.api.source import address_of
from bwvisu.api.trail import OpenTrail
from bwvisu.domain.principal import Principal
from bwvisu.services import shares as service
from bwvisu.services.admissions import Wish, admissions, admit, revoke
from keyhole.throttle import Buckets

of_jobs = APIRouter(prefix="/api/v1/jobs/{job_id}", tags=["sharing"])
router = APIRouter(prefix="/api/v1/shares", tags=["sharing"])

_ENTERING = ("job-not-found", "job-over", "forwards-open", "address-family", "too-many")
_NO_CONTENT: dict[int | str, dict[str, Any]] = {204: {"description": "It is gone"}}


def guesses() -> Buckets:
    """How often one person may try a link: nobody has so many."""
    return Buckets(burst=20, per_second=0.2)


async def _guesses(request: Request) -> Buckets:
    buckets: Buckets = request.app.state.guesses
    return buckets


@of_jobs.post(
    "/admissions",
    operation_id="createAdmission",
    summary="Admit an address",
    status_code=201,
    response_model=AdmissionView,
    responses={
        200: {"model": AdmissionView, "description": "It was admitted already, and is for longer now"},
        201: {"description": "It is admitted; the gateway follows at once"},
        **errors(*BODY, *_ENTERING),
    },
)
async def create_admission(
    request: Request, context: Services, principal: JobConnector, trail: OpenTrail, job_id: str, new: NewAdmission
) -> Response:
    """Let new connections pass from an address, where the cluster lets admitted ones pass only; may be repeated."""
    wish = Wish(_address(request, principal, new.address), new.minutes)
    admission, created = await admit(context, principal, job_id, wish)
    trail.entry, trail.address = admission.id, admission.address
    return answer(admission_view(admission), 201 if created else 200)


@of_jobs.get(
    "/admissions",
    operation_id="listAdmissions",
    summary="List admitted addresses",
    response_model=AdmissionList,
    responses=errors("job-not-found"),
)
async def list_admissions(context: Services, principal: JobConnector, job_id: str) -> Response:
    """Who may come in from where; for the job's owner."""
    return answer(admission_list(await admissions(context, principal, job_id)))


@of_jobs.delete(
    "/admissions/{admission_id}",
    operation_id="deleteAdmission",
    summary="Revoke an address",
    status_code=204,
    response_class=Response,
    responses={**_NO_CONTENT, **errors("job-not-found")},
)
async def delete_admission(
    context: Services, principal: JobConnector, trail: OpenTrail, job_id: str, admission_id: str
) -> Response:
    """Let no more connections pass from there, and cut those that are open; may be repeated."""
    if gone := await revoke(context, principal, job_id, admission_id):
        trail.address, trail.guest = gone.address, gone.user if gone.share is not None else None
    return Response(status_code=204)


@of_jobs.post(
    "/shares",
    operation_id="createShare",
    summary="Share a job",
    status_code=201,
    response_model=ShareView,
    responses=errors(*BODY, "job-not-found", "job-over", "too-many", "view-only-impossible", "forbidden"),
)
async def create_share(
    context: Services, principal: JobConnector, trail: OpenTrail, job_id: str, new: NewShare
) -> Response:
    """Let a person in, or make a link that lets in whoever opens it after signing in; for the job's owner."""
    trail.guest = new.user
    wanted = service.NewShare(new.user, new.view_only, new.minutes)
    minted = await service.share(context, principal, job_id, wanted)
    trail.entry = minted.share.id
    return answer(share_view(minted.share, minted.token), 201, Cache_Control="no-store")


@of_jobs.get(
    "/shares",
    operation_id="listShares",
    summary="List whom a job is shared with",
    response_model=ShareList,
    responses=errors("job-not-found"),
)
async def list_shares(context: Services, principal: JobConnector, job_id: str) -> Response:
    """People and links; for the job's owner."""
    return answer(share_list(await service.shares(context, principal, job_id)))


@of_jobs.delete(
    "/shares/{share_id}",
    operation_id="deleteShare",
    summary="Share a job no more",
    status_code=204,
    response_class=Response,
    responses={**_NO_CONTENT, **errors("job-not-found")},
)
async def delete_share(
    context: Services, principal: JobConnector, trail: OpenTrail, job_id: str, share_id: str
) -> Response:
    """Let them in no more; the addresses that came by it are revoked with it.  May be repeated."""
    gone = await service.unshare(context, principal, job_id, share_id)
    trail.guest = gone.user if gone else None
    return Response(status_code=204)


@router.get(
    "",
    operation_id="listSharedJobs",
    summary="List what others share",
    response_model=SharedJobList,
    responses=errors("forbidden"),
)
async def list_shared(context: Services, principal: JobConnector) -> Response:
    """Jobs that others share with this person by name, and that are not over."""
    return answer(shared_list(await service.shared_with(context, principal)))


@router.post(
    "/redeem",
    operation_id="redeemShare",
    summary="Enter by a link",
    response_model=OpenedShare,
    responses=errors(*BODY, "share-not-found", "job-not-available", *_ENTERING[1:]),
)
async def redeem_share(
    request: Request,
    context: Services,
    principal: JobConnector,
    trail: OpenTrail,
    redemption: Redemption,
    tries: Annotated[Buckets, Depends(_guesses)],
) -> Response:
    """Admit the visitor where that is needed, and tell how to get in."""
    if wait := tries.take(principal.person, time.monotonic()):
        seconds = math.ceil(wait)
        again = {"Retry-After": str(seconds)}
        return problem("rate-limited", f"Too many links were tried; ask again in {seconds} s.", headers=again)
    wish = Wish(_address(request, principal, redemption.address))
    entered = await service.redeem(context, principal, redemption.token, wish)
    shared = entered.shared
    trail.job, trail.user = shared.job.spec.id, shared.job.spec.user
    trail.entry = shared.share.id
    trail.address = entered.admission.address if entered.admission else None
    return answer(opened_view(shared, entered.access), Cache_Control="no-store")


def _address(request: Request, principal: Principal, named: str | None) -> str | None:
    """The one that is named, else the asker's own, which a frontend's is not; None: it is not known."""
    return named if named is not None or principal.behalf is not None else _own(request)


def _own(request: Request) -> str | None:
    address = address_of(request.scope)
    return str(address) if address else None

"""From what the services say of admissions and shares to the API's documents: pure."""

from collections.abc import Iterable

from bwvisu.api.sharing_models import (
    AdmissionList,
    AdmissionView,
    OpenedShare,
    SharedJobList,
    SharedJobView,
    ShareList,
    ShareView,
)
from bwvisu.api.views import access_view
from bwvisu.domain.admission import Admission
from bwvisu.domain.share import Share
from bwvisu.services.access import Access
from bwvisu.services.shares import SharedJob


def admission_view(admission: Admission) -> AdmissionView:
    """From where somebody may come in."""
    return AdmissionView(
        id=admission.id,
        address=admission.address,
        user=admission.user,
        share=admission.share,
        at=admission.at,
        expires_at=admission.expires_at,
    )


def admission_list(found: Iterable[Admission]) -> AdmissionList:
    """Several."""
    return AdmissionList(items=tuple(admission_view(each) for each in found))


def share_view(share: Share, token: str | None = None) -> ShareView:
    """``token``: of a link that was just made."""
    return ShareView(
        id=share.id,
        user=share.user,
        view_only=share.view_only,
        at=share.at,
        expires_at=share.expires_at,
        token=token,
    )


def share_list(found: Iterable[Share]) -> ShareList:
    """Several."""
    return ShareList(items=tuple(share_view(each) for each in found))


def shared_list(found: Iterable[SharedJob]) -> SharedJobList:
    """What others share."""
    return SharedJobList(items=tuple(_shared(each) for each in found))


def opened_view(shared: SharedJob, access: Access) -> OpenedShare:
    """What a link opens."""
    return OpenedShare(job=_shared(shared), access=access_view(access))


def _shared(shared: SharedJob) -> SharedJobView:
    spec = shared.job.spec
    return SharedJobView(
        id=spec.id,
        user=spec.user,
        application=spec.application,
        cluster=spec.cluster,
        state=shared.job.status.state,
        view_only=shared.share.view_only,
        expires_at=shared.share.expires_at,
    )

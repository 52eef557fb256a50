"""The API's documents about who else may enter a session, and from where, as far as pages show them."""

from datetime import datetime

from bwvisu.portal.documents import Access, Document


class Admission(Document):
    """An address whose connections pass."""

    id: str
    address: str
    user: str
    share: str | None = None
    expires_at: datetime


class AdmissionList(Document):
    """Several."""

    items: tuple[Admission, ...]


class Share(Document):
    """Somebody who is let in."""

    id: str
    user: str | None = None
    """None: whoever has the link."""
    view_only: bool = False
    expires_at: datetime
    token: str | None = None


class ShareList(Document):
    """Several."""

    items: tuple[Share, ...]


class SharedJob(Document):
    """Somebody else's session that is shared."""

    id: str
    user: str
    application: str
    cluster: str
    state: str
    view_only: bool = False
    expires_at: datetime


class SharedJobList(Document):
    """Several."""

    items: tuple[SharedJob, ...]


class OpenedShare(Document):
    """What a link opens; holds secrets."""

    job: SharedJob
    access: Access

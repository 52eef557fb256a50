"""The API's documents about who else may enter a job, and from where."""

from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field

from bwvisu.api.models import AccessView, Document, whole
from bwvisu.domain.lifecycle import State

Minutes = Annotated[int, Field(strict=True, ge=1, le=525_600), BeforeValidator(whole)]
Address = Annotated[str, Field(min_length=1, max_length=64)]
"""An IPv4 or IPv6 address; a network as 192.0.2.0/24."""
UserName = Annotated[str, Field(min_length=1, max_length=256)]


class NewAdmission(Document):
    """An address whose connections shall pass."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"address": "192.0.2.7"}]})

    address: Address | None = None
    """An IPv4 or IPv6 address, or where the site allows it a network such as 192.0.2.0/24; none: the one that this
    request comes from."""
    minutes: Minutes | None = None
    """How long; none: as long as the site lets it."""


class AdmissionView(Document):
    """An address whose connections pass."""

    id: str
    """Names it among the job's."""
    address: str
    """An address, or a network."""
    user: str
    """Who sits there: the owner, or somebody whom a share let in."""
    share: str | None
    """The share that it came by, and goes with."""
    at: datetime
    expires_at: datetime


class AdmissionList(Document):
    """Who may come in from where, the oldest first; what has expired is left out."""

    items: tuple[AdmissionView, ...]


class NewShare(Document):
    """Somebody to let in."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"user": "bob", "view_only": True}]})

    user: UserName | None = None
    """The person; none: a link is made, which lets in whoever opens it after signing in."""
    view_only: bool = False
    """They see, and do nothing; `view_only` of the application says whether it can."""
    minutes: Minutes | None = None
    """How long; none: as long as the site lets it."""


class ShareView(Document):
    """Somebody who is let in."""

    id: str
    """Names it among the job's."""
    user: str | None
    """The person; null: it is a link."""
    view_only: bool
    at: datetime
    expires_at: datetime
    token: str | None
    """A link's secret, in the answer that made it and nowhere else: `<portal>/shared#<token>` opens it."""


class ShareList(Document):
    """Whom the owner lets in, the oldest first; what has expired is left out."""

    items: tuple[ShareView, ...]


class SharedJobView(Document):
    """A job as those see it who are let in."""

    id: str
    user: str
    """Its owner."""
    application: str
    cluster: str
    state: State
    view_only: bool
    expires_at: datetime
    """When it is shared no more."""


class SharedJobList(Document):
    """Jobs that others share with a person by name."""

    items: tuple[SharedJobView, ...]


class Redemption(Document):
    """A link that somebody opens."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[str, Field(min_length=1, max_length=256)]
    """What the link carries."""
    address: Address | None = None
    """The visitor's own address, to be admitted where that is needed; none: the one that this request comes from."""


class OpenedShare(Document):
    """What a link opens; holds secrets."""

    job: SharedJobView
    access: AccessView

"""The audit trail's record: who did what, for whom, and what became of it.  ``docs/audit.md`` explains it.

A record names people, tokens, jobs and reasons by their stable codes.  It never holds a parameter, a secret or
words that somebody else chose.
"""

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue

from bwvisu.domain.job import JobId, Record
from bwvisu.domain.lifecycle import Outcome, State


class Action(StrEnum):
    """What somebody tried, or what happened.  The former are named as the API's operations; all are a contract."""

    CREATE_JOB = "createJob"
    CANCEL_JOB = "cancelJob"
    EXTEND_JOB = "extendJob"
    KEEP_JOB = "keepJob"
    GET_ACCESS = "getJobAccess"
    """Not a change, but it gives out a secret."""
    PUT_PREFERENCES = "putPreferences"
    CREATE_ADMISSION = "createAdmission"
    DELETE_ADMISSION = "deleteAdmission"
    CREATE_SHARE = "createShare"
    DELETE_SHARE = "deleteShare"
    REDEEM_SHARE = "redeemShare"
    """It gives out a secret, too."""
    DRAIN_GATEWAY = "drainGateway"
    UNDRAIN_GATEWAY = "undrainGateway"
    MOVE_JOB = "moveJob"
    """The leader saw, or made, a job enter a state."""
    SET_TIME = "setTime"
    """The leader saw that a job has the run time that was asked for, or had it refused."""
    GRANT_PORTS = "grantPorts"
    """The leader answered a job that asked for forwards."""


class Result(StrEnum):
    """What became of it."""

    ACCEPTED = "accepted"
    """It is stored, or was so already."""
    REFUSED = "refused"
    """Nothing was changed; ``reason`` says why."""
    FAILED = "failed"
    """The service could not do it, or does not know whether it did; the asker was told so."""


class AuditRecord(BaseModel):
    """One change that was accepted or refused, or one step of a job."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    action: Action
    """What was tried, or what happened."""
    result: Result
    """What became of it."""
    by: str | None = None
    """Name of the token; null: nobody proved who they are, or it was the service itself (`moveJob`, `setTime` …)."""
    behalf_of: str | None = None
    """The person whom the token's holder named by `X-On-Behalf-Of`."""
    requested_by: str | None = None
    """The person whom the token's holder named by `X-Requested-By`: an administrator at a frontend."""
    source: str | None = None
    """Address that the request came from."""
    job: JobId | None = None
    """The job, where one is named and its id has the form of one."""
    user: str | None = None
    """Whose job or preferences they are, where that is known."""
    guest: str | None = None
    """Of `createShare` and `deleteShare` the person who is let in, or no more; of `deleteAdmission` the guest whose
    address it was; null: it is a link, nobody's any more, the owner's own, or that cannot be a user's name."""
    entry: str | None = None
    """Id of the admission or share that is made, used or gone; never a link's token."""
    address: str | None = None
    """The address or network that is admitted, or no more."""
    cluster: str | None = None
    """The cluster, where a gateway is drained or put to use again."""
    gateway: str | None = None
    """This gateway, where it has the name of one."""
    state: State | None = None
    """Of `moveJob`: the state that was entered."""
    outcome: Outcome | None = None
    """Of `moveJob` to `finished`: how it ended."""
    reason: str | None = None
    """Slug of the problem that was answered, or the code of the job's reason."""
    request: str | None = None
    """Id of the request that this follows from (`X-Request-Id`): of `moveJob`, `setTime` and `grantPorts` the one that
    made the job."""
    at: AwareDatetime
    """When, UTC."""


class AuditPage(Record):
    """The record ``audit/{replica}/{page}``: some of what a replica of the API was asked, in order."""

    entries: tuple[dict[str, JsonValue], ...]
    """As the log has them; one by one, so that those of a newer version are passed over, not the whole page."""


class AuditLine(AuditRecord):
    """A record as it stands in the log: one JSON object on a line of its own."""

    event: Literal["audit"]
    logger: Literal["bwvisu.audit"]
    level: Literal["info"]
    timestamp: AwareDatetime
    """When the line was written, UTC."""

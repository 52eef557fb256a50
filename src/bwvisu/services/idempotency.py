"""A request that is sent again makes no second job: the client's key is stored with the job, in one transaction."""

import hashlib
from dataclasses import dataclass
from typing import Self

from bwvisu.adapters.etcd import Entry
from bwvisu.adapters.records import decode
from bwvisu.domain.job import JobId, Record
from bwvisu.domain.principal import Principal
from bwvisu.errors import UserError
from bwvisu.services.context import Context, no_such_job
from bwvisu.services.request import JobRequest
from bwvisu.services.state import Job


class IdempotencyRecord(Record):
    """The record ``idempotency/{client}/{key}``; etcd forgets it after 24 to 25 hours."""

    job_id: JobId
    request: str
    """Digest of the request that made the job, as it was sent."""
    meaning: str = ""
    """Digest of what was understood of it; empty: an earlier version wrote this."""


class KeyReused(UserError):
    """The client has used this key for something else."""

    slug = "idempotency-key-reused"
    title = "The idempotency key was used for another request"


@dataclass(frozen=True, slots=True)
class Ticket:
    """Where a client's key lies, and what it stands for."""

    key: str
    request: str
    meaning: str = ""
    """Empty until the request is understood: it may be refused today though it was taken once."""

    @classmethod
    def of(cls, context: Context, request: JobRequest, principal: Principal, idempotency_key: str) -> Self:
        """Keys are per client, and per person whom it acts for; any text may be one, since only its hash is used."""
        own = idempotency_key if principal.behalf is None else f"{principal.behalf}\0{idempotency_key}"
        digest = hashlib.sha256(own.encode(errors="surrogatepass")).hexdigest()
        return cls(context.state.keys.idempotency(principal.name, digest), request.digest)

    def record(self, job_id: JobId) -> IdempotencyRecord:
        """What is stored with the job that the request makes."""
        return IdempotencyRecord(job_id=job_id, request=self.request, meaning=self.meaning)

    def fits(self, record: IdempotencyRecord) -> bool:
        """Whether this is the request that made the job: the same words, or others that mean the same.

        The same words are enough, since a default may have changed meanwhile.
        """
        return record.request == self.request or bool(self.meaning and record.meaning == self.meaning)


async def replay(context: Context, ticket: Ticket, entry: Entry) -> Job:
    """The job that this key has made; raises `KeyReused` where it was made by another request."""
    record = decode(IdempotencyRecord, entry.value)
    if not ticket.fits(record):
        raise KeyReused("this Idempotency-Key was sent before with another body")
    job = await context.state.find(record.job_id)
    if job is None:
        raise no_such_job()
    return job

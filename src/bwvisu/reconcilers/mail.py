"""Mail to those who want to be told of their jobs: at most once for each job and notice, whoever leads.

The order makes it so: a conversation with the server is opened, then the intent is stored under the leader's epoch,
then the message is handed in.  A server that is away costs no mail, since nothing is stored then; a leader that dies
after the intent costs that one mail, and no later one sends it again.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Protocol

import structlog

from bwvisu.domain.job import JobId, JobSpec, JobStatus, Notice
from bwvisu.domain.notices import Notices
from bwvisu.errors import BwvisuError
from bwvisu.planning.notices import BEFORE_THE_END, due
from bwvisu.reconcilers.records import Records
from bwvisu.reconcilers.writer import Writer

log = structlog.get_logger(__name__)


class Conversation(Protocol):
    """See `bwvisu.adapters.mail`."""

    async def send(self, message: EmailMessage) -> None:
        """Hand a message in."""
        ...


class Post(Protocol):
    """See `bwvisu.adapters.mail`."""

    def conversation(self) -> AbstractAsyncContextManager[Conversation]:
        """Open one."""
        ...


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What stands in every message."""

    sender: str
    address: str
    """``{user}`` in it becomes the user name."""
    portal: str = ""
    """Address of the pages; empty: there are none to link to."""


class MailReconciler:
    """The mails of one cluster's jobs."""

    def __init__(
        self, cluster: str, records: Records, writer: Writer, post: Post, head: Letterhead, wall: Callable[[], datetime]
    ) -> None:
        self._cluster = cluster
        self._records = records
        self._writer = writer
        self._post = post
        self._head = head
        self._wall = wall

    async def reconcile(self) -> int:
        """Send what is due; how many.

        Raises MailRefused where the server cannot be reached, or does not take a message: the next pass goes on with
        the others, in a new conversation.
        """
        await self._tidy()
        waiting = list(self._due())
        if not waiting:
            return 0
        async with self._post.conversation() as conversation:
            return sum([await self._send(conversation, job_id, notice) for job_id, notice in waiting])

    def _due(self) -> Iterator[tuple[JobId, Notice]]:
        for job_id, kept in self._records.specs.kept.items():
            spec = kept.record
            if not spec.notify or spec.cluster != self._cluster or job_id in self._records.unreadable:
                continue
            status = self._records.status.get(job_id) or JobStatus()
            begun = self._records.notices.get(job_id) or Notices()
            yield from ((job_id, notice) for notice in due(spec, status, begun.begun, self._wall()))

    async def _send(self, conversation: Conversation, job_id: JobId, notice: Notice) -> bool:
        spec = self._records.specs.get(job_id)
        if spec is None or not await self._begin(job_id, notice):
            return False
        try:
            await conversation.send(letter(self._head, spec, self._records.status.get(job_id), notice, self._wall()))
        except BwvisuError as error:
            log.warning("mail failed", job=job_id, notice=notice.value, reason=str(error))
            raise
        log.info("mail sent", job=job_id, notice=notice.value)
        return True

    async def _tidy(self) -> None:
        """Drop what was begun while its job was being forgotten."""
        known = self._records.specs.kept.keys() | self._records.unreadable
        for job_id in self._records.notices.kept.keys() - known:
            revision = self._records.notices.kept[job_id].revision
            await self._writer.delete(self._records.keys.notices(job_id), revision)

    async def _begin(self, job_id: JobId, notice: Notice) -> bool:
        """False: it is not known to be stored by us, so whoever reads it later must not send, and we may not either."""
        before = self._records.notices.get(job_id) or Notices()
        after = before.model_copy(update={"begun": {**before.begun, notice: self._wall()}})
        key = self._records.keys.notices(job_id)
        return await self._writer.put(key, after, self._records.notices.revision(job_id))


def letter(head: Letterhead, spec: JobSpec, status: JobStatus | None, notice: Notice, now: datetime) -> EmailMessage:
    """Plain text, and nothing in it that opens a job: mail is read by many."""
    message = EmailMessage()
    message["From"] = head.sender
    message["To"] = head.address.replace("{user}", spec.user)
    message["Subject"] = f"{spec.application}: {_SUBJECTS[notice]}"
    message["Date"] = format_datetime(now)
    message["Message-ID"] = make_msgid(domain=head.sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence notes, please
    paragraphs = [f"Your session {spec.application} on {spec.cluster} {_SUBJECTS[notice]}."]
    if notice is Notice.FAILED and status is not None and status.reason is not None:
        paragraphs.append(status.reason.message)
    if head.portal:
        paragraphs.append(f"{head.portal.rstrip('/')}/sessions/{spec.id}")
    paragraphs.append("You asked for this mail when you started the session.")
    message.set_content("\n\n".join(paragraphs) + "\n")
    return message


_SUBJECTS = {
    Notice.AVAILABLE: "is ready",
    Notice.ENDING: f"ends in {BEFORE_THE_END.seconds // 60} minutes",
    Notice.IDLE: "is stopped soon because nobody uses it",
    Notice.FAILED: "has ended unexpectedly",
}

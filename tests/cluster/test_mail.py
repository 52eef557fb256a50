"""A person who wants it is told by mail, by the real service, also when its leader is killed."""

import signal
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from bwvisu.cli.local import LocalService, until
from bwvisu.sandbox import Sandbox
from tests.support.waiting import free_port
from tests.support.world import Person, leave_whole, service_in


class Mailbox:
    """What came, as recipient and subject."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str]] = []

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        self.got.append((envelope.rcpt_tos[0], str(message_from_bytes(envelope.content)["Subject"])))
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield box, controller.port
    finally:
        controller.stop()


@pytest.fixture
def service(sandbox: Sandbox, tmp_path: Path, mailbox: tuple[Mailbox, int]) -> Iterator[LocalService]:
    mail = {
        "host": "127.0.0.1",
        "port": mailbox[1],
        "start_tls": False,
        "sender": "bwvisu@example.org",
        "address": "{user}@example.org",
    }
    with service_in(sandbox, tmp_path, mail=mail) as service:
        for role in ("api", "keyhole", "reconciler"):
            service.start(role)
        service.wait_until_ready(120)
        yield service


def test_each_mail_comes_once_whoever_leads(service: LocalService, mailbox: tuple[Mailbox, int]) -> None:
    box, _ = mailbox
    with service.client() as client:
        alice = Person(client)
        body = {"user": "alice", "application": "page", "parameters": {"minutes": 5}}
        wanted = client.post("/api/v1/jobs", json={**body, "notify": ["available", "ending", "failed"]}).json()["id"]
        quiet = client.post("/api/v1/jobs", json=body).json()["id"]
        for job_id in (wanted, quiet):
            alice.wait(job_id, "available")
        until(lambda: box.got, 60, "a mail came")
        service.signal("reconciler", signal.SIGKILL)
        service.wait("reconciler")
        service.start("reconciler")
        for job_id in (wanted, quiet):
            alice.cancel(job_id)
            alice.wait(job_id, "finished")
        leave_whole(service, client)
    assert box.got == [("alice@example.org", "page: is ready")]

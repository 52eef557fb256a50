"""The way to a mail server: TLS that is checked, a login, and errors that tell no password."""

import ssl
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from bwvisu.adapters.mail import MailRefused, MailServer, Post
from bwvisu.domain.job import JobStatus, Notice
from bwvisu.reconcilers.mail import Letterhead, letter
from tests.support.etcd import make_certificates
from tests.support.waiting import free_port
from tests.unit.planning.build import NOW, spec

PASSWORD = "correct horse battery staple"
LETTER = letter(Letterhead("bwvisu@example.org", "{user}@example.org"), spec(), JobStatus(), Notice.AVAILABLE, NOW)


class Mailboxes:
    """Keeps what it is given; there is no ``bob``."""

    def __init__(self) -> None:
        self.got: list[EmailMessage] = []
        self.over_tls: list[bool] = []

    async def handle_RCPT(  # noqa: N802 aiosmtpd's name
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        if address.startswith("bob@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.got.append(message)
        self.over_tls.append(session.ssl is not None)
        return "250 OK"


def _login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    assert isinstance(data, LoginPassword)
    return AuthResult(success=data.password == PASSWORD.encode())


@pytest.fixture
def boxes() -> Mailboxes:
    return Mailboxes()


@pytest.fixture
def server(boxes: Mailboxes, tmp_path: Path) -> Iterator[MailServer]:
    """One that takes mail only over TLS from who has logged in."""
    made = make_certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    controller = Controller(
        boxes,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=_login,
    )
    controller.start()
    try:
        yield MailServer("127.0.0.1", controller.port, ca_file=made.ca_file, user="bwvisu", password=PASSWORD)
    finally:
        controller.stop()


async def send(server: MailServer, *messages: EmailMessage) -> None:
    async with Post(server).conversation() as conversation:
        for message in messages:
            await conversation.send(message)


def to(address: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "bwvisu@example.org", address, "for you"
    message.set_content("Grüße\n")
    return message


async def test_a_message_arrives_over_tls_as_it_was_written(server: MailServer, boxes: Mailboxes) -> None:
    await send(server, LETTER, to("carol@example.org"))
    assert boxes.over_tls == [True, True]
    first, second = boxes.got
    assert (first["To"], first["Subject"]) == ("alice@example.org", "page: is ready")
    assert first.get_content().replace("\r\n", "\n") == LETTER.get_content()
    assert second.get_content().strip() == "Grüße"


async def test_who_is_not_there_is_told_and_the_conversation_goes_on(server: MailServer, boxes: Mailboxes) -> None:
    async with Post(server).conversation() as conversation:
        with pytest.raises(MailRefused):
            await conversation.send(to("bob@example.org"))
        await conversation.send(to("carol@example.org"))
    assert [message["To"] for message in boxes.got] == ["carol@example.org"]


async def test_a_server_that_nobody_vouches_for_gets_neither_password_nor_mail(
    server: MailServer, boxes: Mailboxes, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    stranger = make_certificates(tmp_path / "other").ca_file
    wrong = MailServer(server.host, server.port, ca_file=stranger, user="bwvisu", password=PASSWORD)
    with pytest.raises(MailRefused, match="SSLCertVerificationError"):
        await send(wrong, LETTER)
    assert boxes.got == []


async def test_a_wrong_password_is_in_no_error(server: MailServer) -> None:
    wrong = MailServer(
        server.host, server.port, ca_file=server.ca_file, user="bwvisu", password="a secret guess", timeout=1
    )
    with pytest.raises(MailRefused, match="the mail server") as refused:
        await send(wrong, LETTER)
    assert "guess" not in str(refused.value)
    assert "guess" not in repr(wrong)


async def test_nobody_there_is_told_as_such(server: MailServer) -> None:
    with pytest.raises(MailRefused, match="ConnectionRefusedError"):
        await send(MailServer("127.0.0.1", free_port()), LETTER)

"""How to talk to an SMTP server: one conversation, with a deadline, in a thread beside the loop."""

import asyncio
import smtplib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path

from bwvisu.errors import TryAgain


class MailRefused(TryAgain):
    """The server cannot be talked to, or did not take a message; its text holds no password."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, and as whom."""

    host: str
    port: int
    start_tls: bool = True
    ca_file: Path | None = None
    user: str | None = None
    password: str = field(default="", repr=False)
    timeout: float = 10.0
    """Seconds, for each word of the conversation."""


class Conversation:
    """An open one: nothing but a message's own recipient can be refused any more."""

    def __init__(self, client: smtplib.SMTP) -> None:
        self._client = client

    async def send(self, message: EmailMessage) -> None:
        """Hand a message in.  Raises MailRefused: it was not taken, or nobody knows."""
        try:
            await asyncio.to_thread(self._client.send_message, message)
        except (smtplib.SMTPException, OSError) as error:
            raise _refused(error) from error


class Post:
    """The way to a server."""

    def __init__(self, server: MailServer) -> None:
        self._server = server

    @asynccontextmanager
    async def conversation(self) -> AsyncIterator[Conversation]:
        """Connected, and logged in where that is wanted.  Raises MailRefused."""
        try:
            client = await asyncio.to_thread(_open, self._server)
        except (smtplib.SMTPException, OSError) as error:
            raise _refused(error) from error
        try:
            yield Conversation(client)
        finally:
            with suppress(smtplib.SMTPException, OSError):
                await asyncio.to_thread(client.quit)


def _open(server: MailServer) -> smtplib.SMTP:
    client = smtplib.SMTP(server.host, server.port, timeout=server.timeout)
    try:
        if server.start_tls:
            client.starttls(context=ssl.create_default_context(cafile=server.ca_file))
        if server.user is not None:
            client.login(server.user, server.password)
    except BaseException:
        client.close()
        raise
    return client


def _refused(error: Exception) -> MailRefused:
    """An answer to a login may repeat what was sent: only its number is told."""
    if isinstance(error, smtplib.SMTPResponseException):
        return MailRefused(f"the mail server answered {error.smtp_code}")
    return MailRefused(f"the mail server: {type(error).__name__}")

"""Mail, where the site has set it up: what the settings say as the parts want it."""

from bwvisu.adapters.mail import MailServer, Post
from bwvisu.reconcilers.driver import Loop
from bwvisu.reconcilers.mail import Letterhead, MailReconciler
from bwvisu.reconcilers.records import Records
from bwvisu.reconcilers.writer import Writer
from bwvisu.roles.base import Base, read_secret
from bwvisu.settings import MailSettings

EVERY = 5.0
"""Seconds between looks for what is to be told."""


def mail_loops(cluster: str, base: Base, records: Records, writer: Writer) -> list[Loop]:
    """The loop of a cluster's mails; none where no mail is sent."""
    mail, portal = base.settings.mail, base.settings.portal
    if mail is None:
        return []
    head = Letterhead(mail.sender, mail.address, (portal.public_url or "") if portal else "")
    mails = MailReconciler(cluster, records, writer, Post(_server(mail)), head, base.wall)
    return [Loop(f"mail:{cluster}", mails.reconcile, interval=EVERY, clock=base.monotonic)]


def _server(mail: MailSettings) -> MailServer:
    return MailServer(
        host=mail.host,
        port=mail.port,
        start_tls=mail.start_tls,
        ca_file=mail.ca_file,
        user=mail.user,
        password=read_secret(mail.password_file) if mail.password_file else "",
        timeout=mail.timeout,
    )

"""The role ``portal``: web pages for people."""

from bwvisu.errors import OperatorError
from bwvisu.portal.api import Api, connect
from bwvisu.portal.app import make_app
from bwvisu.portal.session import read_keys
from bwvisu.portal.signin import Passwords
from bwvisu.portal.signin.local import LocalPasswords
from bwvisu.roles.base import read_secret
from bwvisu.roles.web import run_web
from bwvisu.settings import LocalAuth, PortalSettings, Settings


async def run_portal(settings: Settings) -> None:
    """Serve pages until cancelled.  Raises OperatorError where the settings have no portal."""
    portal = settings.portal
    if portal is None:
        raise OperatorError("the settings have no section `portal`")
    async with connect(portal.api_url, read_secret(portal.token_file), portal.api_ca_file) as client:
        app = make_app(portal, Api(client), read_keys(portal.session_key_file), _passwords(portal))
        await run_web(app, host=portal.host, port=portal.port, tls=portal.tls, trusted_proxies=portal.trusted_proxies)


def _passwords(portal: PortalSettings) -> Passwords | None:
    match portal.auth:
        case LocalAuth():
            return LocalPasswords(portal.auth)
        case _:
            return None

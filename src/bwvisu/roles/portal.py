"""The role ``portal``: web pages for people."""

from functools import partial

from bwvisu.errors import OperatorError
from bwvisu.portal.api import Api, connect
from bwvisu.portal.app import make_app
from bwvisu.portal.pages import live
from bwvisu.portal.session import read_keys
from bwvisu.portal.signin import Passwords, Provides
from bwvisu.portal.signin.local import LocalPasswords
from bwvisu.portal.signin.oidc import Provider
from bwvisu.roles.base import read_secret
from bwvisu.roles.web import run_web
from bwvisu.settings import LdapAuth, LocalAuth, OidcAuth, PortalSettings, Settings


async def run_portal(settings: Settings) -> None:
    """Serve pages until cancelled.  Raises OperatorError where the settings have no portal."""
    portal = settings.portal
    if portal is None:
        raise OperatorError("the settings have no section `portal`")
    async with connect(portal.api_url, read_secret(portal.token_file), portal.api_ca_file) as client:
        app = make_app(portal, Api(client), read_keys(portal.session_key_file), sign_in_of(portal))
        await run_web(
            app,
            host=portal.host,
            port=portal.port,
            tls=portal.tls,
            trusted_proxies=portal.trusted_proxies,
            stopping=partial(live.close, app),
        )


def sign_in_of(portal: PortalSettings) -> Passwords | Provides:
    """How people prove who they are.  Raises OperatorError where a file or a library is missing."""
    match portal.auth:
        case LocalAuth():
            return LocalPasswords(portal.auth)
        case OidcAuth():
            return Provider(portal.auth, read_secret(portal.auth.client_secret_file), portal.public_url or "")
        case LdapAuth():
            return _ldap(portal.auth)


def _ldap(settings: LdapAuth) -> Passwords:
    from bwvisu.portal.signin.ldap import LdapPasswords  # noqa: PLC0415 an extra that not every site installs

    return LdapPasswords(settings, read_secret(settings.bind_password_file) if settings.bind_password_file else "")

"""The portal: where it serves, how people sign in, and what the site makes of its looks."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from bwvisu.settings.colours import COLOUR, readable_in_the_dark, readable_in_the_light
from bwvisu.settings.tls import ServerTlsSettings, TrustedProxies
from bwvisu.settings.types import Duration, Port, Section, Text, Url, matching

OnLight = Annotated[str, COLOUR, AfterValidator(readable_in_the_light)]
OnDark = Annotated[str, COLOUR, AfterValidator(readable_in_the_dark)]
Language = Literal["en", "de"]


class LocalUser(Section):
    """Somebody whom the settings themselves know."""

    name: Text
    """The name to sign in with."""
    password_hash: Annotated[str, matching(r"\$argon2id\$[^\s]+", "a line of `bwvisu portal hash-password`")]
    """What `bwvisu portal hash-password` prints; Argon2id."""
    groups: tuple[Text, ...] = ()
    """For `portal.admin_groups`."""


class LocalAuth(Section):
    """People of the settings: for a demo, or a handful of people."""

    kind: Literal["local"]
    """The people of this section."""
    users: tuple[LocalUser, ...] = ()
    """Who may sign in."""


def _asks_who(scopes: tuple[str, ...]) -> tuple[str, ...]:
    if "openid" not in scopes:
        raise ValueError("must contain openid: without it nobody is named")
    return scopes


class OidcAuth(Section):
    """OpenID Connect: the site's own sign-in page."""

    kind: Literal["oidc"]
    """The sign-in page of an OpenID Connect provider."""
    issuer: Url
    """Below it lies `.well-known/openid-configuration`."""
    client_id: Text
    """How the provider knows this portal."""
    client_secret_file: Path
    """File that holds the client's secret."""
    ca_file: Path | None = None
    """Who may sign the provider's certificate; none: the system's authorities."""
    scopes: Annotated[tuple[Text, ...], AfterValidator(_asks_who)] = ("openid", "profile", "email")
    """What is asked for."""
    user_claim: Text = "preferred_username"
    """The claim that names the person; with dots, one inside another."""
    groups_claim: Text = "groups"
    """The claim that lists groups, e.g. `realm_access.roles`."""
    title: Text = "Single sign-on"
    """What the button says."""


class LdapAuth(Section):
    """A directory: the password that people type is tried by a bind with their own entry."""

    kind: Literal["ldap"]
    """An LDAP directory."""
    url: Annotated[str, matching(r"ldaps?://[^/\s?#@]+", "an ldap:// or ldaps:// URL without a path")]
    """The server."""
    start_tls: bool = True
    """Begin TLS on an ldap:// connection before anything is said."""
    ca_file: Path | None = None
    """Who may sign its certificate; none: the system's authorities."""
    bind_dn: str = ""
    """Who searches for people; empty: anonymously."""
    bind_password_file: Path | None = None
    """File that holds its password."""
    base_dn: Text
    """Below it people are searched for."""
    user_attribute: Annotated[str, matching(r"[A-Za-z][A-Za-z0-9-]*", "the name of an attribute")] = "uid"
    """The attribute that people sign in with, which is their user name."""
    name_attribute: Annotated[str, matching(r"[A-Za-z][A-Za-z0-9-]*", "the name of an attribute")] = "cn"
    """The attribute that says how a person is called."""
    group_base_dn: str = ""
    """Below it groups are searched for (`groupOfNames`, `posixGroup`); empty: `memberOf` of the person counts."""
    timeout: Duration = 5
    """For each question; seconds."""


def _mapping_pattern(text: str) -> str:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    if "user" not in pattern.groupindex:
        raise ValueError("has no group (?P<user>...)")
    return text


class UserMapping(Section):
    """From the name of the sign-in to the user name of the clusters."""

    pattern: Annotated[str, AfterValidator(_mapping_pattern)] = r"(?P<user>[^@]+)"
    r"""A regular expression for the whole name; its group `user` ...  Where names have a realm, say which is yours:
    `(?P<user>[^@]+)@example\.org`; without it nobody tells your alice from another one's."""
    prefix: str = ""
    """... with this in front is the user name, in lower case."""


class SiteLink(Section):
    """A link at the foot of every page."""

    title: Text
    url: Url


class SiteSettings(Section):
    """What makes a portal the site's own."""

    name: Text = "bwVisu"
    """Beside the logo, and in every page's title."""
    logo_file: Path | None = None
    """An SVG picture, also in the browser's tabs and in notifications; none: bwVisu's own."""
    accent: OnLight | None = None
    """Colour of buttons and links, dark enough to be read on white; none: bwVisu's own."""
    accent_dark: OnDark | None = None
    """The same in the dark, light enough."""
    announcement: str = ""
    """A line on top of every page."""
    links: tuple[SiteLink, ...] = ()
    """At the foot of every page, e.g. imprint, privacy, help."""
    language: Language = "en"
    """For browsers that ask for none of ours."""


class PortalSettings(Section):
    """The web pages: `bwvisu serve portal`."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 4280
    """Port to listen on."""
    tls: ServerTlsSettings | None = None
    """Serve HTTPS; none: HTTP, with TLS in front."""
    trusted_proxies: TrustedProxies = ()
    """Whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""
    public_url: Url | None = None
    """As browsers reach it; needed for sign-in by OpenID Connect.  With https:// cookies are sent over TLS only."""
    api_url: Url = "http://127.0.0.1:4242"
    """The REST API."""
    api_ca_file: Path | None = None
    """Who may sign its certificate; none: the system's authorities."""
    token_file: Path
    """File that holds a token with the scopes `jobs:read`, `jobs:write`, `jobs:connect`, `clusters:read` and
    `impersonate`; with `admin`, too, administrators have their pages."""
    session_key_file: Path
    """File that holds keys of `bwvisu portal create-key`, one a line: the first encrypts, all decrypt."""
    session_lifetime: Duration = 8 * 3600
    """Who does nothing for so long must sign in again."""
    session_limit: Duration = 86400
    """Who signed in so long ago must sign in again in any case: then groups and accounts are looked at anew."""
    auth: Annotated[LocalAuth | OidcAuth | LdapAuth, Field(discriminator="kind")]
    """How people sign in."""
    users: UserMapping = UserMapping()
    """From the name of the sign-in to the user name of the clusters."""
    admin_groups: tuple[Text, ...] = ()
    """Whoever is in one of these groups sees the administrators' pages."""
    site: SiteSettings = SiteSettings()
    """What makes it the site's own."""

    @model_validator(mode="after")
    def _providers_know_the_way_back(self) -> Self:
        if self.auth.kind == "oidc" and self.public_url is None:
            raise ValueError("sign-in by OpenID Connect needs public_url: the provider sends people back there")
        return self

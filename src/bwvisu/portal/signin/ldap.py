"""People of a directory: a search finds the entry, and a bind with the typed password proves it.

The library blocks, so it works in threads of its own.
"""

import asyncio
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from bwvisu.errors import OperatorError, TryAgain
from bwvisu.portal.signin import Claim
from bwvisu.portal.texts import _
from bwvisu.settings import LdapAuth

try:
    import ldap
    from ldap.filter import filter_format
except ImportError as missing:
    raise OperatorError("sign-in by LDAP needs one library more: pip install 'bwvisu[ldap]'") from missing

log = structlog.get_logger(__name__)
AT_ONCE = 16
"""Sign-ins; further ones wait.  Threads of our own: a directory that hangs must not hold those of anybody else."""
STEPS = 4
"""Questions of one sign-in, each with the deadline of the settings: two binds, two searches."""
LONGEST = 1000
"""Characters of a name or a password."""
GROUP_FILTER = (
    "(|(&(objectClass=groupOfNames)(member=%s))(&(objectClass=groupOfUniqueNames)(uniqueMember=%s))"
    "(&(objectClass=posixGroup)(memberUid=%s)))"
)
AWAY = _("The directory does not answer at the moment. Please try again.")
_KEEPALIVE = {"IDLE": 10, "INTERVAL": 5, "PROBES": 3}
"""A TLS handshake has no deadline in OpenLDAP's library; so a host that is gone is noticed after 25 s, at least."""
_AWAY = (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT, ldap.TIMELIMIT_EXCEEDED, ldap.BUSY, ldap.UNAVAILABLE)
_WRONG = (
    ldap.INVALID_CREDENTIALS,
    ldap.INAPPROPRIATE_AUTH,
    ldap.INSUFFICIENT_ACCESS,
    ldap.CONSTRAINT_VIOLATION,
    ldap.UNWILLING_TO_PERFORM,
    ldap.NO_SUCH_OBJECT,
)
"""What directories answer to a wrong password, and for accounts that are locked or have none."""


@dataclass(frozen=True, slots=True)
class _Entry:
    dn: str
    attributes: Mapping[str, list[bytes]]

    def values(self, attribute: str) -> list[str]:
        """Those that are text; a server may spell the attribute's name in other capitals than the settings."""
        for name, values in self.attributes.items():
            if name.casefold() == attribute.casefold():
                return [text for value in values if (text := value.decode(errors="ignore").strip())]
        return []


class LdapPasswords:
    """Passwords by a bind."""

    def __init__(self, settings: LdapAuth, bind_password: str) -> None:
        self._settings = settings
        self._bind_password = bind_password
        self._threads = ThreadPoolExecutor(AT_ONCE, "ldap")

    async def check(self, name: str, password: str) -> Claim | None:
        """See `Passwords`."""
        if not _possible(name) or not _possible(password):
            return None
        checked = asyncio.get_running_loop().run_in_executor(self._threads, self._check, name, password)
        try:
            return await asyncio.wait_for(checked, STEPS * self._settings.timeout)
        except TimeoutError as error:
            raise TryAgain(AWAY) from error

    def _check(self, name: str, password: str) -> Claim | None:
        settings = self._settings
        with _told(), self._connection() as directory:
            directory.simple_bind_s(settings.bind_dn, self._bind_password)
            entry = self._find(directory, name)
            uid = _spelling(entry.values(settings.user_attribute), name) if entry else None
            if entry is None or uid is None:
                return None
            groups = self._groups(directory, entry, uid)
        if not self._proven(entry.dn, password):
            return None
        return Claim(uid, next(iter(entry.values(settings.name_attribute)), uid), groups)

    def _find(self, directory: Any, name: str) -> _Entry | None:
        settings = self._settings
        wanted = filter_format(f"({settings.user_attribute}=%s)", [name])
        attributes = [settings.user_attribute, settings.name_attribute, "memberOf"]
        entries = self._search(directory, settings.base_dn, wanted, attributes)
        if len(entries) > 1:
            log.warning("several people of the directory have this name: nobody may sign in with it", name=name)
        return entries[0] if len(entries) == 1 else None

    def _groups(self, directory: Any, entry: _Entry, uid: str) -> tuple[str, ...]:
        """What the entry itself is a ``memberOf``; or the groups that are found, by DN and by plain name."""
        base = self._settings.group_base_dn
        if not base:
            return tuple(entry.values("memberOf"))
        found = self._search(directory, base, filter_format(GROUP_FILTER, [entry.dn, entry.dn, uid]), ["cn"])
        return tuple(name for group in found for name in (group.dn, *group.values("cn")))

    def _search(self, directory: Any, base: str, wanted: str, attributes: list[str]) -> list[_Entry]:
        try:
            rows = directory.search_st(base, ldap.SCOPE_SUBTREE, wanted, attributes, timeout=self._settings.timeout)
        except ldap.NO_SUCH_OBJECT as error:
            raise OperatorError(f"the directory has no {base!r}, or does not show it") from error
        return [_Entry(dn, values) for dn, values in rows if dn is not None]  # without one: a hint at another server

    def _proven(self, dn: str, password: str) -> bool:
        with _told(), self._connection() as directory:
            try:
                directory.simple_bind_s(dn, password)
            except _WRONG:
                return False
            return True

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        """Opened with the first question, or to begin TLS; nothing is said before TLS stands."""
        settings = self._settings
        directory = ldap.initialize(settings.url)
        try:
            directory.set_option(ldap.OPT_PROTOCOL_VERSION, ldap.VERSION3)
            directory.set_option(ldap.OPT_REFERRALS, 0)  # a password goes to the server of the settings only
            directory.set_option(ldap.OPT_NETWORK_TIMEOUT, settings.timeout)
            directory.set_option(ldap.OPT_TIMEOUT, settings.timeout)
            for name, number in _KEEPALIVE.items():
                directory.set_option(getattr(ldap, f"OPT_X_KEEPALIVE_{name}"), number)
            _trust(directory, settings)
            if settings.start_tls and not settings.url.startswith("ldaps:"):
                directory.start_tls_s()
            yield directory
        finally:
            directory.unbind_ext_s()


def _trust(directory: Any, settings: LdapAuth) -> None:
    directory.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    if settings.ca_file:
        directory.set_option(ldap.OPT_X_TLS_CACERTFILE, str(settings.ca_file))
    try:
        directory.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    except ValueError as error:
        raise OperatorError(f"the directory's authorities cannot be read: {settings.ca_file}") from error


def _possible(text: str) -> bool:
    """Never an empty one: a bind without a password succeeds, as nobody (RFC 4513, 5.1.2)."""
    return 0 < len(text) <= LONGEST and "\0" not in text


def _spelling(names: list[str], typed: str) -> str | None:
    """The user name as the directory spells it.

    Only capitals may differ: directories find people by other spellings, too (ａ for a), and each of these would have
    tries of its own before guessing becomes slow.
    """
    return next((name for name in names if name.casefold() == typed.casefold()), None)


@contextmanager
def _told() -> Iterator[None]:
    """What the library raises, as errors of our tree."""
    try:
        yield
    except _AWAY as error:
        log.warning("the directory cannot be reached", error=_words(error))
        raise TryAgain(AWAY) from error
    except ldap.LDAPError as error:
        raise OperatorError(f"the directory refuses the portal: {_words(error)}") from error


def _words(error: Exception) -> str:
    """What the server or the library says; it holds no password."""
    told = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    return ": ".join(str(told[key]) for key in ("desc", "info") if told.get(key)) or type(error).__name__

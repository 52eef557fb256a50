"""Which kind of sign-in the role makes of its settings, and what it says when it cannot."""

import sys
from pathlib import Path
from typing import Any

import pytest

from bwvisu.errors import OperatorError
from bwvisu.portal.signin.ldap import LdapPasswords
from bwvisu.portal.signin.local import LocalPasswords
from bwvisu.portal.signin.oidc import Provider
from bwvisu.roles.portal import sign_in_of
from bwvisu.settings import PortalSettings

OIDC = {"kind": "oidc", "issuer": "https://login.example.org", "client_id": "c"}
LDAP = {"kind": "ldap", "url": "ldaps://ldap.example.org", "base_dn": "dc=example"}


def settings(auth: dict[str, Any]) -> PortalSettings:
    plain = {"token_file": "/t", "session_key_file": "/k", "public_url": "https://p.example", "auth": auth}
    return PortalSettings.model_validate(plain)


def test_every_kind(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s\n")
    assert isinstance(sign_in_of(settings({"kind": "local"})), LocalPasswords)
    assert isinstance(sign_in_of(settings({**OIDC, "client_secret_file": str(secret)})), Provider)
    assert isinstance(sign_in_of(settings({**LDAP, "bind_password_file": str(secret)})), LdapPasswords)
    assert isinstance(sign_in_of(settings(LDAP)), LdapPasswords)


@pytest.mark.parametrize(
    "auth",
    [{**OIDC, "client_secret_file": "/nowhere/s"}, {**LDAP, "bind_password_file": "/nowhere/s"}],
    ids=["oidc", "ldap"],
)
def test_a_secret_that_cannot_be_read(auth: dict[str, Any]) -> None:
    with pytest.raises(OperatorError, match="/nowhere/s cannot be read"):
        sign_in_of(settings(auth))


def test_an_authority_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s\n")
    auth = {**OIDC, "client_secret_file": str(tmp_path / "secret"), "ca_file": "/nowhere/ca"}
    with pytest.raises(OperatorError, match="authorities cannot be read: /nowhere/ca"):
        sign_in_of(settings(auth))


def test_without_the_library_for_ldap_the_line_that_helps_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bwvisu.portal.signin.ldap")
    monkeypatch.setitem(sys.modules, "ldap", None)
    with pytest.raises(OperatorError, match=r"pip install 'bwvisu\[ldap\]'"):
        sign_in_of(settings(LDAP))

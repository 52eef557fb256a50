"""A real slapd: how people and groups are found, what protects the password, and what is said when it does not work."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bwvisu.errors import OperatorError, TryAgain
from bwvisu.portal.signin.ldap import LdapPasswords
from tests.support.etcd import make_certificates
from tests.support.slapd import GROUPS, PEOPLE, READER_PASSWORD, Slapd, new_slapd
from tests.support.waiting import eventually, free_port

ADMINS = f"cn=admins,{GROUPS}"


@pytest.fixture(scope="module")
def filled() -> Iterator[Slapd]:
    with new_slapd() as server:
        alice = server.person("alice", "secret", cn="Alice of Example", groups=(ADMINS,))
        server.person("twin", "one", cn="One", ou="one")
        server.person("twin", "two", cn="Two", ou="two")
        odd = server.person("odd", "secret", cn="Odd\\, (the *) \\\\ one")
        server.group("admins", member=alice)
        server.group("odd-ones", member=odd)
        server.group("viewers", uid="alice")
        server.load()
        server.start()
        yield server


@pytest.fixture
def slapd(filled: Slapd) -> Iterator[Slapd]:
    """Running, whatever a test has done to it."""
    yield filled
    filled.stop()
    filled.start()


def passwords(slapd: Slapd, password: str = READER_PASSWORD, **changes: object) -> LdapPasswords:
    return LdapPasswords(slapd.settings(**changes), password)


@pytest.mark.parametrize("way", ["starttls", "ldaps"])
async def test_both_ways_of_tls(filled: Slapd, way: str) -> None:
    url = f"ldaps://127.0.0.1:{filled.tls_port}" if way == "ldaps" else f"ldap://127.0.0.1:{filled.port}"
    claim = await passwords(filled, url=url).check("alice", "secret")
    assert claim is not None
    assert claim.title == "Alice of Example"


async def test_groups_are_those_of_the_entry(filled: Slapd) -> None:
    claim = await passwords(filled).check("alice", "secret")
    assert claim is not None
    assert claim.groups == (ADMINS,)


async def test_groups_are_found_by_name_and_by_entry(filled: Slapd) -> None:
    claim = await passwords(filled, group_base_dn=GROUPS).check("alice", "secret")
    assert claim is not None
    assert set(claim.groups) == {ADMINS, "admins", f"cn=viewers,{GROUPS}", "viewers"}


async def test_other_capitals_are_the_same_person_under_the_directorys_name(filled: Slapd) -> None:
    claim = await passwords(filled).check("ALICE", "secret")
    assert claim is not None
    assert claim.name == "alice"


async def test_an_entry_whose_name_is_full_of_signs(filled: Slapd) -> None:
    claim = await passwords(filled, group_base_dn=GROUPS).check("odd", "secret")
    assert claim is not None
    assert "odd-ones" in claim.groups


@pytest.mark.parametrize("password", ["one", "two"])
async def test_a_name_of_two_people_is_nobodys(filled: Slapd, password: str) -> None:
    assert await passwords(filled).check("twin", password) is None
    assert await passwords(filled, base_dn=f"ou=one,{PEOPLE}").check("twin", "one") is not None


async def test_an_empty_password_is_refused_though_this_server_would_bind(filled: Slapd) -> None:
    assert await passwords(filled).check("alice", "") is None


async def test_a_server_that_nobody_trusts_learns_no_password(filled: Slapd, tmp_path: Path) -> None:
    make_certificates(tmp_path)
    for ca in (tmp_path / "ca.pem", None):
        with pytest.raises(TryAgain):
            await passwords(filled, ca_file=ca).check("alice", "secret")


async def test_without_tls_this_server_refuses_and_says_why(filled: Slapd) -> None:
    with pytest.raises(OperatorError, match="Confidentiality required"):
        await passwords(filled, start_tls=False).check("alice", "secret")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "wrong"}, "Invalid credentials"),
        ({"bind_dn": "nonsense"}, "Invalid DN"),
        ({"base_dn": "ou=none,dc=example,dc=org"}, "has no 'ou=none"),
        ({"bind_dn": "", "password": ""}, "does not show it"),
        ({"ca_file": "/nonexistent"}, "/nonexistent"),
        ({"group_base_dn": "ou=none,dc=example,dc=org"}, "has no 'ou=none"),
    ],
)
async def test_what_an_administrator_must_mend(filled: Slapd, changes: dict[str, str], words: str) -> None:
    with pytest.raises(OperatorError, match=words):
        await passwords(filled, **changes).check("alice", "secret")


async def test_a_server_that_is_away_is_tried_again_later(slapd: Slapd) -> None:
    checked = passwords(slapd)
    slapd.stop()
    with pytest.raises(TryAgain):
        await checked.check("alice", "secret")
    slapd.start()
    assert await checked.check("alice", "secret") is not None


@pytest.mark.parametrize("way", ["starttls", "ldaps"])
async def test_a_server_that_hangs_holds_up_nobody_else(slapd: Slapd, way: str) -> None:
    url = f"ldaps://127.0.0.1:{slapd.tls_port}" if way == "ldaps" else f"ldap://127.0.0.1:{slapd.port}"
    checked = passwords(slapd, url=url, timeout=0.2)
    slapd.freeze()
    began = time.monotonic()
    asked = asyncio.create_task(checked.check("alice", "secret"))
    turns = 0

    def turned() -> bool:
        nonlocal turns
        turns += 1
        return asked.done()

    await eventually(turned, 10)
    with pytest.raises(TryAgain):
        await asked
    assert time.monotonic() - began < 5
    assert turns > 5, "the event loop stood still"
    slapd.thaw()


async def test_an_address_where_nobody_listens(slapd: Slapd) -> None:
    with pytest.raises(TryAgain):
        await passwords(slapd, url=f"ldap://127.0.0.1:{free_port()}").check("alice", "secret")

"""What every kind of sign-in by a password promises, on people of the settings and on those of a real directory."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bwvisu.portal.signin import Claim, Passwords
from bwvisu.portal.signin.ldap import LdapPasswords
from bwvisu.portal.signin.local import LocalPasswords, hash_password
from bwvisu.settings import LocalAuth
from tests.support.slapd import GROUPS, READER_PASSWORD, Slapd, new_slapd

PEOPLE = {"alice": "pa ss:wörd", "bob": "b" * 200}


@dataclass(frozen=True)
class Kind:
    """One kind of sign-in that knows `PEOPLE`, and the group of the first."""

    passwords: Passwords
    group: str


@pytest.fixture(scope="module")
def slapd() -> Iterator[Slapd]:
    with new_slapd() as server:
        dns = {name: server.person(name, word, groups=(f"cn=admins,{GROUPS}",)) for name, word in PEOPLE.items()}
        server.group("admins", member=dns["alice"])
        server.load()
        server.start()
        yield server


@pytest.fixture(scope="module")
def local() -> LocalPasswords:
    users = [
        {"name": name, "password_hash": hash_password(word), "groups": ["admins"] if name == "alice" else []}
        for name, word in PEOPLE.items()
    ]
    return LocalPasswords(LocalAuth.model_validate({"kind": "local", "users": users}))


@pytest.fixture(params=["local", "ldap"])
def kind(request: pytest.FixtureRequest, local: LocalPasswords, slapd: Slapd) -> Kind:
    if request.param == "local":
        return Kind(local, "admins")
    return Kind(LdapPasswords(slapd.settings(group_base_dn=GROUPS), READER_PASSWORD), "admins")


@pytest.mark.parametrize("name", PEOPLE)
async def test_who_knows_the_password_is_who_they_say(kind: Kind, name: str) -> None:
    claim = await kind.passwords.check(name, PEOPLE[name])
    assert claim is not None
    assert (claim.name, claim.title) == (name, name)
    assert (kind.group in claim.groups) is (name == "alice")


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice", ""),
        ("alice", "\0"),
        ("alice", PEOPLE["bob"]),
        ("alice", PEOPLE["alice"] + " "),
        ("alice", PEOPLE["alice"].upper()),
        ("alice", "x" * 100_000),
        ("nobody", PEOPLE["alice"]),
        ("nobody", ""),
        ("", ""),
        ("", PEOPLE["alice"]),
        ("*", PEOPLE["alice"]),
        ("al*", PEOPLE["alice"]),
        ("alice)(uid=*", PEOPLE["alice"]),
        ("*)(|(uid=alice", PEOPLE["alice"]),
        ("alice\0", PEOPLE["alice"]),
        ("cn=alice,ou=people,dc=example,dc=org", PEOPLE["alice"]),
        ("\\", "\\"),
        ("ä" * 5000, "ö"),
    ],
)
async def test_nobody_else_is(kind: Kind, name: str, password: str) -> None:
    assert await kind.passwords.check(name, password) is None


async def test_a_claim_is_spelled_as_it_is_known(kind: Kind) -> None:
    """``ALICE`` is nobody, or alice; never somebody of that name."""
    assert await kind.passwords.check("ALICE", PEOPLE["alice"]) in {None, *await claims(kind, "alice")}


async def claims(kind: Kind, name: str) -> list[Claim | None]:
    return [await kind.passwords.check(name, PEOPLE[name])]

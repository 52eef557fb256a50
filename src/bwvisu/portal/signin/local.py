"""People of the settings."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from bwvisu.portal.signin import Claim
from bwvisu.settings import LocalAuth

_HASHER = PasswordHasher()


def hash_password(password: str) -> str:
    """What stands in the settings."""
    return _HASHER.hash(password)


class LocalPasswords:
    """Passwords by their Argon2id hashes; a name that nobody has takes as long as a wrong password."""

    def __init__(self, settings: LocalAuth) -> None:
        self._users = {user.name: user for user in settings.users}
        self._nobody = hash_password("nobody")

    async def check(self, name: str, password: str) -> Claim | None:
        """See `Passwords`."""
        user = self._users.get(name)
        known = await asyncio.to_thread(_verified, user.password_hash if user else self._nobody, password)
        return Claim(user.name, user.name, user.groups) if user and known else None


def _verified(known: str, password: str) -> bool:
    try:
        return _HASHER.verify(known, password)
    except (Argon2Error, InvalidHashError):
        return False

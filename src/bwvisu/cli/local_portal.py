"""The portal's part of a service on this machine: people of the sandbox, each with a password of their own."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from bwvisu.portal.signin.local import hash_password

SCOPES = ("jobs:read", "jobs:write", "jobs:connect", "clusters:read", "impersonate", "admin")
ADMINISTRATOR = "carol"
"""Whoever of the sandbox's people is in the group of administrators."""


def portal_settings(folder: Path, port: int, api_url: str, passwords: Mapping[str, str]) -> dict[str, Any]:
    """Settings for people who sign in with these passwords; keys and token are written into ``folder``."""
    write_secret(folder / "session.key", Fernet.generate_key().decode())
    users = [
        {
            "name": name,
            "password_hash": hash_password(password),
            "groups": ["administrators"] if name == ADMINISTRATOR else [],
        }
        for name, password in passwords.items()
    ]
    return {
        "host": "127.0.0.1",
        "port": port,
        "public_url": f"http://127.0.0.1:{port}",
        "api_url": api_url,
        "token_file": str(folder / "portal.token"),
        "session_key_file": str(folder / "session.key"),
        "auth": {"kind": "local", "users": users},
        "admin_groups": ["administrators"],
    }


def portal_token(folder: Path) -> dict[str, Any]:
    """The portal's token, for `api.tokens`; it is written into ``folder``."""
    token = secrets.token_urlsafe(32)
    write_secret(folder / "portal.token", token)
    return {"name": "portal", "sha256": hashlib.sha256(token.encode()).hexdigest(), "scopes": list(SCOPES)}


def draw_passwords(names: Sequence[str]) -> dict[str, str]:
    """Short enough to be typed from a screen."""
    return {name: secrets.token_hex(4) for name in names}


def write_secret(path: Path, text: str) -> None:
    """A file that nobody else can read."""
    path.touch(mode=0o600)
    path.write_text(text + "\n")

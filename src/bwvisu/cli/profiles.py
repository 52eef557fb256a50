"""Where the API is and who asks: from options, the environment and ``~/.config/bwvisu/config.toml``.

Each value comes from the first of these that has it: an option; the profile that ``--profile`` names; the environment;
the profile that ``$BWVISU_PROFILE`` or the file's ``default`` names; what is built in.  A profile's token is sent to
the profile's own address and to no other.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bwvisu.cli.exits import NotSignedIn
from bwvisu.errors import UserError

DEFAULT_URL = "http://127.0.0.1:4242"
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"


class Profile(BaseModel):
    """One service and one identity.  Paths are relative to the file's folder; ``~`` is the home directory."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str | None = None
    token: str | None = Field(default=None, repr=False)
    token_file: Path | None = None
    ca_file: Path | None = None
    user: str | None = None


class ProfileFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    default: str | None = None
    profiles: Mapping[str, Profile] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Connection:
    """All that a call needs; ``user``: for whom jobs are started, None: not said."""

    url: str
    token: str = field(repr=False)
    ca_file: Path | None = None
    user: str | None = None


def folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where profiles and tokens are kept (XDG Base Directory Specification)."""
    base = environment.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "bwvisu"


def path_of(environment: Mapping[str, str] = os.environ) -> Path:
    """The profile file."""
    return folder(environment) / "config.toml"


def read(path: Path) -> ProfileFile:
    """The profile file; an empty one where there is none.

    Raises `UserError` for what it does not understand, and where others may read a token in it.
    """
    try:
        parsed = ProfileFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return ProfileFile()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        raise UserError("\n".join(f"{path}: {_fault(each)}" for each in error.errors(include_input=False))) from error
    if any(profile.token for profile in parsed.profiles.values()):
        _refuse_if_open(path)
    return parsed


def connection(
    *,
    profile: str | None = None,
    url: str | None = None,
    token_file: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Connection:
    """What these options come to.  Raises UserError, NotSignedIn."""
    file = read(path_of(environment))
    by_default = environment.get("BWVISU_PROFILE") or file.default
    layers = (
        Profile(url=url, token_file=token_file),
        _named(file, profile, environment),
        Profile(
            url=environment.get("BWVISU_URL") or None,
            ca_file=_path(environment.get("BWVISU_CA_FILE")),
            user=environment.get("BWVISU_USER") or None,
        ),
        Profile(token=environment.get("BWVISU_TOKEN", "").strip() or None),
        Profile(token_file=_path(environment.get("BWVISU_TOKEN_FILE"))),
        _named(file, None if profile else by_default, environment),
    )
    address = next((layer.url for layer in layers if layer.url), DEFAULT_URL).rstrip("/")
    ca_file = next((layer.ca_file for layer in layers if layer.ca_file), None)
    user = next((layer.user for layer in layers if layer.user), None)
    return Connection(address, _token(layers, address, environment), ca_file, user)


def _named(file: ProfileFile, name: str | None, environment: Mapping[str, str]) -> Profile:
    """A profile, its paths made whole; an empty one where none is named."""
    if name is None:
        return Profile()
    if name not in file.profiles:
        known = ", ".join(file.profiles) or "none"
        raise UserError(f"{path_of(environment)} has no profile {name!r}; there are: {known}")
    found = file.profiles[name]
    paths = {key: folder(environment) / path.expanduser() for key, path in _paths(found).items()}
    return found.model_copy(update=paths)


def _paths(profile: Profile) -> dict[str, Path]:
    return {key: path for key in ("token_file", "ca_file") if (path := getattr(profile, key)) is not None}


def _token(layers: Sequence[Profile], address: str, environment: Mapping[str, str]) -> str:
    """The first token that may go to this address; never an argument of a process, which others can see."""
    for layer in layers:
        if layer.url and layer.url.rstrip("/") != address:
            continue
        if layer.token:
            return checked(layer.token.strip(), "BWVISU_TOKEN or the profile")
        if layer.token_file:
            return token_in(layer.token_file)
    kept = folder(environment) / "token"
    if kept.exists():
        return token_in(kept)
    raise NotSignedIn(f"no token for {address}: see `bwvisu profile add --help`, or set BWVISU_TOKEN")


def token_in(path: Path) -> str:
    """The token in a file that is nobody else's to read.  Raises `UserError`, `NotSignedIn`."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotSignedIn(f"no token: {path} cannot be read: {error}") from error
    _refuse_if_open(path)
    return checked(text, str(path))


def checked(token: str, source: str) -> str:
    """A token, which can stand in a header.  Raises `NotSignedIn`."""
    if not re.fullmatch(r"[!-~]+", token):
        raise NotSignedIn(f"{source} holds no token")
    return token


def _refuse_if_open(path: Path) -> None:
    """Only of one's own files: what an administrator or a container lays out is theirs to judge."""
    status = path.stat()
    if status.st_uid == os.getuid() and status.st_mode & 0o077:
        raise UserError(f"{path} holds a token and others may read it: chmod go= {path}")


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None


def _fault(error: Mapping[str, Any] | Any) -> str:
    where = ".".join(str(step) for step in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{where}: {error['msg']}"
    known = ProfileFile.model_fields if len(error["loc"]) == 1 else Profile.model_fields
    near = difflib.get_close_matches(str(error["loc"][-1]), known, n=1)
    return f"{where}: unknown key; " + (f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}")

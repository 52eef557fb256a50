"""Puts the keyhole's client into a batch script.  Pure but for reading its files from the package.

`prologue` stands before the first command of a script; one without ``#KEYHOLE-REQUEST-PORTS N`` asks for none, and
only reports how it ends.  The attempt's key is in the script's text only: never in an argument or the environment.
"""

import json
from dataclasses import asdict, dataclass, field
from functools import cache
from hashlib import sha256
from importlib.resources import files

_IMPORTS = {
    "from keyhole.listeners import Listener, any_address, listeners\n": "listeners",
    "from keyhole.running import end, ended, start, tail\n": "running",
}
_PLACEHOLDER = "CONFIG: Dict[str, Any] = {}  # replaced by keyhole.embedding\n"


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """What one attempt's client must know; its fields are the keys of the client's ``CONFIG``."""

    job_id: str
    attempt: int
    key: str = field(repr=False)
    """See `keyhole.auth.attempt_key`."""
    urls: tuple[str, ...]
    """Base addresses of the keyhole, without ``/keyhole/v1``; tried in turn."""
    ports: int
    ca_pem: str | None = None
    """Certificates to trust instead of the node's own."""
    deadline: float = 300.0
    """Seconds after which the job gives up."""
    start_timeout: float = 300.0
    """Seconds after which the log of an application that does not listen is reported."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Texts that no report may hold."""


def embed(config: ClientConfig) -> str:
    """The client's whole text, in ASCII, with its configuration; any text in it stays data."""
    text = _text("client")
    for statement, name in _IMPORTS.items():
        head, body = text.split(statement)
        text = f"{head}{_text(name)}{body}"
    before, after = text.split(_PLACEHOLDER)
    return f"{before}CONFIG = json.loads({json.dumps(asdict(config))!r})\n{after}"


def prologue(config: ClientConfig) -> str:
    """Shell text (POSIX), to stand before a script's first command.

    Its first start becomes the client, which obtains the ports and starts the script anew with ``KEYHOLE_*`` in its
    environment; or ends it with the client's exit code and a reason.  A script that asks for no port does not need the
    client: where there is no Python it runs as it is, and nobody reports its end.
    """
    text = embed(config)
    client = _CLIENT.format(text=text, end=_delimiter(text))
    return (_ASKING if config.ports else _WITNESSED).format(ports=config.ports, first=_FIRST, client=client)


@cache
def _text(name: str) -> str:
    return files("keyhole").joinpath(f"{name}.py").read_text("ascii")


def _delimiter(text: str) -> str:
    """A word that is not in the text, and that the same text always gets."""
    word = f"KEYHOLE_{sha256(text.encode()).hexdigest()[:16]}"
    while word in text:
        word += "_"
    return word


_FIRST = '[ "${BWVISU_RUN:-}" != "${SLURM_JOB_ID:-}.${SLURM_RESTART_COUNT:-0}" ]'
_CLIENT = """\
exec python3 -I - "$0" "$@" <<'{end}'
{text}
{end}"""
_ASKING = """\
# bwVisu asks its keyhole for {ports} port(s), then runs this script anew, with KEYHOLE_PORT<I>, KEYHOLE_GATEWAY<I>,
# KEYHOLE_EXTERNAL_PORT<I> and KEYHOLE_ADDRESS in its environment, and reports how it ends.
if {first}; then
command -v python3 >/dev/null || {{
    echo "bwVisu: this job got no ports and ends: there is no python3 on this node (exit code 127)" >&2
    exit 127
}}
{client}
fi
unset BWVISU_RUN
"""
_WITNESSED = """\
# bwVisu runs this script anew, below a program that reports how it ends.
if {first} && command -v python3 >/dev/null; then
{client}
fi
unset BWVISU_RUN
"""

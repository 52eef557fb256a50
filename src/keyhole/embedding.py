"""Puts the keyhole's client into a batch script.  Pure but for reading its two files from the package.

`prologue` is what ``#KEYHOLE-REQUEST-PORTS N`` becomes.  The attempt's key is in the script's text only: never in
an argument, never in the environment.
"""

import json
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from importlib.resources import files

from keyhole.client import EXIT_CONFIG, EXIT_NO_ANSWER, EXIT_REFUSED

_IMPORT = "from keyhole.listeners import Listener, listeners\n"
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


def embed(config: ClientConfig) -> str:
    """The client's whole text, in ASCII, with its configuration; any text in it stays data."""
    client, listeners = (files("keyhole").joinpath(name).read_text("ascii") for name in ("client.py", "listeners.py"))
    head, body = client.split(_IMPORT)
    before, after = f"{head}{listeners}{body}".split(_PLACEHOLDER)
    return f"{before}CONFIG = json.loads({json.dumps(asdict(config))!r})\n{after}"


def prologue(config: ClientConfig) -> str:
    """Shell text (POSIX) that sets ``KEYHOLE_*``, or ends the script with the client's exit code and a reason.

    It forgets ``SLURM_EXPORT_ENV``: sbatch's ``--export=NONE`` leaves it behind, and srun would obey it and keep the
    variables from its tasks (srun(1), ``--export``).
    """
    text = embed(config)
    return _PROLOGUE.format(
        ports=config.ports,
        text=text,
        end=_delimiter(text),
        no_answer=EXIT_NO_ANSWER,
        refused=EXIT_REFUSED,
        config=EXIT_CONFIG,
    )


def _delimiter(text: str) -> str:
    """A word that is not in the text, and that the same text always gets."""
    word = f"KEYHOLE_{sha256(text.encode()).hexdigest()[:16]}"
    while word in text:
        word += "_"
    return word


_PROLOGUE = """\
# Ask bwVisu's keyhole for {ports} port(s): sets KEYHOLE_PORT<I>, KEYHOLE_GATEWAY<I>, KEYHOLE_EXTERNAL_PORT<I>.
bwvisu_keyhole=$(command python3 -I - "$$" <<'{end}'
{text}
{end}
) || {{
    bwvisu_keyhole=$?
    case $bwvisu_keyhole in
        {no_answer}) bwvisu_reason='the keyhole did not answer in time' ;;
        {refused}) bwvisu_reason='the keyhole refused' ;;
        {config}) bwvisu_reason='the keyhole client cannot run here' ;;
        127) bwvisu_reason='there is no python3 on this node' ;;
        *) bwvisu_reason='the keyhole client failed' ;;
    esac
    echo "bwVisu: this job got no ports and ends: $bwvisu_reason (exit code $bwvisu_keyhole)" >&2
    exit "$bwvisu_keyhole"
}}
eval "$bwvisu_keyhole"
unset bwvisu_keyhole SLURM_EXPORT_ENV
"""

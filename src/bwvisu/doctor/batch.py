"""The test job: its batch script, and how its words are read.  Pure but for reading the witness from the package."""

import base64
import binascii
import json
import re
import secrets
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from typing import Any

NAME_PREFIX = "doctor-bwvisu"
"""Begins the names of test jobs; those of an installation begin otherwise, so that it takes none for its own."""
MARK = "doctor1."
"""Begins the comment by which a test job tells what it saw."""
NO_PYTHON = "no-python"
LIFETIME = 240
"""Seconds after which a test job ends by itself, whatever has become of its doctor."""
_PLACEHOLDER = "CONFIG: Dict[str, Any] = {}  # replaced by bwvisu.doctor.batch\n"
_COMMENT = re.compile(rf"\bComment={re.escape(MARK)}([A-Za-z0-9_=-]+)")
_SCRIPT = """\
#!/bin/sh
# A test job of `bwvisu doctor`: it runs for a moment, leaves nothing behind, and may be cancelled.
log=$PWD/{log}
[ -f "$log" ] && here=yes || here=no
rm -f -- "$log"
command -v python3 >/dev/null || {{
    scontrol update "JobId=$SLURM_JOB_ID" "Comment={mark}{no_python}"
    sleep 20
    exit 0
}}
exec python3 -I - "$here" <<'BWVISU_DOCTOR'
{text}
BWVISU_DOCTOR
"""
LOG = "bwvisu-doctor-%j.out"


@dataclass(frozen=True, slots=True)
class Config:
    """What a test job must know; the keys of the witness's ``CONFIG``."""

    home: str
    urls: tuple[str, ...]
    """Addresses of the keyhole."""
    ca_pem: str | None
    range: tuple[int, int]
    """Ports on which applications listen."""
    greeting: str = field(default_factory=lambda: f"bwvisu-doctor {secrets.token_hex(8)}")
    """What whoever connects is told: that it is this very job."""
    mark: str = MARK
    seconds: int = LIFETIME


@dataclass(frozen=True, slots=True)
class Seen:
    """What a test job told of its node."""

    node: str
    python: str
    """Empty: there is none."""
    clock: int = 0
    home: bool = True
    log: bool = True
    span: tuple[int, int] = (0, 0)
    """Ports that the kernel gives to outgoing connections."""
    kept: str = ""
    """Ports that it does not give, as ``ip_local_reserved_ports`` spells them."""
    port: int = 0
    keyhole: tuple[str, ...] = ()
    """For each address, why it could not be reached; empty: it answers."""


def script(config: Config) -> bytes:
    """The batch script."""
    text = files("bwvisu.doctor").joinpath("witness.py").read_text("ascii")
    before, after = text.split(_PLACEHOLDER)
    whole = f"{before}CONFIG = json.loads({json.dumps(asdict(config))!r})\n{after}"
    log = LOG.replace("%j", "$SLURM_JOB_ID")
    return _SCRIPT.format(log=log, mark=MARK, no_python=NO_PYTHON, text=whole).encode("ascii")


def read(record: str, urls: int) -> Seen | None:
    """From the job's record, as scontrol shows it; None: nothing was told yet.  Raises ValueError for nonsense."""
    comment = _COMMENT.search(record)
    if comment is None:
        return None
    node = re.search(r"\bBatchHost=(\S+)", record)
    where = node[1] if node else ""
    if comment[1] == NO_PYTHON:
        return Seen(where, "")
    try:
        told = json.loads(base64.urlsafe_b64decode(comment[1]))
        return _seen(told, where, urls)
    except (binascii.Error, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"the test job's words cannot be read: {error}") from error


def _seen(told: dict[str, Any], where: str, urls: int) -> Seen:
    first, last = (*map(int, str(told["span"]).split()), 0, 0)[:2]
    return Seen(
        node=where or str(told["node"]),
        python=str(told["python"])[:20],
        clock=int(told["clock"]),
        home=told["home"] is True,
        log=told["log"] is True,
        span=(first, last),
        kept=str(told["kept"]),
        port=int(told["port"]),
        keyhole=tuple(str(told["keyhole"].get(str(number), "")) for number in range(urls)),
    )

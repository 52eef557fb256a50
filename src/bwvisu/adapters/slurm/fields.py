"""How Slurm's commands spell times, limits and exits.  Pure; ValueError for anything else.

All commands are run with ``LC_ALL=C SLURM_TIME_FORMAT=%s``: times are Unix seconds (honoured by squeue, scontrol and
sacct, 22.05).
"""

import re

from bwvisu.domain.observation import ExitStatus

ENVIRONMENT = ("LC_ALL=C", "SLURM_TIME_FORMAT=%s")
_NEVER = frozenset({"", "N/A", "n/a", "NONE", "None", "Unknown", "(null)"})
_ENDLESS = frozenset({"UNLIMITED", "NOT_SET", "INVALID", "Partition_Limit", *_NEVER})
_LIMIT = re.compile(r"(?:(\d{1,6})-)?(?:(\d{1,6}):)?(\d{1,6}):(\d{1,2})", re.ASCII)
_EXIT = re.compile(r"(\d{1,3}):(\d{1,3})", re.ASCII)


def epoch(text: str) -> int | None:
    """Unix seconds; None for the words that mean no time."""
    if text in _NEVER:
        return None
    if not re.fullmatch(r"\d{1,12}", text, re.ASCII):
        raise ValueError(f"not a Unix time: {text[:40]!r}")
    return int(text) or None


def seconds(text: str) -> int | None:
    """``[days-][hours:]minutes:seconds``; None for no limit."""
    if text in _ENDLESS:
        return None
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise ValueError(f"not a time limit: {text[:40]!r}")
    days, hours, minutes, rest = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def exit_status(text: str) -> ExitStatus:
    """``code:signal`` (scontrol, sacct) or the raw wait status (squeue 22.05: 768 is exit code 3, 9 is SIGKILL)."""
    match = _EXIT.fullmatch(text)
    if match is not None:
        return ExitStatus(int(match[1]), int(match[2]))
    if not re.fullmatch(r"\d{1,10}", text, re.ASCII):
        raise ValueError(f"not an exit status: {text[:40]!r}")
    return ExitStatus(int(text) >> 8 & 0xFF, int(text) & 0x7F)

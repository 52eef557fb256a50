"""What the doctor finds: for each machine a row of checks, each with its verdict and, for a fault, what mends it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase


class Verdict(StrEnum):
    """How a check turned out."""

    OK = "ok"
    FAULT = "fault"
    UNKNOWN = "unknown"
    """Could not look: it may be well or not."""
    SKIPPED = "skipped"
    """Not asked for; the detail says how to ask."""


ROOT = "root"
"""Of a mend: a shell line for root on that machine."""
HERE = "here"
"""Of a mend: a shell line where the doctor was run."""
SETTINGS = "settings"
"""Of a mend: for the settings file."""
SUDOERS = "/etc/sudoers.d/bwvisu"
"""Of a mend: for this file on that machine."""


@dataclass(frozen=True, slots=True)
class Mend:
    """Lines that mend a fault: shell lines for `ROOT` or `HERE`, else lines of the file ``where``."""

    where: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one machine."""

    check: str
    """Its name, which stays: scripts may rely on it."""
    verdict: Verdict
    detail: str
    """A sentence for a person; holds no secret."""
    mend: Mend | None = None


def ok(check: str, detail: str = "") -> Finding:
    """It was tried, and it works."""
    return Finding(check, Verdict.OK, detail)


def fault(check: str, detail: str, where: str, *lines: str) -> Finding:
    """It was tried, and it does not work; ``lines`` mend it."""
    return Finding(check, Verdict.FAULT, detail, Mend(where, lines))


def unknown(check: str, detail: str) -> Finding:
    """It could not be tried."""
    return Finding(check, Verdict.UNKNOWN, detail)


def skipped(check: str, detail: str) -> Finding:
    """Nobody asked for it."""
    return Finding(check, Verdict.SKIPPED, detail)


@dataclass(frozen=True, slots=True)
class Subject:
    """What was examined."""

    kind: str
    """``service``, ``etcd``, ``command-node``, ``gateway`` or ``compute-node``."""
    name: str
    """A gateway's name, a command node's host, a compute node's name as Slurm has it."""
    cluster: str = ""
    """Its key in the settings; empty where it belongs to none."""


@dataclass(frozen=True, slots=True)
class Examined:
    """All checks of one subject, in the order in which they were made."""

    subject: Subject
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which checks are wanted: shell patterns ``NODE`` or ``NODE/CHECK``, where a kind stands for all its nodes."""

    patterns: tuple[str, ...] = ()
    """None: all checks."""

    def subject(self, subject: Subject) -> bool:
        """Whether any check of it is wanted."""
        return not self.patterns or bool(self._checks(subject))

    def check(self, subject: Subject, check: str) -> bool:
        """Whether this one is."""
        return not self.patterns or any(fnmatchcase(check, name) for name in self._checks(subject))

    def kept(self, examined: Examined) -> Examined:
        """Without what is not wanted."""
        findings = (each for each in examined.findings if self.check(examined.subject, each.check))
        return Examined(examined.subject, tuple(findings))

    def _checks(self, subject: Subject) -> list[str]:
        """Patterns of this subject's checks."""
        parts = (pattern.partition("/") for pattern in self.patterns)
        names = (subject.name, subject.kind)
        return [check or "*" for node, _, check in parts if any(fnmatchcase(name, node) for name in names)]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found."""

    examined: Sequence[Examined] = field(default=())

    def with_verdict(self, verdict: Verdict) -> list[tuple[Subject, Finding]]:
        """All findings of this verdict, with whose they are."""
        return [(each.subject, one) for each in self.examined for one in each.findings if one.verdict is verdict]

    @property
    def verdict(self) -> Verdict:
        """The worst of all; what was not asked for does not count."""
        return worst(one.verdict for each in self.examined for one in each.findings)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """A fault before what could not be looked at; `Verdict.OK` where there is neither."""
    seen = set(verdicts)
    return next((each for each in (Verdict.FAULT, Verdict.UNKNOWN) if each in seen), Verdict.OK)

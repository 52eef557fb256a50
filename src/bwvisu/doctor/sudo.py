"""What sudo lets the service's account do: all that is needed, and nothing that is too much.  Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from bwvisu.adapters.slurm.rights import ENVIRONMENT, LOOK, TIME_LIMIT, USERS, Right
from keyhole.domain import Choice, Family
from keyhole.scripts import ROOT_PROGRAMS

_ENTRY = re.compile(r"^ +\((?P<run_as>[^)]*)\) (?P<tags>(?:[A-Z_]+: ?)*)(?P<commands>.+)$", re.MULTILINE)
_EVERYBODY = frozenset({"ALL", "root", "#0"})
_HARMLESS = frozenset({LOOK, "sbatch", "scancel"})
Kind = Literal["command-node", "gateway"]


@dataclass(frozen=True, slots=True)
class Grant:
    """One command that sudo lets through."""

    run_as: tuple[str, ...]
    tags: tuple[str, ...]
    command: str

    @property
    def program(self) -> str:
        """Its name, without path and arguments."""
        return PurePosixPath(self.command.split(" ", 1)[0]).name


def grants(listing: str) -> list[Grant]:
    """What ``sudo -n -l`` (1.9.13) lists."""
    found = []
    for entry in _ENTRY.finditer(listing):
        run_as = tuple(re.split(r" *[,:] *", entry["run_as"].strip()))
        tags = tuple(re.findall(r"[A-Z_]+", entry["tags"]))
        found += [Grant(run_as, tags, each.strip()) for each in re.split(r"(?<!\\), ", entry["commands"])]
    return found


def gateway(backend: Choice, families: Iterable[Family]) -> tuple[str, ...]:
    """Programs that root must run for the service; of both filters where the gateway may have either."""
    names = ["nftables", "iptables"] if backend == "auto" else [backend]
    programs = [each for name in names for each in ROOT_PROGRAMS[name]]
    spelt = [_spelt(each, family) for family in sorted(set(families)) for each in programs]
    return tuple(dict.fromkeys(spelt))


def _spelt(program: str, family: Family) -> str:
    return program.replace("iptables", "ip6tables", 1) if family == 6 else program


KNOWN_ON_GATEWAYS = frozenset(
    {*gateway("auto", (4, 6)), "iptables", "ip6tables"}  # the last two were asked for once
)


def too_much(listing: str, kind: Kind) -> list[str]:
    """What sudo lets through, or leaves open, that the service has no use for; a sentence's part for each."""
    return list(dict.fromkeys(_too_much(listing, kind)))


def _too_much(listing: str, kind: Kind) -> Iterator[str]:
    defaults = listing.partition("may run the following")[0]
    if re.search(r"(?<![\w!])setenv\b|!env_reset", defaults):
        yield "the caller's environment (setenv, !env_reset)"
    for each in grants(listing):
        if "SETENV" in each.tags:
            yield f"SETENV for {each.command}"
        if each.command.startswith("!"):
            continue
        who = " or ".join(each.run_as)
        if kind == "gateway":
            fine = each.program in KNOWN_ON_GATEWAYS
        else:
            fine = each.program in _HARMLESS and not _EVERYBODY & set(each.run_as)
            fine = fine or each.command.endswith(f"/scontrol {TIME_LIMIT}")
        if not fine:
            yield f"{each.command} as {who}"


def allows(listing: str, program: str) -> bool:
    """Whether the account may run it as anybody at all."""
    return any(each.program == program or each.command == "ALL" for each in grants(listing))


def covering(listing: str, program: str) -> str:
    """As whom the account may run it, as sudoers writes that; empty: as nobody."""
    return next((", ".join(each.run_as) for each in grants(listing) if each.program == program), "")


def command_node_lines(
    account: str, rights: Sequence[Right], group: str, where: dict[str, str] | None = None
) -> tuple[str, ...]:
    """The lines of a command node; ``where``: path of each program there, Debian's where it is not known."""
    lines = []
    for run_as in dict.fromkeys(right.run_as for right in rights):
        own = [right for right in rights if right.run_as == run_as]
        commands = (f"{_path(right.program, '/usr/bin', where)} {right.arguments}".rstrip() for right in own)
        who = f"%{group}" if run_as == USERS else run_as
        lines.append(f"{account} ALL=({who}) NOPASSWD: {', '.join(commands)}")
        lines += [
            f'Defaults!{_path(LOOK, "/usr/bin", where)} env_keep += "{" ".join(ENVIRONMENT)}"'
            for right in own
            if right.program == LOOK
        ]
    return tuple(lines)


def gateway_line(account: str, programs: Sequence[str], where: dict[str, str] | None = None) -> str:
    """The line of a gateway."""
    return f"{account} ALL=(root) NOPASSWD: {', '.join(_path(each, '/usr/sbin', where) for each in programs)}"


def _path(program: str, folder: str, where: dict[str, str] | None) -> str:
    return (where or {}).get(program) or f"{folder}/{program}"

"""Command nodes: programs, sudo, Slurm, and the person whose jobs are to be started."""

import re
import time
from dataclasses import dataclass
from shlex import quote

from bwvisu.adapters.slurm import SlurmCluster, rights
from bwvisu.adapters.slurm.rights import Right
from bwvisu.adapters.ssh import Node, Wire
from bwvisu.doctor import facts, programs, sudo
from bwvisu.doctor.facts import Facts, NotSaid, Said
from bwvisu.doctor.findings import ROOT, SETTINGS, SUDOERS, Finding, fault, ok, skipped, unknown
from bwvisu.doctor.login import judge_clock
from bwvisu.domain.observation import ConfigResult, CouldNotLook, Observation, SlurmConfig
from bwvisu.settings import ClusterSettings

QUESTIONS = """\
user=$1 look_as=$2 extend_as=$3
shift 3
section clock date +%s.%N
section paths paths "$@"
section sacct command -v sacct
section sudo sudo -n -l
section shell sudo -n -l /bin/sh
section root sudo -n -u root -l sbatch
[ -z "$look_as" ] || section squeue sudo -n -u "$look_as" -l squeue
[ -z "$extend_as" ] || section scontrol sudo -n -u "$extend_as" -l scontrol update JobId=1 TimeLimit=1
section version sbatch --version
section ping timeout 15 scontrol ping
if [ -n "$user" ]; then
    section entry getent passwd -- "$user"
    section sbatch sudo -n -u "$user" -l sbatch
    section scancel sudo -n -u "$user" -l scancel
    section home stat -L -c %F -- "$(printf '%s' "$(getent passwd -- "$user")" | cut -d: -f6)"
fi
"""
"""Arguments, each perhaps empty: a user, who looks, who gives more time; then programs."""
OLDEST = (22, 5)
"""Release of Slurm that was tried."""
MIN_JOB_AGE = 300


@dataclass(frozen=True, slots=True)
class Asked:
    """What the settings and the person who asks want of every command node of a cluster."""

    account: str
    user: str | None
    group: str
    """Of those whose jobs may be started, for lines of sudoers."""
    minimum_uid: int
    allowed: bool
    """Whether the user's name has the form that this cluster's names have."""
    rights: tuple[Right, ...]

    @classmethod
    def of(cls, settings: ClusterSettings, account: str, user: str | None, group: str) -> "Asked":
        """From a cluster's settings."""
        allowed = user is None or settings.user_name_allowed(user)
        return cls(account, user, group, settings.users.minimum_uid, allowed, needed(settings))


def needed(settings: ClusterSettings) -> tuple[Right, ...]:
    """What sudo must let through on the command nodes."""
    extend = settings.slurm.extend
    return rights.command_node(settings.slurm.look_as, extend.run_as if extend.allowed else None)


async def examine(wire: Wire, node: Node, slurm: SlurmCluster, asked: Asked) -> list[Finding]:
    """Ask one node everything; ``slurm`` asks no other node."""
    began = time.time()
    as_whom = {right.program: right.run_as for right in asked.rights}
    others = (as_whom.get(rights.LOOK, ""), as_whom.get(rights.EXTEND, ""))
    said = await facts.gather(wire, node, QUESTIONS, asked.user or "", *others, *programs.COMMAND_NODE)
    if isinstance(said, NotSaid):
        return [programs.lacks_timeout() if said.lacks_timeout else unknown("programs", said.reason)]
    clock = judge_clock(said["clock"].text, began, time.time())
    found = [clock, programs.judge(said["paths"], programs.COMMAND_NODE), *judge_sudo(said, asked)]
    found += judge_user(said, asked)
    if "UP" not in said["ping"].text.split():
        where = "systemctl start slurmctld   # on Slurm's controller"
        return [*found, fault("slurm", f"slurmctld does not answer: {said['ping'].words}", ROOT, where)]
    config = await slurm.config()
    return [*found, *judge_slurm(config, await slurm.look(), said)]


def judge_sudo(said: Facts, asked: Asked) -> list[Finding]:
    """What is needed, and what is too much."""
    where = facts.paths(said["paths"])
    lines = sudo.command_node_lines(asked.account, asked.rights, asked.group, where)
    listing = said["sudo"]
    if listing.status != 0:
        return [fault("sudo", f"sudo lets {asked.account} do nothing: {listing.words}", SUDOERS, *lines)]
    missing = [right.program for right in asked.rights if not _lets(said, right)]
    found = [
        fault("sudo", f"not allowed: {', '.join(missing)}", SUDOERS, *lines)
        if missing
        else ok("sudo", f"lets {asked.account} do what is needed")
    ]
    extra = sudo.too_much(listing.text, "command-node")
    extra += [f"any program as root ({said['shell'].words})"] if said["shell"].status == 0 and not extra else []
    extra += ["sbatch as root"] if said["root"].status == 0 and not extra else []
    if extra:
        detail = f"more than is needed: {'; '.join(extra)}"
        return [*found, fault("sudo-limits", detail, SUDOERS, *lines)]
    return [*found, ok("sudo-limits", "and nothing else")]


def _lets(said: Facts, right: Right) -> bool:
    """Sudo itself was asked about accounts that are known; of the users' group only the list tells."""
    if right.run_as == rights.USERS:
        return sudo.allows(said["sudo"].text, right.program)
    return said[right.program].status == 0


def judge_user(said: Facts, asked: Asked) -> list[Finding]:
    """Whether this person's jobs can be started from here."""
    if asked.user is None:
        return [skipped("user", "not checked: name a user with --user")]
    cells = said["entry"].text.split(":")
    if said["entry"].status != 0 or len(cells) != 7 or not (cells[2].isdecimal() and cells[3].isdecimal()):
        detail = f"no account {asked.user} here ({said['entry'].words or 'getent finds none'})"
        line = f"getent passwd {quote(asked.user)}   # what does the directory say?"
        return [fault("user", detail, ROOT, line)]
    return [_judge_account(said, asked, asked.user, cells)]


def _judge_account(said: Facts, asked: Asked, user: str, cells: list[str]) -> Finding:
    """``cells``: its entry, as getent prints it."""
    if not asked.allowed:
        line = "users: {pattern: ...}   # a regular expression that the whole name must match"
        return fault("user", f"{user} is no user by users.pattern", SETTINGS, line)
    if int(cells[2]) < asked.minimum_uid:
        line = f"users: {{minimum_uid: {cells[2]}}}"
        return fault("user", f"{user} has the uid {cells[2]}, below users.minimum_uid", SETTINGS, line)
    refused = [name for name in ("sbatch", "scancel") if said[name].status != 0]
    if refused:
        return _refused(refused, said, asked, user)
    if said["home"].status != 0 and "No such file" not in said["home"].text:
        return unknown("user", f"{user}'s home cannot be looked at: {said['home'].words}")
    if said["home"].text != "directory":
        line = f"install -d -m 700 -o {cells[2]} -g {cells[3]} {quote(cells[5])}"
        return fault("user", f"{user}'s home {cells[5]} is not here", ROOT, line)
    return ok("user", f"{user}, uid {cells[2]}, home {cells[5]}")


def _refused(names: list[str], said: Facts, asked: Asked, user: str) -> Finding:
    """Where a rule is for a group, this person is not in it; else there is no rule that fits."""
    detail = f"sudo does not let us run {', '.join(names)} as {user}"
    group = re.fullmatch(r"%([\w.-]+)", sudo.covering(said["sudo"].text, names[0]))
    if group:
        return fault("user", f"{detail}, only as {group[0]}", ROOT, f"usermod -aG {group[1]} {quote(user)}")
    lines = sudo.command_node_lines(asked.account, asked.rights, asked.group, facts.paths(said["paths"]))
    return fault("user", detail, SUDOERS, *lines)


def judge_slurm(config: ConfigResult, look: Observation, said: Facts) -> list[Finding]:
    """Slurm as it answers here."""
    if isinstance(config, CouldNotLook):
        return [unknown("slurm", config.reason)]
    found = [ok("slurm", f"cluster {config.cluster_name}, Slurm {config.version}")]
    found.append(judge_version(said["version"], config))
    if isinstance(look, CouldNotLook):
        found.append(_hidden(look) if "PrivateData" in look.reason else unknown("jobs", look.reason))
    else:
        found.append(ok("jobs", "squeue shows everybody's"))
    if config.min_job_age < MIN_JOB_AGE:
        detail = f"Slurm forgets ended jobs after {config.min_job_age} s; {MIN_JOB_AGE} are asked for"
        line = f"MinJobAge={MIN_JOB_AGE}   # slurm.conf, then: scontrol reconfigure"
        found.append(fault("job-age", detail, "slurm.conf", line))
    else:
        found.append(ok("job-age", f"ended jobs stay for {config.min_job_age} s"))
    if config.accounting and said["sacct"].status != 0:
        found.append(fault("sacct", "sacct is not there", ROOT, programs.install("sacct")))
    return found


def _hidden(look: CouldNotLook) -> Finding:
    line = "slurm: {look_as: slurm}   # and the line that `bwvisu doctor --print-sudoers` prints then"
    return fault("jobs", look.reason, SETTINGS, line)


def judge_version(said: Said, config: SlurmConfig) -> Finding:
    """Commands may be older than slurmctld (by two releases), never newer; nothing before `OLDEST` was tried."""
    own, central = _release(said.text), _release(config.version)
    if said.status != 0 or own is None or central is None:
        return unknown("version", f"not a version: {said.words}, {config.version}")
    if own < OLDEST:
        detail = f"Slurm's commands are {said.words}; {OLDEST[0]}.{OLDEST[1]:02} or newer is needed"
        return fault("version", detail, ROOT, programs.install("sbatch"))
    if own > central:
        detail = f"Slurm's commands ({said.words}) are newer than slurmctld ({config.version})"
        return fault("version", detail, ROOT, f"apt-get install slurm-client={config.version}*")
    return ok("version", said.words)


def _release(text: str) -> tuple[int, int] | None:
    found = re.search(r"\b(\d{2})\.(\d{2})\b", text, re.ASCII)
    return (int(found[1]), int(found[2])) if found else None

"""The faults that bwVisu must survive, and the tests that show it: found by their names, told in docs/reliability.md.

A fault's tests are all functions named ``test_fault_<number>_<words>``; a fault without one is *open* and names what it
waits for.
"""

import ast
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITES = {
    "unit": "logic",
    "fuzz": "fuzzing",
    "contract": "real part",
    "simulation": "simulation",
    "cluster": "real cluster",
    "gateways": "real cluster, from outside",
    "browser": "browser",
    "heavy": "real cluster, heavy",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What may happen, and what is promised then."""

    what: str
    promise: str
    waits_for: str = ""
    """What the rest of the promise needs that is not built yet."""


FAULTS: Mapping[str, Fault] = {
    "01": Fault("SSH dies after sbatch created the job", "found by its name and adopted; one Slurm job"),
    "02": Fault("SSH dies before sbatch ran", "proven absent, submitted again; one Slurm job"),
    "03": Fault("sbatch lingers and submits late", "ended by the remote `timeout`; what slips through is cancelled"),
    "04": Fault("slurmctld is down for 10 min", "nothing changes state; one look later all is current"),
    "05": Fault("squeue's answer is spoilt, or jobs are hidden", "the look is rejected; no job changes"),
    "05a": Fault("SSH dies in the middle of the script", "nothing is submitted"),
    "06": Fault("a job was purged while nobody looked", "sacct, scontrol or its own report decide; else `lost`"),
    "07": Fault("a POST is repeated", "same key, same job; another body is refused; at the same time: one job"),
    "08": Fault("DELETE while the submission is under way", "resolved first, then cancelled, verified gone"),
    "09": Fault("COMPLETING for ever", "rules and connections go at once; the port rests until the job is gone"),
    "10": Fault("the leader is killed between any two steps", "the next one converges"),
    "11": Fault("the leader is stopped for longer than its lease", "etcd and gateways refuse it; it steps down"),
    "12": Fault("etcd has no majority for 5 min", "503; no new side effects; sessions untouched; resumes by itself"),
    "13": Fault("compaction while a watch is away", "relist; no hang, no hot loop"),
    "14": Fault("a watch stalls in silence", "the periodic relist repairs it; its age is a metric"),
    "15": Fault("a write's result is unknown", "a re-read decides; nothing is given twice"),
    "16": Fault("a job asks the keyhole twice", "the same ports; another number is refused"),
    "17": Fault("forged, stale, superseded or oversized keyhole requests", "refused; nothing is learnt by guessing"),
    "18": Fault("all ports are in use", "503; the job shows it; served as soon as one is free"),
    "19": Fault("a gateway reboots", "rules restored in one transaction as soon as it answers"),
    "20": Fault(
        "a gateway is away for long",
        "new forwards go elsewhere; old ones move (new address shown); on its return stale rules go first",
    ),
    "21": Fault("tables are flushed; a foreign rule sits on our port", "repaired, reported; foreign rules stay"),
    "22": Fault("SSH is cut in the middle of a table load", "old or new rules, never half, by nft and by iptables"),
    "23": Fault(
        "a compute node dies; a job is requeued", "forwards gone; a new run gets new ones, the old close first"
    ),
    "24": Fault(
        "the application never listens, crashes, flaps",
        "said so, with the end of its log; hysteresis; a probe that was not made is none; it is left alone",
    ),
    "25": Fault("another process takes the port", "the client says so and gets another"),
    "26": Fault("a job ends while a viewer is connected", "cut; nobody reaches the next tenant"),
    "27": Fault("a command node takes connections and hangs", "the next one is asked; no double submission"),
    "28": Fault("the wall clock jumps an hour", "deadlines are monotonic; nothing expires in bulk"),
    "29": Fault("a rolling upgrade", "unknown fields survive; no downtime"),
    "30": Fault("500 jobs within 10 s", "all run; squeue calls as before; few gateway transactions"),
    "31": Fault("1,000 event streams reconnect", "resume or one resync; no job missed"),
    "32": Fault("a user vanishes; a token is revoked", "a clear state and reason"),
    "33": Fault("SIGTERM", "in-flight commands end or are left safely; the next leader leads at once"),
    "34": Fault("Slurm's job ids start again", "matched by name, user and submit time, never by id alone"),
    "35": Fault("etcd is full", "read-only; no crash loop", "the alarm as a metric (issue 8)"),
    "35a": Fault(
        "etcd restored; two installations; names like ours",
        "nothing foreign is touched; gateways and event streams go on after `bwvisu state restored`",
    ),
    "36": Fault("hostile input everywhere", "never executed, never believed; a clear error"),
}

TEXT = """\
# What is promised, and what shows it

Drawn from `scripts/faults.py` and the names of the tests by `make docs`.

The invariants hold always: one end state for each accepted job (I1), one Slurm job for each accepted request (I2),
rules equal to what is wanted and foreign rules untouched (I3), one owner for each port (I4), forwards only to hosts
that Slurm showed as the job's own (I5), no secret where it does not belong (I6), an absence believed only on complete
looks (I7), an accepted request survives any death (I8).

They are checked in four ways:

- **Simulation** (`tests/simulation`, `make soak`): the real reconcilers, services, keyhole and leadership in one
  process, with doubles of etcd, Slurm, SSH and gateways, on a seeded schedule. Every await may fail, wait, be
  reordered or be the last thing that a process does. {seeds:,} worlds in `make test`. `python -m tests.simulation
  SEED` replays one. The leader is killed and stopped at steps all over a job's life, in `make test-heavy` at each.
- **Mutants** (`make mutants`): safeguards are taken away, one at a time; the simulation must notice each.
- **Real cluster** (`tests/cluster`, `tests/gateways`, `tests/heavy`): real processes killed, stopped and cut off; the
  world is read from outside by squeue, nft, iptables-save, conntrack and etcdctl.
- **Contract tests** (`tests/contract`): one suite for each double and the real part that it stands for.

## Faults

| # | fault | promise | shown by |
| --- | --- | --- | --- |
{rows}

*Open* is what a later capability must bring together with its test.
"""


def tests() -> Mapping[str, Sequence[tuple[str, str]]]:
    """Fault -> (suite, file) of its tests, in order."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for name in _committed():
        for node in ast.walk(ast.parse((ROOT / name).read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_fault_"):
                found[_number(node.name)].add((name.split("/")[1], name))
    return {
        number: sorted(places, key=lambda place: (list(SUITES).index(place[0]), place[1]))
        for number, places in found.items()
    }


def _committed() -> list[str]:
    """Test files under version control: what is only being written shows nothing yet."""
    listing = ("git", "ls-files", *(f"tests/{suite}/**test_*.py" for suite in SUITES))
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [name for name in names if (ROOT / name).is_file()]


def _number(name: str) -> str:
    """``test_fault_03b_...`` shows fault 3 in another way; faults 5a and 35a stand in the table."""
    word = name.split("_")[2]
    return word if word in FAULTS else word.rstrip("abcdefgh")


def without_tests() -> list[str]:
    """Faults that nothing shows and that wait for nothing; and tests of faults that are not in the table."""
    found = tests()
    return [number for number, fault in FAULTS.items() if number not in found and not fault.waits_for] + sorted(
        found.keys() - FAULTS.keys()
    )


def render() -> str:
    """docs/reliability.md."""
    found = tests()
    rows = [
        f"| {number.removeprefix('0')} | {fault.what} | {fault.promise} | {_shown(found.get(number, ()), fault)} |"
        for number, fault in FAULTS.items()
    ]
    return TEXT.format(rows="\n".join(rows), seeds=2000)


def _shown(places: Sequence[tuple[str, str]], fault: Fault) -> str:
    links = [f"[{SUITES[suite]}](../{path})" for suite, path in places]
    return ", ".join([*links, *([f"*open*: {fault.waits_for}"] if fault.waits_for else [])]) or "**nothing**"

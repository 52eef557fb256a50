"""Can the simulation fail?  `make mutants` takes the safeguards away, one at a time, and expects to be caught.

Each mutant is a copy of the sources with one change; seeds are tried in order until one breaks a promise.  What guards
against a moment that chance hardly ever meets is not here, but has a test that makes the moment.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEEDS = 2000


@dataclass(frozen=True, slots=True)
class Mutant:
    """A safeguard that is missing: texts in one file below ``src``, and what stands there instead."""

    name: str
    file: str
    changes: tuple[tuple[str, str], ...]


MUTANTS = (
    Mutant(
        "intent record",
        "bwvisu/reconcilers/execute.py",
        (("        if not await self._record(spec.id, verb.status):\n            return\n", ""),),
    ),
    Mutant(
        "epoch compare",
        "bwvisu/reconcilers/leadership.py",
        (
            ("[self.fence_condition(), *conditions], operations", "conditions, operations"),
            ("if not _holds(result.current[self._key], self.epoch):", "if False:"),
        ),
    ),
    Mutant(
        "gateway's fence",
        "keyhole/scripts.py",
        (
            (
                'if [ "$3" -lt "$generation" ] || { [ "$3" -eq "$generation" ] && [ "$4" -lt "$epoch" ]; }; then\n'
                '    end fenced "$generation" "$epoch"\n'
                "fi\n",
                "",
            ),
        ),
    ),
    Mutant(
        "gateway's memory of its rules",
        "keyhole/scripts.py",
        (
            (
                '    *) [ ! -e "$file.$1" ] || '
                'end fault "$1 may hold rules of ours and cannot be listed ($file.$1)" ;;\n',
                "",
            ),
        ),
    ),
    Mutant(
        "script's length check",
        "bwvisu/adapters/slurm/submission.py",
        (
            (
                'if [ "$(printf %s "$script" | sha256sum)" != "$digest  -" ]; '
                'then echo "INCOMPLETE $digest"; exit; fi\n',
                "",
            ),
        ),
    ),
    Mutant(
        "rule about absence",
        "bwvisu/planning/submission.py",
        (
            (
                "    absence = snapshot.absence_of(view)\n",
                "    return _submit(view, snapshot, room=room)\n    absence = snapshot.absence_of(view)\n",
            ),
        ),
    ),
    Mutant(
        "complete-look sentinel",
        "bwvisu/adapters/slurm/look.py",
        (('        raise ValueError("the answer is cut off")\n', '        return 1, [], frozenset({"none"})\n'),),
    ),
    Mutant(
        "quarantine",
        "keyhole/retirement.py",
        (("        or now - quarantined.get(key_of(record.job_id, grant), now) < seconds\n", ""),),
    ),
    Mutant(
        "settling of run times",
        "bwvisu/planning/extension.py",
        (("(settle if isinstance(told.result, Unknown) else 0.0)", "0.0"),),
    ),
    Mutant(
        "patience with silent gateways",
        "keyhole/reach.py",
        (
            ("or now - contact.silent_from < self._patience:", "or now - contact.silent_from < 2.0:"),
            ("contact.failed_from - contact.silent_from >= self._patience - FRESH", "contact.failed_from > 0.0"),
        ),
    ),
    Mutant(
        "what has moved closes",
        "keyhole/retirement.py",
        (("(*others, in_phase(grant, GrantPhase.CLOSING), to)", "(*others, to)"),),
    ),
    Mutant(
        "silence about secrets",
        "bwvisu/reconcilers/scripts.py",
        (
            (
                "return job_script(source, spec, attempt, secret, self.keyhole).encode()\n",
                "script = job_script(source, spec, attempt, secret, self.keyhole)\n"
                "        __import__('structlog').get_logger().info('rendered', script=script)\n"
                "        return script.encode()\n",
            ),
        ),
    ),
    Mutant(
        "conntrack flush",
        "keyhole/reconciler/sync.py",
        (("        cuts = remote.cuts_of(ended(change, desired), closing, flows=strangers)\n", "        cuts = []\n"),),
    ),
    Mutant(
        "admission",
        "keyhole/reconciler/sync.py",
        (("return sources(self._books.admitted(job_id), self._gateway.family)", "return None"),),
    ),
    Mutant(
        "end of an admission",
        "bwvisu/reconcilers/keyhole_host.py",
        (("if expiries[each.id, each.expires_at] > now and (addresses", "if (addresses"),),
    ),
    Mutant(
        "cut of those who are shut out",
        "keyhole/reconciler/sync.py",
        (("strangers = trespassing(picture.flows or frozenset(), work.desired)", "strangers = []"),),
    ),
)


def main() -> int:
    """Answers 1 where any mutant lived."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("name", nargs="*", help="only mutants whose name holds one of these words")
    arguments = parser.parse_args()
    chosen = [each for each in MUTANTS if not arguments.name or any(word in each.name for word in arguments.name)]
    lived = [mutant.name for mutant in chosen if not _caught(mutant, arguments.seeds)]
    print(f"{len(chosen) - len(lived)} of {len(chosen)} mutants were caught", *(f"NOT: {name}" for name in lived))
    return 1 if lived else 0


def _caught(mutant: Mutant, seeds: int) -> bool:
    with tempfile.TemporaryDirectory(prefix="bwv-mutant-") as folder:
        source = Path(folder, "src")
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        _mutate(source / mutant.file, mutant)
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "tests.simulation", f"0-{seeds - 1}", "--enough", "1"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(source), "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
    last = next((line for line in done.stdout.splitlines() if line.startswith("seed ")), done.stderr[-2000:])
    verdict = "caught" if done.returncode == 1 and last.startswith("seed ") else "LIVED"
    print(f"{mutant.name}: {verdict} in {time.monotonic() - began:.0f} s: {last[:300]}", flush=True)
    return verdict == "caught"


def _mutate(file: Path, mutant: Mutant) -> None:
    text = file.read_text()
    for old, new in mutant.changes:
        if text.count(old) != 1:
            raise SystemExit(f"{mutant.name}: its place in {mutant.file} has changed; this file must follow")
        text = text.replace(old, new)
    file.write_text(text)


if __name__ == "__main__":
    sys.exit(main())

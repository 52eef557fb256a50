"""``bwvisu app try`` on the real cluster: the steps of a job that works and of one that does not, and no trace."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

from bwvisu.cli.local import shipped_applications
from bwvisu.sandbox import Sandbox
from tests.support.program import PROGRAM, environment
from tests.support.world import slurm_jobs, slurm_numbers


def tried(box: Sandbox, bundle: Path) -> tuple[int, dict[str, Any]]:
    argv: list[str | Path] = [PROGRAM, "app", "try", str(bundle), "--sandbox", box.topology.options.name, "--json"]
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def traces(box: Sandbox) -> list[str]:
    """What lies in etcd below trials, and tables on gateways."""
    argv, variables = box.etcd.etcdctl()
    keys = [*argv, "get", "--prefix", "--keys-only", f"{box.etcd.prefix}/try-"]
    found = subprocess.run(keys, env=variables, capture_output=True, text=True, check=True, timeout=20).stdout.split()
    return found + [box.run(gateway, ["nft", "list", "tables"]).stdout for gateway in ("gw1", "gw2")]


def test_a_trial_tells_each_step_and_leaves_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    before = traces(sandbox)
    code, told = tried(sandbox, shipped_applications() / "page")
    assert (code, told["good"]) == (0, True), told
    steps = {each["step"]: each for each in told["steps"]}
    assert list(steps)[:3] == ["accepted", "submitted", "running"]
    assert set(steps) == {"accepted", "submitted", "running", "port web", "answer of web", "available", "ended"}
    assert steps["answer of web"]["detail"] == "200 OK"
    assert all(0 <= each["seconds"] < 60 for each in told["steps"])

    bundle = tmp_path / "breaks"
    bundle.mkdir()
    (bundle / "app.yaml").write_text("title: B\nports: [{name: web, protocol: http}]\n")
    (bundle / "job.sh.j2").write_text("#!/bin/bash\n#KEYHOLE-REQUEST-PORTS 1\necho 'no such image' >&2\nexit 3\n")
    (bundle / "icon.svg").write_text("<svg/>")
    code, failed = tried(sandbox, bundle)
    assert (code, failed["good"]) == (5, False)
    assert "finished (failed)" in failed["why"]
    assert "no such image" in failed["log"]

    assert not slurm_jobs(sandbox, told["job"])
    assert not slurm_jobs(sandbox, failed["job"])
    assert traces(sandbox) == before


def test_a_trial_that_is_interrupted_leaves_nothing(sandbox: Sandbox) -> None:
    before, known = traces(sandbox), slurm_numbers(sandbox)
    page = str(shipped_applications() / "page")
    argv: list[str | Path] = [PROGRAM, "app", "try", page, "--sandbox", sandbox.topology.options.name]
    with subprocess.Popen(argv, env=environment(PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE, text=True) as trial:
        assert trial.stdout is not None
        assert any("running" in line for line in trial.stdout)
        trial.send_signal(signal.SIGINT)
        ended = trial.stdout.read()
        assert trial.wait(60) == 130
    assert "ended: finished (cancelled)" in ended
    (number,) = slurm_numbers(sandbox) - known
    assert sandbox.run("cmd1", ["squeue", "-h", "-j", number, "-t", "all", "-o", "%T"]).stdout.strip() == "CANCELLED"
    assert traces(sandbox) == before

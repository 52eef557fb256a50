"""Instances come and go: side by side, without a trace, from any half-made state."""

import os
import signal
import subprocess
import sys

import pytest

from bwvisu.sandbox import Options, Sandbox, SandboxError
from tests.support.traces import assert_no_traces, traces
from tests.support.waiting import until

UP = """
import sys
from bwvisu.sandbox import Options, Sandbox
Sandbox.up(Options(name=sys.argv[1]), say=lambda step: print(step, flush=True))
"""


def ruleset() -> str:
    """Of this machine, without what its rules have counted."""
    return subprocess.run(["nft", "--stateless", "list", "ruleset"], capture_output=True, text=True, check=True).stdout


def test_two_side_by_side_do_not_see_each_other_and_one_leaves_no_trace(sandbox: Sandbox, spare: str) -> None:
    rules = ruleset()
    other = Sandbox.up(Options(name=spare))
    number = other.topology.number
    assert number != sandbox.topology.number
    assert all(traces(number, spare).values())
    inner = other.addresses["cmd1"].inner
    assert sandbox.run("cmd1", ["nc", "-z", "-w", "1", str(inner), "22"]).returncode == 1
    until(lambda: other.run("cmd2", ["nc", "-z", "-w", "1", str(inner), "22"]).returncode == 0)
    other.down()
    assert_no_traces(number, spare)
    assert ruleset() == rules
    assert all(host.whole for host in sandbox.status())


@pytest.mark.parametrize("after", ["files and keys", "networks", "hosts"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_up_that_was_interrupted_is_cleared_away(spare: str, after: str, how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", UP, spare], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as up:
        assert up.stdout is not None
        assert any(line.startswith(after) for line in up.stdout)
        up.send_signal(how)
        up.wait(timeout=60)
    box = Sandbox.load(spare)
    box.down()
    assert_no_traces(box.topology.number, spare)


def test_up_goes_on_after_a_crash_of_everything(spare: str) -> None:
    box = Sandbox.up(Options(name=spare))
    for host in box.topology.hosts:
        os.kill(int((box.folder / "hosts" / host / "pid").read_text()), signal.SIGKILL)
    until(lambda: all(host.state == "down" for host in box.status()), 60, "every host is dead")
    assert all(host.whole for host in Sandbox.up(Options(name=spare)).status())


def test_up_completes_what_was_stopped_paused_or_cut_off(spare: str) -> None:
    box = Sandbox.up(Options(name=spare))
    box.stop("gw1")
    box.stop("node1:slurmd")
    box.pause("cmd1")
    box.partition("cmd2")
    assert sum(not host.whole for host in box.status()) == 4
    assert all(host.whole for host in Sandbox.up(Options(name=spare)).status())


def test_etcd_with_passwords_gives_the_middleware_its_prefix_only(spare: str) -> None:
    box = Sandbox.up(Options(name=spare, etcd_auth=True, forward_policy="drop"))
    argv, env = box.etcd.etcdctl()
    assert box.etcd.password_file is not None
    env["ETCDCTL_USER"] = f"bwvisu:{box.etcd.password_file.read_text().strip()}"
    codes = [subprocess.run([*argv, "put", key, "x"], env=env, capture_output=True, check=False).returncode
             for key in ("/bwvisu/x", "/other/x")]  # fmt: skip
    assert codes[0] == 0
    assert codes[1] != 0
    assert "-P FORWARD DROP" in box.run("gw1", ["iptables", "-S", "FORWARD"]).stdout


def test_there_is_nothing_to_load_before_up(spare: str) -> None:
    with pytest.raises(SandboxError, match=f"up --name {spare}"):
        Sandbox.load(spare)

"""The sandbox is the cluster that it says it is, seen from its nodes."""

import json
import socket
import subprocess
from collections.abc import Sequence

import pytest
from typer.testing import CliRunner

from bwvisu.cli.sandbox import app
from bwvisu.sandbox import Sandbox, SandboxError
from bwvisu.sandbox.etcd import healthy
from bwvisu.sandbox.topology import Leg
from tests.support.waiting import until
from tests.support.world import slurm_numbers

SLEEPER = "#!/bin/bash\nsleep 60\n"
SBATCH = ("sudo", "-n", "-u", "alice", "sbatch", "--parsable", "--export=NONE", "--chdir=/home/alice")


def ssh(box: Sandbox, host: str, argv: Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    """As the middleware does it: its key, checked host keys, the node's inner address."""
    options = {"UserKnownHostsFile": box.known_hosts, "StrictHostKeyChecking": "yes", "BatchMode": "yes"}
    command = ["ssh", "-F", "none", "-i", str(box.key_file), *(f"-o{name}={value}" for name, value in options.items())]
    target = f"bwvisu@{box.addresses[host].inner}"
    return subprocess.run(
        [*command, target, *argv], input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


def submit(box: Sandbox, script: str, *options: str) -> str:
    done = ssh(box, "cmd1", [*SBATCH, *options], script)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def state(box: Sandbox, job: str) -> str:
    return box.run("ctl", ["squeue", "-h", "-t", "all", "-j", job, "-o", "%T"]).stdout.strip()


def cancel(box: Sandbox, *numbers: str) -> None:
    box.run("ctl", ["scancel", *numbers])


def reaches(box: Sandbox, host: str, address: str | None) -> bool:
    assert address is not None
    return box.run(host, ["nc", "-z", "-w", "1", address, "22"]).returncode == 0


def greeting(box: Sandbox, host: str) -> bytes:
    """What sshd says first; empty when it accepts and says nothing for half a second."""
    with socket.create_connection((str(box.addresses[host].inner), 22), timeout=10) as connection:
        connection.settimeout(0.5)
        try:
            return connection.recv(4)
        except TimeoutError:
            return b""


def test_a_second_up_changes_nothing(sandbox: Sandbox) -> None:
    boots = {host.name: sandbox.run(host.name, ["readlink", "/proc/self/ns/pid"]).stdout for host in sandbox.status()}
    assert Sandbox.up(sandbox.topology.options).addresses == sandbox.addresses
    assert {name: sandbox.run(name, ["readlink", "/proc/self/ns/pid"]).stdout for name in boots} == boots


def test_an_instance_that_is_up_with_other_options_is_left_alone(sandbox: Sandbox) -> None:
    done = CliRunner().invoke(app, ["up", "--name", sandbox.topology.options.name, "--etcd", "1"])
    assert done.exit_code == 2
    assert "other options" in done.output
    assert all(host.whole for host in sandbox.status())


def test_a_job_runs_as_alice_through_ssh_sudo_and_sbatch(sandbox: Sandbox) -> None:
    job = submit(sandbox, "#!/bin/bash\nid -un; hostname; command -v python3; pwd\n", "-w", "node2", "-o", "out.%j")
    until(lambda: state(sandbox, job) == "COMPLETED", 60, "the job completes")
    output = sandbox.run("cmd2", ["cat", f"/home/alice/out.{job}"], user="alice").stdout
    assert output.splitlines() == ["alice", "node2", "/usr/bin/python3", "/home/alice"]


def test_steps_run_on_all_nodes_of_a_job(sandbox: Sandbox) -> None:
    job = submit(
        sandbox,
        "#!/bin/bash\nunset SLURM_EXPORT_ENV\nexport K=5\nsrun sh -c 'echo $(hostname) $K'\n",
        "-N2",
        "-o",
        "two.%j",
    )
    until(lambda: state(sandbox, job) == "COMPLETED", 60, "the job completes")
    output = sandbox.run("cmd1", ["cat", f"/home/alice/two.{job}"], user="alice").stdout
    assert sorted(output.splitlines()) == ["node1 5", "node2 5"]


def test_a_job_over_its_memory_ends_out_of_memory(sandbox: Sandbox) -> None:
    job = submit(sandbox, "#!/bin/bash\npython3 -c 'bytearray(300 << 20)'\n", "--mem=50M", "-o", "/dev/null")
    until(lambda: state(sandbox, job) == "OUT_OF_MEMORY", 60, "the job ends so")
    assert "ExitCode=0:125" in sandbox.run("ctl", ["scontrol", "show", "job", job]).stdout


@pytest.mark.parametrize(
    "argv",
    [
        ("sudo", "-n", "-u", "root", "sbatch"),
        ("sudo", "-n", "sbatch"),
        ("sudo", "-n", "-u", "mallory", "sbatch"),
        ("sudo", "-n", "-u", "bwvisu", "sbatch"),
        ("sudo", "-n", "-u", "alice", "id"),
        ("sudo", "-n", "-u", "alice", "/home/alice/sbatch"),
        ("sudo", "-n", "-E", "-u", "alice", "sbatch"),
        ("sudo", "-n", "-u", "alice", "SLURM_CONF=/tmp/x", "sbatch"),
        ("sudo", "-n", "-g", "root", "-u", "alice", "sbatch"),
    ],
)
def test_sudo_on_a_command_node_refuses(sandbox: Sandbox, argv: tuple[str, ...]) -> None:
    before = slurm_numbers(sandbox)
    done = ssh(sandbox, "cmd1", argv, SLEEPER)
    assert done.returncode == 1
    assert "sudo:" in done.stderr or "not allowed" in done.stderr
    assert slurm_numbers(sandbox) <= before


def test_the_middlewares_environment_does_not_pass_sudo(sandbox: Sandbox) -> None:
    script = "#!/bin/bash\nenv > env.$SLURM_JOB_ID\n"
    done = ssh(
        sandbox, "cmd1", ["LD_PRELOAD=", "PLANTED=1", "SBATCH_PARTITION=nowhere", *SBATCH[:-2], *SBATCH[-1:]], script
    )
    assert done.returncode == 0, done.stderr
    job = done.stdout.strip()
    until(lambda: state(sandbox, job) == "COMPLETED", 60, "the job completes")
    assert "PLANTED" not in sandbox.run("node1", ["cat", f"/home/alice/env.{job}"], user="alice").stdout


@pytest.mark.parametrize("program", ["nft list ruleset", "iptables-save", "iptables -S", "conntrack -L"])
def test_a_gateway_grants_the_firewall(sandbox: Sandbox, program: str) -> None:
    assert ssh(sandbox, "gw1", ["sudo", "-n", *program.split()]).returncode == 0


@pytest.mark.parametrize("program", ["sh -c id", "ip link", "cat /etc/shadow"])
def test_a_gateway_grants_nothing_else(sandbox: Sandbox, program: str) -> None:
    assert ssh(sandbox, "gw1", ["sudo", "-n", *program.split()]).returncode == 1


def test_a_lingering_sbatch_is_ended_by_timeout_through_sudo(sandbox: Sandbox) -> None:
    """The caller is sudo's real user, so ``timeout`` may signal it, and sudo passes SIGTERM on to sbatch."""
    sandbox.pause("slurmctld")
    try:
        done = ssh(sandbox, "cmd1", ["timeout", "-k", "5", "5", *SBATCH, "--job-name=lingering"], SLEEPER)
        left = sandbox.run("cmd1", ["pgrep", "-x", "sbatch|sudo"]).stdout
    finally:
        sandbox.resume("slurmctld")
    assert (done.returncode, left) == (124, "")
    name = ["squeue", "-h", "-n", "lingering", "-o", "%i"]
    until(lambda: sandbox.run("ctl", name).stdout.strip() != "", 60, "slurmctld takes the request that it had received")
    cancel(sandbox, *sandbox.run("ctl", name).stdout.split())


@pytest.mark.parametrize(
    ("options", "reason"),
    [(("-p", "closed"), "PartitionDown"), (("-p", "short", "-t", "10"), "PartitionTimeLimit")],
)
def test_what_can_never_run_pends_with_its_reason(sandbox: Sandbox, options: tuple[str, ...], reason: str) -> None:
    job = submit(sandbox, SLEEPER, *options)
    show = ["squeue", "-h", "-j", job, "-o", "%T %r"]
    until(lambda: sandbox.run("ctl", show).stdout.split()[1:] == [reason], 60, reason)
    assert state(sandbox, job) == "PENDING"
    cancel(sandbox, job)


def test_a_gpu_is_given_to_a_job_that_asks_for_one(sandbox: Sandbox) -> None:
    job = submit(
        sandbox, "#!/bin/bash\necho $(hostname) $SLURM_JOB_GPUS\n", "-p", "gpu", "--gres=gpu:1", "-o", "gpu.%j"
    )
    until(lambda: state(sandbox, job) == "COMPLETED", 60, "the job completes")
    assert sandbox.run("cmd1", ["cat", f"/home/alice/gpu.{job}"], user="alice").stdout == "node3 0\n"


def test_a_partition_for_a_group_refuses_others(sandbox: Sandbox) -> None:
    done = ssh(sandbox, "cmd1", ["sudo", "-n", "-u", "bob", "sbatch", "-p", "group"], SLEEPER)
    assert done.returncode == 1
    assert "group not permitted" in done.stderr


def test_homes_are_private_and_shared_between_nodes(sandbox: Sandbox) -> None:
    assert sandbox.run("cmd1", ["touch", "/home/alice/mark"], user="alice").returncode == 0
    assert sandbox.run("node3", ["rm", "/home/alice/mark"], user="alice").returncode == 0
    assert sandbox.run("node3", ["ls", "/home/alice"], user="bob").returncode == 2
    assert sandbox.run("cmd1", ["test", "-e", "/home/homeless"]).returncode == 1


def test_nobody_on_a_node_sees_the_instances_keys_or_writes_this_machines_files(sandbox: Sandbox) -> None:
    assert sandbox.run("node1", ["ls", str(sandbox.folder)]).returncode == 2
    assert "Read-only" in sandbox.run("node1", ["touch", "/usr/planted"]).stderr


def test_the_outside_reaches_gateways_outer_addresses_and_nothing_else(sandbox: Sandbox) -> None:
    until(lambda: reaches(sandbox, "outside", sandbox.addresses["gw1"].outer))
    for name in ("gw1", "cmd1", "node1"):
        assert not reaches(sandbox, "outside", sandbox.addresses[name].inner)
    assert not reaches(sandbox, "outside", sandbox.addresses["node1"].fabric)


def test_compute_nodes_have_no_way_out(sandbox: Sandbox) -> None:
    routes = json.loads(sandbox.run("node1", ["ip", "-json", "route"]).stdout)
    assert {route["dst"] for route in routes} == {str(sandbox.topology.network(leg)) for leg in (Leg.INNER, Leg.FABRIC)}
    until(lambda: reaches(sandbox, "node1", sandbox.addresses["gw1"].fabric))


def test_names_lead_to_both_networks_of_a_node(sandbox: Sandbox) -> None:
    address = sandbox.addresses["node1"]
    found = [sandbox.run("gw1", ["getent", "ahostsv4", name]).stdout.split()[0] for name in ("node1", "node1-ib0")]
    assert found == [address.inner, address.fabric]


def test_a_pulled_cable_cuts_one_leg_only(sandbox: Sandbox) -> None:
    gateway = sandbox.addresses["gw2"]
    sandbox.partition("gw2", "outer")
    try:
        assert not reaches(sandbox, "outside", gateway.outer)
        until(lambda: reaches(sandbox, "cmd1", gateway.inner))
        assert {host.name: host.pulled for host in sandbox.status()}["gw2"] == ["outer"]
    finally:
        sandbox.heal("gw2")
    until(lambda: reaches(sandbox, "outside", gateway.outer), 60, "the outer leg answers again")


def test_a_reboot_empties_the_firewall_and_keeps_address_and_home(sandbox: Sandbox) -> None:
    sandbox.run("gw1", ["nft", "add", "table", "ip", "planted"])
    sandbox.run("gw1", ["touch", "/home/bwvisu/fence", "/tmp/gone"], user="bwvisu")
    assert "planted" in sandbox.run("gw1", ["nft", "list", "tables"]).stdout
    sandbox.reboot("gw1")
    until(lambda: reaches(sandbox, "outside", sandbox.addresses["gw1"].outer), 60, "sshd answers after the boot")
    assert sandbox.run("gw1", ["nft", "list", "ruleset"]).stdout == ""
    assert sandbox.run("gw1", ["ls", "/home/bwvisu", "/tmp"]).stdout.split() == ["/home/bwvisu:", "fence", "/tmp:"]
    sandbox.run("gw1", ["rm", "/home/bwvisu/fence"])


def test_a_paused_sshd_accepts_and_says_nothing(sandbox: Sandbox) -> None:
    until(lambda: greeting(sandbox, "cmd2") == b"SSH-")
    sandbox.pause("cmd2:sshd")
    try:
        assert greeting(sandbox, "cmd2") == b""
        assert {host.name: host.daemons for host in sandbox.status()}["cmd2"] == {"sshd": "paused"}
    finally:
        sandbox.resume("cmd2:sshd")
    until(lambda: greeting(sandbox, "cmd2") == b"SSH-", 60, "sshd greets again")


def test_a_stopped_command_node_is_gone_at_once_and_comes_back(sandbox: Sandbox) -> None:
    sandbox.stop("cmd2")
    try:
        assert not reaches(sandbox, "cmd1", sandbox.addresses["cmd2"].inner)
        with pytest.raises(SandboxError, match="cmd2 is not up"):
            sandbox.run("cmd2", ["true"])
    finally:
        sandbox.start("cmd2")
    until(lambda: ssh(sandbox, "cmd2", ["squeue"]).returncode == 0, 60, "the node serves again")


def test_slurmctld_comes_back_with_the_jobs_that_it_had_saved(sandbox: Sandbox) -> None:
    job = submit(sandbox, SLEEPER)
    until(lambda: state(sandbox, job) == "RUNNING", 60, "the job runs")
    sandbox.run("ctl", ["touch", "/run/disk/mark"])
    sandbox.run("ctl", ["scontrol", "update", f"job={job}", "comment=changed"])
    saved = ["find", "/run/disk/state/job_state", "-newer", "/run/disk/mark"]
    until(lambda: sandbox.run("ctl", saved).stdout != "", 60, "the change is saved, which takes up to 5 s")
    sandbox.stop("slurmctld")

    def back() -> bool:
        sandbox.start("slurmctld")  # again where it died at once: its port may not be free yet
        return state(sandbox, job) == "RUNNING"

    until(back, 60, "slurmctld knows it again")
    assert sandbox.run("ctl", ["squeue", "-h", "-j", job, "-o", "%k"]).stdout.strip() == "changed"
    cancel(sandbox, job)


def test_etcd_goes_on_without_one_member_and_takes_it_back(sandbox: Sandbox) -> None:
    argv, env = sandbox.etcd.etcdctl()

    def put() -> str:
        done = subprocess.run([*argv, "put", "/sandbox/x", "y"], env=env, capture_output=True, text=True, check=False)
        return done.stdout

    sandbox.stop("etcd2")
    try:
        until(lambda: put() == "OK\n", 60, "the other two commit; where it led, they elect first")
    finally:
        sandbox.start("etcd2")
    until(lambda: healthy(sandbox.etcd), 60, "all members commit")
    subprocess.run([*argv, "del", "/sandbox/x"], env=env, capture_output=True, check=True)


def test_the_command_line_shows_the_status_for_programs(sandbox: Sandbox) -> None:
    done = CliRunner().invoke(app, ["status", "--json", "--name", sandbox.topology.options.name])
    assert done.exit_code == 0, done.output
    hosts = {host["name"]: host for host in json.loads(done.output)}
    assert hosts["gw1"]["addresses"]["outer"] == sandbox.addresses["gw1"].outer
    assert {host["state"] for host in hosts.values()} == {"up"}


def test_a_program_on_a_host_ends_with_its_own_code(sandbox: Sandbox) -> None:
    name = sandbox.topology.options.name
    argv = [
        "exec",
        "--name",
        name,
        "node1",
        "--user",
        "alice",
        "--",
        "sh",
        "-c",
        'test "$(id -un)@$(hostname)" = alice@node1 && exit 7',
    ]
    assert CliRunner().invoke(app, argv).exit_code == 7

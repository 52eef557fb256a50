"""The doctor on the sandbox: it finds nothing on a healthy cluster, and each requirement that was broken on purpose.

Independent faults are made together, so that one examination finds many; what a fault's own line mends is mended by
that very line, and examined again.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from bwvisu.cli.local import LocalService, merge
from bwvisu.doctor.cluster import Wanted
from bwvisu.doctor.examine import Examination
from bwvisu.doctor.findings import ROOT, SUDOERS, Choice, Finding, Report, Verdict
from bwvisu.doctor.outside import Outside
from bwvisu.sandbox import Sandbox
from bwvisu.sandbox.setup import greets
from bwvisu.settings import load
from tests.support.cluster import whole_sandbox
from tests.support.program import PROGRAM, environment, piped
from tests.support.strange_tls import strange_tls
from tests.support.waiting import free_port, until
from tests.support.world import service_in

SPAN = "50000:50999"
KEEP = "cp /etc/sudoers.d/bwvisu /tmp/sudoers"
PUT_BACK = "cp /tmp/sudoers /etc/sudoers.d/bwvisu"


@dataclass(frozen=True)
class Break:
    """One requirement that is broken by a shell line of root's on a host, and what the doctor must say then."""

    host: str
    check: str
    breaks: str
    restores: str
    mend: str
    """Part of the line that the doctor must name."""
    by_its_line: bool = False
    """Whether the doctor's own line mends it here; ``restores`` then only tidies up."""


def hidden(path: str) -> tuple[str, str]:
    """Lines that take a program away, and bring it back."""
    return f"mount --bind /dev/null $(readlink -f {path})", f"umount $(readlink -f {path})"


def replaced(path: str, text: str) -> tuple[str, str]:
    """Lines that put a script in a program's place, of which ``/tmp/true-NAME`` is a copy, and bring it back."""
    name = Path(path).name
    make = f"cp $(readlink -f {path}) /tmp/true-{name}; printf '#!/bin/sh\\n{text}\\n' >/tmp/false-{name}"
    begin = (
        f"{make}; chmod 755 /tmp/true-{name} /tmp/false-{name}; mount --bind /tmp/false-{name} $(readlink -f {path})"
    )
    return begin, f"umount $(readlink -f {path})"


def sudoers(line: str) -> str:
    return f"{KEEP}; echo '{line}' >>/etc/sudoers.d/bwvisu"


HOSTS = (
    Break("cmd1", "sudo", f"{KEEP}; sed -i 's,/usr/bin/sbatch\\, ,,' /etc/sudoers.d/bwvisu", PUT_BACK, "/sbatch", True),
    Break("cmd2", "sudo-limits", sudoers("bwvisu ALL=(ALL) NOPASSWD: ALL"), PUT_BACK, "(%bwvisu-users)", True),
    Break("cmd1", "programs", *hidden("/usr/bin/sha256sum"), "apt-get install coreutils"),
    Break("cmd1", "version", *replaced("/usr/bin/sbatch", "echo slurm-wlm 20.02.1"), "apt-get install slurm-client"),
    Break("cmd2", "clock", *replaced("/bin/date", 'exec /tmp/true-date -d "+10 min" "$@"'), "timedatectl set-ntp true"),
    Break("gw1", "nc", *hidden("/usr/bin/nc"), "apt-get install netcat-openbsd"),
    Break(
        "gw1",
        "ip-forward",
        "sysctl -qw net.ipv4.ip_forward=0",
        "rm -f /etc/sysctl.d/90-bwvisu.conf",
        "sysctl -w net.ipv4.ip_forward=1",
        by_its_line=True,
    ),
    Break(
        "gw1",
        "accounting",
        "sysctl -qw net.netfilter.nf_conntrack_acct=0",
        "rm -f /etc/sysctl.d/90-bwvisu.conf",
        "sysctl -w net.netfilter.nf_conntrack_acct=1",
        by_its_line=True,
    ),
    Break(
        "gw1",
        "forward-policy",
        "iptables -P FORWARD DROP",
        "iptables -P FORWARD ACCEPT; iptables -F FORWARD",
        f"iptables -I FORWARD -p tcp -m conntrack --ctstate DNAT --ctorigdstport {SPAN} -j ACCEPT",
        by_its_line=True,
    ),
    Break(
        "gw1",
        "ports",
        "iptables -t nat -A PREROUTING -p tcp -m tcp --dport 50010 -j DNAT --to-destination 10.0.0.1:80",
        "iptables -t nat -F PREROUTING",
        "iptables -t nat -D PREROUTING",
        by_its_line=True,
    ),
    Break(
        "gw1", "sudo-limits", sudoers("bwvisu ALL=(root) NOPASSWD: /bin/sh"), PUT_BACK, "NOPASSWD: /usr/sbin/nft", True
    ),
    Break(
        "gw2",
        "sudo",
        f"{KEEP}; sed -i 's/conntrack/true/' /etc/sudoers.d/bwvisu",
        PUT_BACK,
        "/usr/sbin/conntrack",
        True,
    ),
    Break("gw2", "home", "chmod 500 /home/bwvisu", "chmod 700 /home/bwvisu", "chmod u+rwx ~bwvisu", True),
    Break("gw2", "programs", *hidden("/usr/bin/flock"), "apt-get install util-linux"),
    Break(
        "gw2",
        "ports",
        "nc -lk 50007 >/dev/null 2>&1 </dev/null & echo $! >/tmp/listener",
        'kill "$(cat /tmp/listener)"',
        "ss -ltnp",
    ),
)
"""Found by an examination without a test job."""
JOBS = (
    Break("node1", "python", *hidden("/usr/bin/python3"), "apt-get install python3"),
    Break(
        "node2",
        "reserved-ports",
        "sysctl -qw net.ipv4.ip_local_reserved_ports=",
        "rm -f /etc/sysctl.d/90-bwvisu.conf",
        "sysctl -w net.ipv4.ip_local_reserved_ports=50000-50999",
        by_its_line=True,
    ),
    Break(
        "node3",
        "keyhole",
        "iptables -I OUTPUT -p tcp --dport 2:65535 -d MIDDLEWARE --syn -j REJECT --reject-with tcp-reset",
        "iptables -F OUTPUT",
        "iptables -I OUTPUT -p tcp -d MIDDLEWARE -j ACCEPT",
        by_its_line=True,
    ),
    Break(
        "gw1",
        "reach",
        "sed 's/node2/elsewhere/g' /etc/hosts >/tmp/hosts; mount --bind /tmp/hosts /etc/hosts",
        "umount /etc/hosts",
        "echo 'ADDRESS node2' >>/etc/hosts",
    ),
    Break(
        "gw2",
        "outside",
        f"iptables -t raw -I PREROUTING -p tcp --dport {SPAN} -i outer -j DROP",
        "iptables -t raw -F PREROUTING",
        "forwards.port_range in to",
    ),
)
"""Found by test jobs on all three nodes; that on the second one is the first that is reached from outside."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Another one: what other tests leave is not to be found here, nor what is broken here by them."""
    with whole_sandbox(f"test-{os.getpid()}-doctor") as box:
        yield box


@pytest.fixture(scope="module")
def service(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    """Settings, and a keyhole that test jobs can reach."""
    with service_in(sandbox, tmp_path_factory.mktemp("doctor")) as service:
        service.start("keyhole")
        where = service.settings["keyhole"]
        until(lambda: _listens(where["host"], where["port"]), 60, "the keyhole listens")
        yield service


def _listens(host: str, port: int) -> bool:
    return subprocess.run(["nc", "-z", "-w", "1", host, str(port)], check=False).returncode == 0


def name_of(sandbox: Sandbox, host: str) -> str:
    """As the doctor names it: command nodes by what the settings name."""
    return str(sandbox.addresses[host].inner) if host.startswith("cmd") else host


def examined(config: Path, only: Sequence[str], **wanted: Any) -> Report:
    examination = Examination(load(config), Wanted(patience=180, **wanted), Choice(tuple(only)))
    return asyncio.run(examination.make(lambda _: None))


def found(report: Report, node: str, check: str) -> Finding:
    """The one fault of a check that may have been made for several jobs; or else the one finding."""
    findings = [
        one for each in report.examined for one in each.findings if (each.subject.name, one.check) == (node, check)
    ]
    [finding] = [one for one in findings if one.verdict is Verdict.FAULT] or findings
    return finding


def shell(sandbox: Sandbox, host: str, line: str) -> None:
    done = sandbox.run(host, ["sh", "-c", line.replace("MIDDLEWARE", sandbox.middleware_address)])
    assert done.returncode == 0, f"{host}: {line}: {done.stderr}"


@contextmanager
def broken(sandbox: Sandbox, breaks: Sequence[Break]) -> Iterator[None]:
    with ExitStack() as stack:
        for each in breaks:
            stack.callback(shell, sandbox, each.host, each.restores)
            shell(sandbox, each.host, each.breaks)
        yield


def mend(sandbox: Sandbox, host: str, finding: Finding) -> None:
    """Do what the doctor says."""
    assert finding.mend is not None
    if finding.mend.where == SUDOERS:
        done = sandbox.run(host, ["tee", SUDOERS], input="".join(f"{line}\n" for line in finding.mend.lines))
        assert done.returncode == 0
        return
    assert finding.mend.where == ROOT
    for line in finding.mend.lines:
        shell(sandbox, host, line)


def check_each(sandbox: Sandbox, report: Report, breaks: Sequence[Break]) -> None:
    """Each is found, with the line that mends it; those that their line mends here are mended."""
    for each in breaks:
        finding = found(report, name_of(sandbox, each.host), each.check)
        assert finding.verdict is Verdict.FAULT, f"{each.host}/{each.check}: {finding}"
        assert finding.mend is not None
        wanted = each.mend.replace("MIDDLEWARE", sandbox.middleware_address)
        assert any(wanted in line for line in finding.mend.lines), f"{each.host}/{each.check}: {finding.mend}"
        if each.by_its_line:
            mend(sandbox, each.host, finding)


def test_nothing_is_found_on_a_healthy_cluster_and_nothing_is_left(sandbox: Sandbox, service: LocalService) -> None:
    command = ("doctor", "--config", str(service.config), "--user", "alice", "--outside", "here", "--wait", "180")
    for _ in range(3):  # beside other suites sshd may let nobody in for half a minute, and the doctor has to say so
        done = piped(*command, "--json")
        told = json.loads(done.stdout)
        if done.returncode == 0:
            break
    assert [row for row in told["findings"] if row["verdict"] != "ok"] == []
    assert (done.returncode, told["verdict"]) == (0, "ok")
    assert {row["check"] for row in told["findings"]} >= {each.check for each in (*HOSTS, *JOBS)}
    until(lambda: left_behind(sandbox) == [], 60, "nothing of the doctor is left")  # Slurm may still be completing


def left_behind(sandbox: Sandbox) -> list[str]:
    """What of a doctor is there: jobs, files of the person, rules and files of gateways."""
    # Other tests' leaders have locks there, which are empty files.
    gateway = (
        "nft list tables | grep doctor; ls -AR /home/bwvisu | grep doctor; find /home/bwvisu/.bwvisu -type d -empty"
    )
    looks = {
        "cmd1": "squeue --noheader --format %j | grep doctor; ls -A /home/alice /home/bwvisu | grep -i doctor",
        "gw1": gateway,
        "gw2": gateway,
    }
    return [line for host, look in looks.items() for line in sandbox.run(host, ["sh", "-c", look]).stdout.splitlines()]


def test_each_requirement_of_hosts_that_is_broken_is_found(sandbox: Sandbox, service: LocalService) -> None:
    with broken(sandbox, HOSTS), few_sessions(sandbox, "cmd2"):
        only = [f"{name_of(sandbox, each.host)}/{each.check}" for each in HOSTS]
        sessions = f"{name_of(sandbox, 'cmd2')}/sessions"
        report = examined(service.config, [*only, sessions])
        check_each(sandbox, report, HOSTS)
        few = found(report, name_of(sandbox, "cmd2"), "sessions")
        assert (few.verdict, few.detail) == (Verdict.FAULT, "only 3 of 6 sessions at once on one connection")
        mended = [name for name, each in zip(only, HOSTS, strict=True) if each.by_its_line]
        again = examined(service.config, mended)
        assert [one for _, one in again.with_verdict(Verdict.FAULT)] == []
        assert len(again.with_verdict(Verdict.OK)) == len(mended)


@contextmanager
def few_sessions(sandbox: Sandbox, host: str) -> Iterator[None]:
    def restart(most: int) -> None:
        shell(sandbox, host, f"sed -i 's/^MaxSessions.*/MaxSessions {most}/' /etc/ssh/bwvisu_sshd_config")
        sandbox.stop(f"{host}:sshd")
        sandbox.start(f"{host}:sshd")
        until(lambda: greets(name_of(sandbox, host)), 30, "sshd greets")

    restart(3)
    try:
        yield
    finally:
        restart(10)


def test_each_requirement_of_a_job_that_is_broken_is_found(sandbox: Sandbox, service: LocalService) -> None:
    wanted = {"user": "alice", "on": ("node2", "node1", "node3"), "outside": Outside()}
    only = [f"{each.host}/{each.check}" for each in JOBS]
    with broken(sandbox, JOBS):
        report = examined(service.config, [*only, "compute-node/cancel"], **wanted)
        check_each(sandbox, report, JOBS)
        mended = [f"{each.host}/{each.check}" for each in JOBS if each.by_its_line]
        elsewhere = Outside.parse(f"bwvisu@{sandbox.addresses['gw2'].inner}")
        again = examined(
            service.config, [*mended, "gw1/outside"], user="alice", on=("node2", "node3"), outside=elsewhere
        )
        assert (again.verdict, found(again, "gw1", "outside").verdict) == (Verdict.OK, Verdict.OK), again
    until(lambda: left_behind(sandbox) == [], 60, "nothing of the doctor is left")  # Slurm may still be completing


def test_a_doctor_that_is_told_to_end_takes_its_job_away_first(sandbox: Sandbox, service: LocalService) -> None:
    # Addresses that do not answer keep the job looking around for a while.
    unheard = [f"http://10.255.255.{number}:1" for number in range(1, 5)]
    config = configured(service, service.folder / "unheard", {"keyhole": {"public_urls": unheard}})
    argv = [str(PROGRAM), "doctor", "--config", str(config), "--user", "alice", "--only", "compute-node"]
    with subprocess.Popen(argv, env=environment(), stdout=subprocess.DEVNULL) as process:
        # Before that its script may still have to remove the log that Slurm made: nobody else can.
        until(lambda: looks_around(sandbox), 60, "the test job looks around")
        process.terminate()
        assert process.wait(120) == 130
    queue = ["squeue", "--noheader", "--format", "%j"]
    until(lambda: "doctor" not in sandbox.run("cmd1", queue).stdout, 60, "the job is gone")  # Slurm may be completing


def looks_around(sandbox: Sandbox) -> bool:
    witness = ["pgrep", "-f", "^python3 -I - "]
    return any(sandbox.run(node, witness).returncode == 0 for node in ("node1", "node2", "node3"))


@pytest.mark.parametrize(
    ("user", "mend"),
    [
        ("mallory", "usermod -aG bwvisu-users mallory"),
        ("homeless", "install -d -m 700 -o 20005 -g 20005 /home/homeless"),
        ("stranger", "getent passwd stranger"),
        ("www-data", "users: {minimum_uid: 33}"),
    ],
)
def test_who_cannot_be_served_is_told(service: LocalService, user: str, mend: str) -> None:
    report = examined(service.config, ["command-node/user"], user=user)
    faults = report.with_verdict(Verdict.FAULT)
    assert len(faults) == 2
    assert all(one.mend is not None and mend in one.mend.lines[0] for _, one in faults)


def configured(service: LocalService, folder: Path, change: Mapping[str, Any]) -> Path:
    """The service's settings with others laid over them."""
    folder.mkdir(exist_ok=True)
    path = folder / "bwvisu.yaml"
    path.write_text(yaml.safe_dump(merge(service.settings, change)))
    return path


def test_keys_that_are_wrong_are_told(sandbox: Sandbox, service: LocalService, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    (tmp_path / "known_hosts").write_text("")
    strange = {"clusters": {"main": {"ssh": {"key_file": str(tmp_path / "key")}}}}
    unknown = {"clusters": {"main": {"ssh": {"known_hosts": str(tmp_path / "known_hosts")}}}}
    refused = found(examined(configured(service, tmp_path, strange), ["gw1"]), "gw1", "ssh")
    assert refused.mend is not None
    assert (refused.verdict, "authorized_keys" in refused.mend.lines[0]) == (Verdict.FAULT, True)
    unverified = found(examined(configured(service, tmp_path, unknown), ["gw1"]), "gw1", "ssh")
    assert unverified.mend is not None
    assert unverified.mend.lines[0].startswith(f"ssh-keyscan -p 22 {sandbox.addresses['gw1'].inner} >>{tmp_path}")


def test_an_etcd_that_is_not_well_is_told(service: LocalService, tmp_path: Path) -> None:
    [good, *_] = service.settings["etcd"]["endpoints"]
    dead = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    report = examined(configured(service, tmp_path, {"etcd": {"endpoints": [good, *dead]}}), ["etcd"])
    assert found(report, "etcd", "quorum").verdict is Verdict.FAULT
    assert [found(report, each, "answers").verdict for each in dead] == [Verdict.FAULT, Verdict.FAULT]
    assert found(report, good, "answers").verdict is Verdict.OK


def test_a_keyhole_that_jobs_do_not_reach_is_told_by_the_step_that_fails(
    sandbox: Sandbox, service: LocalService, tmp_path: Path
) -> None:
    with strange_tls(sandbox.middleware_address, tmp_path) as url:
        for one, words, mend_line in (
            (url, "tls: ", "ca_file"),
            ("http://nowhere.example:4243", "name: ", ">>/etc/hosts"),
        ):
            config = configured(service, tmp_path, {"keyhole": {"public_urls": [one]}})
            finding = found(examined(config, ["node1/keyhole"], user="alice", on=("node1",)), "node1", "keyhole")
            assert finding.mend is not None
            assert (finding.verdict, words in finding.detail) == (Verdict.FAULT, True), finding
            assert mend_line in finding.mend.lines[0]

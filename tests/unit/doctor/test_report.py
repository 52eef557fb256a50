"""The test job's words, etcd, choices, and what the program makes of them."""

import ast
import asyncio
import base64
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
import typer
import yaml

from bwvisu.adapters.etcd import MemberHealth
from bwvisu.cli import doctor
from bwvisu.cli.doctor import document, until_told_to_end
from bwvisu.doctor import batch, compute_node, etcd
from bwvisu.doctor.batch import Config, Seen
from bwvisu.doctor.cluster import Wanted
from bwvisu.doctor.examine import Examination
from bwvisu.doctor.findings import ROOT, Choice, Examined, Report, Subject, Verdict, fault, ok, skipped, unknown
from bwvisu.doctor.outside import Outside
from bwvisu.errors import UserError
from bwvisu.settings import EtcdSettings, EtcdTlsSettings, load
from tests.support.program import piped

GATEWAY = Subject("gateway", "gw1", "main")
SEEN = Seen("node1", "3.11.2", 100, span=(32768, 60999), kept="50000-50999", port=50001, keyhole=("",))
URLS = ("https://keyhole.example:4243",)


def judged(**changes: object) -> dict[str, Verdict]:
    fields = {name: getattr(SEEN, name) for name in Seen.__slots__}
    seen = Seen(**{**fields, **changes})
    return {one.check: one.verdict for one in compute_node.judge(seen, URLS, (50000, 50999), "/home/a", 99, 101)}


def test_a_good_compute_node() -> None:
    assert set(judged().values()) == {Verdict.OK}
    assert judged(kept="22,40000-60000")["reserved-ports"] is Verdict.OK
    assert judged(kept="", span=(32768, 49999))["reserved-ports"] is Verdict.OK


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"python": "3.5.3"}, "python"),
        ({"home": False}, "home"),
        ({"log": False}, "log"),
        ({"clock": 300}, "clock"),
        ({"kept": "50000-50500"}, "reserved-ports"),
        ({"keyhole": ("name: unknown",)}, "keyhole"),
        ({"keyhole": ("connect: refused",)}, "keyhole"),
        ({"keyhole": ("tls: self-signed",)}, "keyhole"),
        ({"keyhole": ("answer: status 502",)}, "keyhole"),
    ],
)
def test_what_a_compute_node_lacks_is_told(changes: dict[str, object], check: str) -> None:
    found = judged(**changes)
    assert [name for name, verdict in found.items() if verdict is not Verdict.OK] == [check]
    assert found[check] is Verdict.FAULT


def test_without_python_the_rest_is_not_called_well() -> None:
    found = judged(python="")
    assert found.pop("python") is Verdict.FAULT
    assert set(found.values()) == {Verdict.UNKNOWN}


def test_a_jobs_comment_is_read() -> None:
    told = {
        "node": "n",
        "python": "3.9.1",
        "clock": 7,
        "home": True,
        "log": False,
        "span": "1 2",
        "kept": "",
        "port": 5,
    }
    text = base64.urlsafe_b64encode(json.dumps({**told, "keyhole": {"1": "connect: no"}}).encode()).decode()
    record = f"JobId=1 BatchHost=node1 Comment={batch.MARK}{text} StdErr=/x"
    seen = batch.read(record, 2)
    assert seen == Seen("node1", "3.9.1", 7, True, False, (1, 2), "", 5, ("", "connect: no"))
    assert batch.read("JobId=1 BatchHost=node1 Comment=something-else", 2) is None
    assert batch.read(f"BatchHost=n Comment={batch.MARK}{batch.NO_PYTHON} ", 2) == Seen("n", "")
    with pytest.raises(ValueError, match="cannot be read"):
        batch.read(f"Comment={batch.MARK}AAAA ", 2)


def test_the_batch_script_is_a_shells_and_its_text_pythons() -> None:
    text = batch.script(Config("/home/o'brien", URLS, "PEM\n", (50000, 50999)))
    subprocess.run(["sh", "-n"], input=text, check=True)
    program = text.decode().split("<<'BWVISU_DOCTOR'\n")[1].removesuffix("BWVISU_DOCTOR\n")
    ast.parse(program, feature_version=(3, 7))


def test_a_quorum_is_a_majority_that_knows_a_leader() -> None:
    well, away = MemberHealth("a:1", "3.5.1", has_leader=True), MemberHealth("b:1", error="UNAVAILABLE")
    assert etcd.judge_quorum([well, well, away]).verdict is Verdict.OK
    assert etcd.judge_quorum([well, away, away]).verdict is Verdict.FAULT
    assert etcd.judge_quorum([MemberHealth("a:1", "3.5.1")]).verdict is Verdict.FAULT
    assert [one.check for one in etcd.judge_member(away) if one.verdict is Verdict.FAULT] == ["answers"]
    old = MemberHealth("a:1", "3.4.9", has_leader=True, alarms=("NOSPACE",))
    assert [one.check for one in etcd.judge_member(old) if one.verdict is Verdict.FAULT] == ["version", "alarms"]


def test_an_etcd_elsewhere_is_not_spoken_to_in_the_clear() -> None:
    assert etcd.judge_tls(EtcdSettings(endpoints=("127.0.0.1:2379",))).verdict is Verdict.OK
    assert etcd.judge_tls(EtcdSettings(endpoints=("etcd.example:2379",))).verdict is Verdict.FAULT
    tls = EtcdTlsSettings(ca_file=Path("/ca"))
    assert etcd.judge_tls(EtcdSettings(endpoints=("etcd.example:2379",), tls=tls)).verdict is Verdict.OK


def test_a_record_that_cannot_be_read_may_own_any_port() -> None:
    record = json.dumps({"job_id": "j", "grants": []}).encode()
    assert etcd.used_ports([record]) == set()
    assert etcd.used_ports([record, b"damaged"]) is None


async def test_files_of_etcds_that_are_not_there_are_told(tmp_path: Path) -> None:
    tls = EtcdTlsSettings(ca_file=tmp_path / "nowhere")
    [examined], ports = await etcd.examine(EtcdSettings(endpoints=("127.0.0.1:1",), tls=tls))
    assert ([one.verdict for one in examined.findings], ports) == ([Verdict.UNKNOWN], None)


@pytest.mark.parametrize(
    ("patterns", "kept"),
    [
        ((), ["nc", "ports"]),
        (("gw1",), ["nc", "ports"]),
        (("gw*/p*",), ["ports"]),
        (("gateway/nc",), ["nc"]),
        (("gw2", "command-node"), []),
    ],
)
def test_checks_are_chosen_by_node_kind_and_name(patterns: tuple[str, ...], kept: list[str]) -> None:
    choice = Choice(patterns)
    examined = choice.kept(Examined(GATEWAY, (ok("nc"), ok("ports"))))
    assert [one.check for one in examined.findings] == kept
    assert choice.subject(GATEWAY) is bool(kept)


def test_the_worst_counts() -> None:
    def worst(*findings: object) -> Verdict:
        return Report((Examined(GATEWAY, findings),)).verdict  # type: ignore[arg-type]

    assert worst(ok("a"), skipped("b", "")) is Verdict.OK
    assert worst(ok("a"), unknown("b", "")) is Verdict.UNKNOWN
    assert worst(unknown("b", ""), fault("c", "", ROOT, "x")) is Verdict.FAULT


def test_the_document_for_programs() -> None:
    report = Report((Examined(GATEWAY, (ok("nc", "works"), fault("ports", "taken", ROOT, "ss -ltnp"))),))
    row = {"cluster": "main", "kind": "gateway", "node": "gw1"}
    assert document(report) == {
        "version": 1,
        "verdict": "fault",
        "findings": [
            {**row, "check": "nc", "verdict": "ok", "detail": "works", "mend": None},
            {
                **row,
                "check": "ports",
                "verdict": "fault",
                "detail": "taken",
                "mend": {"where": "root", "lines": ["ss -ltnp"]},
            },
        ],
    }


def test_a_second_signal_does_not_end_the_tidying(monkeypatch: pytest.MonkeyPatch) -> None:
    tidied = []

    async def work() -> Report:
        heard = asyncio.Event()
        monkeypatch.setattr(doctor, "hint", lambda _: heard.set())
        try:
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), signal.SIGHUP)
            await heard.wait()
            tidied.append("all")
        return Report()

    with pytest.raises(typer.Exit) as ended:
        asyncio.run(until_told_to_end(work))
    assert (ended.value.exit_code, tidied) == (130, ["all"])


def test_places_outside() -> None:
    assert Outside.parse("here").node is None
    assert str(Outside.parse("me@[2001:db8::1]:2222").node) == "me@2001:db8::1:2222"
    for nonsense in ("there", "host", "me@", "me@host:port", "-o@x y"):
        with pytest.raises(UserError):
            Outside.parse(nonsense)


def configured(folder: Path) -> Path:
    gateway = {"name": "gw1", "host": "gw1", "user": "bwvisu", "internal_ip": "10.0.0.1", "external_ip": "192.0.2.1"}
    cluster = {
        "ssh": {"key_file": "/k", "known_hosts": "/h"},
        "command_nodes": [{"host": each, "user": "bwvisu"} for each in ("login1", "login2")],
        "gateways": [gateway, {**gateway, "name": "six", "internal_ip": "fd00::1", "external_ip": "2001:db8::1"}],
        "forwards": {"backend": "iptables"},
        "compute_networks": ["10.0.0.0/24", "fd00::/64"],
    }
    settings = {"clusters": {"main": cluster}, "keyhole": {"public_urls": ["https://keyhole.example"]}}
    path = folder / "bwvisu.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


async def test_what_was_chosen_and_not_tried_is_not_called_well(tmp_path: Path) -> None:
    examination = Examination(load(configured(tmp_path)), Wanted(), Choice(("gw7/nc",)))
    report = await examination.make(lambda _: None)
    assert [subject.name for subject, _ in report.with_verdict(Verdict.UNKNOWN)] == ["gw7/nc"]


def test_the_program_prints_the_files_for_sudo_and_asks_nobody(tmp_path: Path) -> None:
    done = piped("doctor", "--print-sudoers", "--config", str(configured(tmp_path)), "--users-group", "hpc")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "# /etc/sudoers.d/bwvisu on login1, login2\n"
        "bwvisu ALL=(%hpc) NOPASSWD: /usr/bin/sbatch, /usr/bin/scancel\n"
        "\n"
        "# /etc/sudoers.d/bwvisu on gw1\n"
        "bwvisu ALL=(root) NOPASSWD: /usr/sbin/iptables-save, /usr/sbin/iptables-restore, /usr/sbin/conntrack, "
        "/usr/sbin/ip6tables-save, /usr/sbin/ip6tables-restore\n"
    )

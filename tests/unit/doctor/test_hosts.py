"""What is judged of every machine, of command nodes and of gateways, from what they said."""

from pathlib import Path

import pytest

from bwvisu.adapters.slurm.rights import command_node as rights
from bwvisu.adapters.ssh import Completed, Node
from bwvisu.doctor import command_node, facts, firewall, gateway, login
from bwvisu.doctor.command_node import Asked
from bwvisu.doctor.facts import NotSaid, Said
from bwvisu.doctor.findings import Finding, Verdict, ok
from bwvisu.domain.observation import CouldNotLook, Look, NotStarted, SlurmConfig, Unknown
from keyhole.domain import ForwardPolicy, Gateway
from keyhole.gateway import Unanswered
from keyhole.nat.model import Listing
from tests.unit.doctor.test_sudo import COMMAND_NODE, GATEWAY

NODE = Node("cmd1", "bwvisu")
KEY, HOSTS = Path("/k"), Path("/h")
POLICY = ForwardPolicy(compute_networks=(), first_port=50000, last_port=50999)
CONFIG = SlurmConfig("c", "22.05.8", 300, (), accounting=False)
GOOD = {
    "paths": Said(0, "sbatch=/usr/bin/sbatch\nscancel=/usr/bin/scancel"),
    "sudo": Said(0, COMMAND_NODE),
    "shell": Said(1, ""),
    "root": Said(1, ""),
    "scontrol": Said(0, ""),
    "sacct": Said(1, ""),
    "version": Said(0, "slurm-wlm 22.05.8"),
    "entry": Said(0, "alice:x:20001:20001::/home/alice:/bin/bash"),
    "sbatch": Said(0, ""),
    "scancel": Said(0, ""),
    "home": Said(0, "directory"),
}
ASKED = Asked("bwvisu", "alice", "bwvisu-users", 1000, True, rights(None, "slurm"))


def verdicts(found: list[Finding]) -> dict[str, Verdict]:
    return {each.check: each.verdict for each in found}


def only(found: list[Finding], check: str) -> Finding:
    [finding] = [each for each in found if each.check == check]
    return finding


def test_an_answer_is_taken_whole_or_not_at_all() -> None:
    whole = b"noise\n== m clock 0\n17\n== m sudo 1\nsudo: no\n== other x 0\n== m end 0\n"
    read = facts.read(Completed(0, whole, b""), "m")
    assert read == {"clock": Said(0, "17"), "sudo": Said(1, "sudo: no\n== other x 0"), "end": Said(0, "")}
    assert isinstance(facts.read(Completed(0, whole[:-11], b""), "m"), NotSaid)
    assert facts.read(Completed(127, b"", b"sh: timeout: not found"), "m") == NotSaid(
        "the answer is cut off (exit status 127) sh: timeout: not found", lacks_timeout=True
    )
    assert facts.read(Unknown("gone"), "m") == NotSaid("gone")


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("bwvisu@cmd1:22: its host key is not the known one (x)", "ssh-keyscan -p 22 cmd1 >>/h"),
        ("bwvisu@cmd1:22: Permission denied for user bwvisu", "ssh-keygen -y -f /k"),
        ("bwvisu@cmd1:22: [Errno 2] No such file: '/k'", "ls -l /k"),
        ("bwvisu@cmd1:22: [Errno 111] Connect call failed", "systemctl enable --now ssh"),
    ],
)
def test_who_does_not_get_in_is_told_why(reason: str, line: str) -> None:
    finding = login.judge_entry(NotStarted(reason), NODE, KEY, HOSTS)
    assert finding.mend is not None
    assert (finding.verdict, finding.mend.lines[0].startswith(line)) == (Verdict.FAULT, True)


def test_a_clock_is_judged_by_when_it_was_read() -> None:
    assert login.judge_clock("100", 99.0, 103.0).verdict is Verdict.OK
    assert login.judge_clock("129.5", 99.0, 103.0).verdict is Verdict.OK
    assert login.judge_clock("140", 99.0, 103.0).detail == "differs from ours by 36 s (ahead)"
    assert login.judge_clock("10", 99.0, 103.0).detail == "differs from ours by 88 s (behind)"
    assert login.judge_clock("soon", 99.0, 103.0).verdict is Verdict.UNKNOWN


def test_sessions_that_could_not_be_counted_are_no_fault() -> None:
    assert login.judge_sessions(6, "", 6).verdict is Verdict.OK
    assert login.judge_sessions(2, "cmd1: not within 30 s", 6).verdict is Verdict.UNKNOWN
    assert login.judge_sessions(2, "cmd1: no session: open failed", 6).verdict is Verdict.FAULT


def test_a_good_command_node() -> None:
    found = [*command_node.judge_sudo(GOOD, ASKED), *command_node.judge_user(GOOD, ASKED)]
    found += command_node.judge_slurm(CONFIG, Look({}, 0, 1, 0), GOOD)
    assert set(verdicts(found).values()) == {Verdict.OK}


@pytest.mark.parametrize(
    ("said", "check", "line"),
    [
        (
            {"sudo": Said(1, "sudo: a password is required")},
            "sudo",
            "bwvisu ALL=(%bwvisu-users) NOPASSWD: /usr/bin/sbatch",
        ),
        ({"scontrol": Said(1, "")}, "sudo", "bwvisu ALL=(%bwvisu-users)"),
        ({"shell": Said(0, "/bin/sh")}, "sudo-limits", "bwvisu ALL=(%bwvisu-users)"),
        ({"root": Said(0, "/usr/bin/sbatch")}, "sudo-limits", "bwvisu ALL=(%bwvisu-users)"),
        ({"sbatch": Said(1, "")}, "user", "usermod -aG bwvisu-users alice"),
        ({"entry": Said(2, "")}, "user", "getent passwd alice"),
        ({"entry": Said(0, "alice:x:7:7::/home/alice:/bin/sh")}, "user", "users: {minimum_uid: 7}"),
        ({"home": Said(1, "stat: No such file or directory")}, "user", "install -d -m 700 -o 20001 -g 20001 /home"),
        ({"home": Said(0, "regular file")}, "user", "install -d -m 700 -o 20001 -g 20001 /home/alice"),
        ({"version": Said(0, "slurm 21.08.1")}, "version", "apt-get install slurm-client"),
        ({"version": Said(0, "slurm 23.11.1")}, "version", "apt-get install slurm-client=22.05.8*"),
    ],
)
def test_what_a_command_node_lacks_is_told(said: dict[str, Said], check: str, line: str) -> None:
    seen = {**GOOD, **said}
    found = [*command_node.judge_sudo(seen, ASKED), *command_node.judge_user(seen, ASKED)]
    found += command_node.judge_slurm(CONFIG, Look({}, 0, 1, 0), seen)
    finding = only(found, check)
    assert finding.mend is not None
    assert (finding.verdict, finding.mend.lines[0].startswith(line)) == (Verdict.FAULT, True), finding


def test_a_home_that_is_hidden_from_the_service_is_not_called_absent() -> None:
    [finding] = command_node.judge_user({**GOOD, "home": Said(1, "stat: Permission denied")}, ASKED)
    assert finding.verdict is Verdict.UNKNOWN


def test_slurm_that_could_not_be_asked_is_not_called_well() -> None:
    assert verdicts(command_node.judge_slurm(CouldNotLook("it hangs", 0), CouldNotLook("", 0), GOOD)) == {
        "slurm": Verdict.UNKNOWN
    }
    found = command_node.judge_slurm(CONFIG, CouldNotLook("squeue did not end", 0), GOOD)
    assert only(found, "jobs").verdict is Verdict.UNKNOWN
    hidden = command_node.judge_slurm(CONFIG, CouldNotLook("the site hides other users' jobs (PrivateData)", 0), GOOD)
    assert only(hidden, "jobs").verdict is Verdict.FAULT
    brief = SlurmConfig("c", "22.05.8", 60, (), accounting=True)
    found = command_node.judge_slurm(brief, Look({}, 0, 1, 0), GOOD)
    assert (only(found, "job-age").verdict, only(found, "sacct").verdict) == (Verdict.FAULT, Verdict.FAULT)


GATEWAY_SAID = {
    "paths": Said(0, "nc=/usr/bin/nc\nconntrack=/usr/sbin/conntrack\nnft=/usr/sbin/nft"),
    "uid": Said(0, "20000"),
    "sudo": Said(0, GATEWAY),
    "shell": Said(1, ""),
    **{f"may-{each}": Said(0, "") for each in ("nft", "conntrack", "iptables-save", "iptables-restore")},
    "parallel": Said(0, "b\na"),
    "home": Said(0, ""),
    "disk": Said(0, "ext2/ext3"),
    "nc": Said(0, ""),
    "forward": Said(0, "1"),
    "acct": Said(0, "1"),
    "conntrack": Said(0, ""),
}
OWN = Gateway("gw1", "10.0.0.1", "192.0.2.1")


def judged(said: dict[str, Said], own: Gateway = OWN, policy: ForwardPolicy = POLICY) -> list[Finding]:
    return [one for judge in gateway.JUDGES for one in judge({**GATEWAY_SAID, **said}, gateway.Asked(own, policy, "b"))]


def test_a_good_gateway() -> None:
    assert set(verdicts(judged({})).values()) == {Verdict.OK}


@pytest.mark.parametrize(
    ("said", "check", "line"),
    [
        ({"forward": Said(0, "0")}, "ip-forward", "sysctl -w net.ipv4.ip_forward=1"),
        ({"acct": Said(1, "cat: no such file")}, "accounting", "sysctl -w net.netfilter.nf_conntrack_acct=1"),
        ({"disk": Said(0, "tmpfs")}, "home", "usermod -m -d"),
        ({"nc": Said(1, "nc: invalid option")}, "nc", "apt-get install netcat-openbsd"),
        ({"parallel": Said(1, "xargs: invalid option")}, "xargs", "apt-get install findutils"),
        ({"conntrack": Said(1, "sudo: a password is required")}, "conntrack", "b ALL=(root) NOPASSWD:"),
        ({"may-conntrack": Said(1, "")}, "sudo", "b ALL=(root) NOPASSWD:"),
    ],
)
def test_what_a_gateway_lacks_is_told(said: dict[str, Said], check: str, line: str) -> None:
    finding = only(judged(said), check)
    assert finding.mend is not None
    assert (finding.verdict, finding.mend.lines[0].startswith(line)) == (Verdict.FAULT, True), finding


def test_one_filter_is_enough_where_either_will_do() -> None:
    without_iptables = {f"may-{each}": Said(1, "") for each in ("iptables-save", "iptables-restore")}
    assert only(judged(without_iptables), "sudo").verdict is Verdict.OK
    assert only(judged({**without_iptables, "may-nft": Said(1, "")}), "sudo").verdict is Verdict.FAULT


def test_an_account_without_sudo_must_be_root() -> None:
    root = Gateway("gw1", "10.0.0.1", "192.0.2.1", sudo="")
    assert only(judged({}, root), "sudo").verdict is Verdict.FAULT
    assert only(judged({"uid": Said(0, "0")}, root), "sudo").verdict is Verdict.OK


MAPS = "# id (file) description\n-1 (/etc/haproxy/bwv-abcd1234.map) pattern loaded from file\n"


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (MAPS, "HAProxy answers, and has a map of ours"),
        ("# id (file) description\n", "HAProxy has no map of ours"),
        ("nc: unix connect failed", "HAProxy does not answer at /run/s: nc: unix connect failed"),
    ],
)
def test_a_proxy_is_asked_for_its_map(text: str, detail: str) -> None:
    own = Gateway("gw1", "10.0.0.1", "192.0.2.1", proxy_socket="/run/s")
    finding = gateway.judge_proxy({"proxy": Said(0, text)}, own)
    assert (finding.detail, finding.verdict is Verdict.OK) == (detail, text is MAPS)


FREE = "  sl  local_address rem_address   st\n   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:0\n"
LISTENER = "   1: 00000000:C357 00000000:0000 0A 00000000:00000000 00:0\n"
CLIENT = "   2: 15004D0A:C358 01004D0A:A7B6 01 000000A4:00000000 01:0\n"
LOCAL = "   3: 0100007F:C359 00000000:0000 0A 00000000:00000000 00:0\n"
DROPPING = """\
table inet site {
	chain forward {
		type filter hook forward priority filter; policy drop;
		RULES
	}
}
"""


def filtered(listing: Listing | Unanswered, listening: str = FREE, dropping: str = "") -> dict[str, Finding]:
    said = {"listening": Said(0, listening), "dropping": Said(0, dropping)}
    return {each.check: each for each in firewall.judge(listing, said, POLICY, 4)}


def listing(nat: str = "", filter_: str = ":FORWARD ACCEPT [0:0]", *, nft: bool = True) -> Listing:
    return Listing(nft, None, nat, filter_)


def test_ports_that_others_have_are_told() -> None:
    assert firewall.listeners(FREE + LISTENER + CLIENT + LOCAL) == {22, 50007}
    assert filtered(listing(), FREE + CLIENT + LOCAL)["ports"].verdict is Verdict.OK
    assert filtered(listing(), FREE + LISTENER)["ports"].detail == "somebody listens on 50007 of 50000-50999"
    rule = "-A PREROUTING -p tcp -m tcp --dport 50010 -j DNAT --to-destination 10.0.0.1:80"
    foreign = filtered(listing(rule))["ports"]
    assert foreign.mend is not None
    assert foreign.mend.lines == (f"iptables -t nat -D{rule.removeprefix('-A')}",)
    ours = rule.replace("PREROUTING", "bwv-abcd1234-pre")
    assert filtered(listing(ours))["ports"].verdict is Verdict.OK


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        ("", Verdict.FAULT),
        ("ct state established accept", Verdict.UNKNOWN),
        ("meta l4proto tcp ct status dnat ct original proto-dst 50000-50999 accept", Verdict.OK),
    ],
)
def test_a_chain_of_the_sites_that_drops_is_judged_by_its_rules(rules: str, verdict: Verdict) -> None:
    assert filtered(listing(), dropping=DROPPING.replace("RULES", rules))["forward-policy"].verdict is verdict


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        ("", Verdict.FAULT),
        ("-A FORWARD -j DOCKER-USER\n", Verdict.UNKNOWN),
        ("-A FORWARD -p tcp -m conntrack --ctstate DNAT --ctorigdstport 50000:50999 -j ACCEPT\n", Verdict.OK),
    ],
)
def test_iptables_forward_that_drops_is_judged_by_its_rules(rules: str, verdict: Verdict) -> None:
    drops = f"*filter\n:FORWARD DROP [0:0]\n{rules}COMMIT"
    assert filtered(listing(filter_=drops))["forward-policy"].verdict is verdict
    assert filtered(listing(filter_=drops, nft=False))["forward-policy"].verdict is Verdict.OK  # the driver's own rule


def test_a_filter_that_could_not_be_asked_is_not_called_well() -> None:
    assert filtered(Unanswered("no answer in time"))["filter"].verdict is Verdict.UNKNOWN
    assert filtered(Unanswered("neither nft nor iptables-save works here, ..."))["filter"].verdict is Verdict.FAULT
    assert "forward-policy" not in filtered(Unanswered("no answer in time"))


def test_a_packet_that_passed_proves_more_than_rules() -> None:
    doubt = filtered(listing(), dropping=DROPPING.replace("RULES", "ct state established accept"))["forward-policy"]
    assert firewall.settled([doubt]) == (doubt,)
    assert firewall.settled([doubt, ok("outside")])[0].verdict is Verdict.OK

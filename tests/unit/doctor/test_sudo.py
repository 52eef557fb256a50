"""What sudo lists is read, what is missing or too much is told, and the lines that we print are the ones we need."""

import re
from importlib.resources import files

import pytest

from bwvisu.adapters.slurm import extend, look, rights
from bwvisu.adapters.slurm.rights import TIME_LIMIT, USERS, Right, command_node
from bwvisu.doctor import sudo
from keyhole import scripts
from keyhole.scripts import ROOT_PROGRAMS

HEAD = """\
Matching Defaults entries for bwvisu on cmd1:
    env_reset, mail_badpass, secure_path=/usr/local/sbin\\:/usr/bin, use_pty

User bwvisu may run the following commands on cmd1:
"""
COMMAND_NODE = f"""\
{HEAD}    (%bwvisu-users) NOPASSWD: /usr/bin/sbatch, /usr/bin/scancel
    (slurm) NOPASSWD: /usr/bin/scontrol {TIME_LIMIT}
"""
GATEWAY = f"{HEAD}    (root) NOPASSWD: /usr/sbin/iptables-save, /usr/sbin/nft, /usr/sbin/conntrack\n"
"""As sudo 1.9.13 prints them."""


def test_a_listing_is_read() -> None:
    assert [(each.run_as, each.program) for each in sudo.grants(COMMAND_NODE)] == [
        (("%bwvisu-users",), "sbatch"),
        (("%bwvisu-users",), "scancel"),
        (("slurm",), "scontrol"),
    ]
    assert sudo.covering(COMMAND_NODE, "sbatch") == "%bwvisu-users"
    assert (sudo.allows(COMMAND_NODE, "scancel"), sudo.allows(GATEWAY, "scancel")) == (True, False)


def test_what_the_documentation_asks_for_is_not_too_much() -> None:
    assert sudo.too_much(COMMAND_NODE, "command-node") == []
    assert sudo.too_much(GATEWAY, "gateway") == []


@pytest.mark.parametrize(
    ("kind", "entry", "words"),
    [
        ("command-node", "(ALL : ALL) NOPASSWD: ALL", "ALL as ALL or ALL"),
        ("command-node", "(root) NOPASSWD: /usr/bin/sbatch", "/usr/bin/sbatch as root"),
        ("command-node", "(%users) SETENV: NOPASSWD: /usr/bin/sbatch", "SETENV for /usr/bin/sbatch"),
        ("command-node", "(slurm) NOPASSWD: /usr/bin/scontrol update *", "/usr/bin/scontrol update * as slurm"),
        ("command-node", "(slurm) NOPASSWD: /usr/bin/scontrol", "/usr/bin/scontrol as slurm"),
        ("command-node", "(%users) NOPASSWD: /usr/bin/sbatch, /bin/cat", "/bin/cat as %users"),
        ("gateway", "(root) NOPASSWD: /usr/sbin/nft, /bin/sh", "/bin/sh as root"),
        ("gateway", "(ALL) NOPASSWD: ALL", "ALL as ALL"),
    ],
)
def test_what_is_too_much_is_told(kind: sudo.Kind, entry: str, words: str) -> None:
    assert sudo.too_much(f"{HEAD}    {entry}\n", kind) == [words]


def test_a_kept_environment_is_too_much() -> None:
    assert sudo.too_much(GATEWAY.replace("env_reset", "!env_reset"), "gateway") != []
    assert sudo.too_much(GATEWAY.replace("use_pty", "setenv"), "gateway") != []


def test_the_rights_of_a_command_node_follow_from_what_is_run_there() -> None:
    assert command_node(None, None) == (Right(USERS, "sbatch"), Right(USERS, "scancel"))
    assert [each.program for each in command_node("slurm", "slurm")] == ["sbatch", "scancel", "squeue", "scontrol"]
    assert f'"$@" {rights.LOOK} ' in look.SCRIPT
    assert f'"$@" {rights.EXTEND} update "JobId=$job" "TimeLimit=$minutes"' in extend.SCRIPT
    assert re.fullmatch(TIME_LIMIT.strip("^$"), "update JobId=17 TimeLimit=90")
    assert all(name in look.SCRIPT for name in rights.ENVIRONMENT)


def test_the_rights_of_a_gateway_are_what_its_texts_run_by_sudo() -> None:
    texts = scripts.LOOK + scripts.LOAD + scripts.FLOWS
    run = set(re.findall(r"\$sudo \"?(\$?[a-z][a-z-]*)", texts))
    named = {each.replace("iptables", "$iptables") for each in (*ROOT_PROGRAMS["nftables"], *ROOT_PROGRAMS["iptables"])}
    assert {each.replace("$conntrack", "conntrack") for each in run} == named


def test_the_lines_are_those_of_the_sandbox() -> None:
    template = (files("bwvisu.sandbox") / "templates" / "sudoers.command-node").read_text()
    lines = [line for line in template.splitlines() if not line.startswith("#")]
    assert list(sudo.command_node_lines("bwvisu", command_node(None, "slurm"), "bwvisu-users")) == lines
    assert sudo.gateway_line("bwvisu", sudo.gateway("nftables", [4])) == (
        "bwvisu ALL=(root) NOPASSWD: /usr/sbin/nft, /usr/sbin/conntrack"
    )
    assert sudo.gateway("iptables", [6, 4]) == (
        *("iptables-save", "iptables-restore", "conntrack", "ip6tables-save", "ip6tables-restore"),
    )
    assert sudo.gateway("proxy", [4]) == ()


def test_paths_are_those_of_the_machine() -> None:
    lines = sudo.command_node_lines("svc", command_node("slurm", None), "all", {"sbatch": "/opt/slurm/bin/sbatch"})
    assert lines == (
        "svc ALL=(%all) NOPASSWD: /opt/slurm/bin/sbatch, /usr/bin/scancel",
        "svc ALL=(slurm) NOPASSWD: /usr/bin/squeue",
        'Defaults!/usr/bin/squeue env_keep += "SLURM_TIME_FORMAT SQUEUE_FORMAT2"',
    )

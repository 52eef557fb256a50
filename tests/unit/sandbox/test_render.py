"""What hosts' files say."""

import re
from dataclasses import replace

import pytest

from bwvisu.sandbox import render
from bwvisu.sandbox.render import Facts
from bwvisu.sandbox.topology import MIDDLEWARE, Host, Options, Topology

TOPOLOGY = Topology(5, Options(min_job_age=33, slurmd_timeout=44, kill_wait=6, forward_policy="drop"))
FACTS = Facts(
    passwd="root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/srv/alice:/bin/zsh\n",
    group="root:x:0:\nsudo:x:27:alice\n",
    shadow="root:*:1:0:99999:7:::\n",
    cgroups=1,
)


def host(name: str) -> Host:
    return TOPOLOGY.hosts[name]


def text(name: str, path: str) -> str:
    return render.host_files(TOPOLOGY, host(name), FACTS)[path].text


def test_administrators_are_asked_for_exactly_these_rights() -> None:
    def rules(name: str) -> list[str]:
        return [line for line in text(name, "etc/sudoers.d/bwvisu").splitlines() if line and not line.startswith("#")]

    assert rules("cmd1") == [
        "bwvisu ALL=(%bwvisu-users) NOPASSWD: /usr/bin/sbatch, /usr/bin/scancel",
        "bwvisu ALL=(slurm) NOPASSWD: /usr/bin/scontrol ^update JobId=[1-9][0-9]{0,9} TimeLimit=[1-9][0-9]{0,5}$",
    ]
    assert rules("gw1") == [
        "bwvisu ALL=(root) NOPASSWD: /usr/sbin/iptables-save, /usr/sbin/iptables-restore, /usr/sbin/iptables,"
        " /usr/sbin/ip6tables-save, /usr/sbin/ip6tables-restore, /usr/sbin/nft, /usr/sbin/conntrack"
    ]


@pytest.mark.parametrize("name", ["ctl", "node1", "outside", "munge", "etcd1"])
def test_no_other_host_grants_anything(name: str) -> None:
    assert "etc/sudoers.d/bwvisu" not in render.host_files(TOPOLOGY, host(name), FACTS)


def test_the_clusters_users_replace_this_machines_users_of_the_same_name() -> None:
    lines = text("cmd1", "etc/passwd").splitlines()
    assert lines[0] == "root:x:0:0:root:/root:/bin/bash"
    assert [line for line in lines if line.startswith("alice:")] == ["alice:x:20001:20001::/home/alice:/bin/bash"]


def test_the_group_that_bwvisu_may_act_for_holds_neither_mallory_nor_bwvisu() -> None:
    found = re.search(r"^bwvisu-users:x:\d+:(.*)$", text("cmd1", "etc/group"), re.MULTILINE)
    assert found is not None
    assert set(found[1].split(",")) == {"alice", "bob", "carol", "homeless"}


def test_slurm_is_told_the_options() -> None:
    conf = text("node1", "etc/slurm/slurm.conf")
    assert {"MinJobAge=33", "SlurmdTimeout=44", "KillWait=6", "SlurmctldHost=ctl(10.77.5.2)"} <= set(conf.split())
    assert conf.count("\nNodeName=") == 3
    assert "NodeName=node3 NodeAddr=10.77.5.33 CPUs=256 RealMemory=262144 Gres=gpu:4\n" in conf
    assert conf == text("cmd2", "etc/slurm/slurm.conf") == text("ctl", "etc/slurm/slurm.conf")


@pytest.mark.parametrize(("version", "systemd"), [(1, False), (2, True)])
def test_slurms_cgroup_plugin_follows_the_machine(version: int, systemd: bool) -> None:
    conf = render.slurm(TOPOLOGY, replace(FACTS, cgroups=version))["etc/slurm/cgroup.conf"].text
    assert f"CgroupPlugin=cgroup/v{version}\n" in conf
    assert ("IgnoreSystemd=yes\n" in conf) is systemd
    assert "ConstrainRAMSpace=yes\n" in conf


def test_the_outside_knows_only_outer_addresses() -> None:
    known = render.etc_hosts(TOPOLOGY, host("outside"))
    assert "10.79.5.21 gw1\n" in known
    assert "10.77." not in known
    assert "10.78." not in known


def test_the_inside_knows_nodes_by_both_names() -> None:
    known = render.etc_hosts(TOPOLOGY, host("gw1"))
    assert {"10.77.5.31 node1", "10.78.5.31 node1-ib0", f"10.77.5.1 {MIDDLEWARE}"} <= set(known.splitlines())


def test_only_gateways_forward_packets() -> None:
    assert "net/ipv4/ip_forward 1" in render.sysctl(TOPOLOGY, host("gw2"))
    assert "ip_forward" not in render.sysctl(TOPOLOGY, host("node1"))


def test_ipv6_is_everywhere_or_nowhere() -> None:
    both = Topology(5, replace(TOPOLOGY.options, ipv6=True))
    assert both.addresses6["gw1"].outer == "fd77:79:5::21"
    assert "address add fd77:77:5::31/64 dev inner nodad" in render.network(both, host("node1"))
    assert {"fd77:77:5::31 node1", "fd77:78:5::31 node1-ib0"} <= set(render.etc_hosts(both, host("gw1")).splitlines())
    assert "forwarding 1" in render.sysctl(both, host("gw1"))
    for text in (render.network(TOPOLOGY, host("node1")), render.etc_hosts(TOPOLOGY, host("gw1"))):
        assert "fd77" not in text
    assert "disable_ipv6 1" in render.sysctl(TOPOLOGY, host("gw1"))


def test_only_on_compute_nodes_ports_are_kept_for_jobs() -> None:
    assert "net/ipv4/ip_local_reserved_ports 50000-60000" in render.sysctl(TOPOLOGY, host("node1"))
    assert "reserved" not in render.sysctl(TOPOLOGY, host("gw2")) + render.sysctl(TOPOLOGY, host("cmd1"))


def test_the_forward_policy_is_an_option_of_gateways() -> None:
    assert ":FORWARD DROP" in render.firewall(TOPOLOGY, host("gw1"))
    assert render.firewall(TOPOLOGY, host("cmd1")) == ""
    assert render.firewall(Topology(5, Options()), host("gw1")) == ""


def test_no_host_has_a_default_route() -> None:
    assert all("route" not in render.network(TOPOLOGY, host(name)) for name in TOPOLOGY.hosts)


def test_only_the_gpu_node_has_gpus() -> None:
    assert "gpu0 666 1 3\n" in render.devices(host("node3"))
    assert "gpu" not in render.devices(host("node1"))


def test_home_is_shared_by_command_and_compute_nodes_only() -> None:
    assert {name for name in TOPOLOGY.hosts if "home /home" in render.mounts(host(name)).splitlines()} == {
        "cmd1",
        "cmd2",
        "node1",
        "node2",
        "node3",
    }


def test_private_keys_are_readable_by_root_alone() -> None:
    files = render.ssh("private", "public")
    assert files["etc/ssh/bwvisu_host_key"].mode == 0o600


def test_sshd_keeps_debians_limits() -> None:
    config = render.ssh("private", "public")["etc/ssh/bwvisu_sshd_config"].text.splitlines()
    assert {"MaxSessions 10", "MaxStartups 10:30:100", "PasswordAuthentication no"} <= set(config)


def test_settings_name_every_node_and_network() -> None:
    etcd = {"endpoints": ["127.77.5.1:2379"]}
    found = render.settings(TOPOLOGY, key_file="/k", known_hosts="/h", etcd=etcd)
    assert found["etcd"] == etcd
    assert found["keyhole"] == {"host": "10.77.5.1", "port": 4243, "public_urls": ["http://10.77.5.1:4243"]}
    assert found["clusters"] == {
        "main": {
            "title": "Sandbox default",
            "ssh": {"key_file": "/k", "known_hosts": "/h"},
            "command_nodes": [{"host": "10.77.5.11", "user": "bwvisu"}, {"host": "10.77.5.12", "user": "bwvisu"}],
            "gateways": [
                {"name": f"gw{n}", "host": f"10.77.5.2{n}", "user": "bwvisu", "internal_ip": f"10.77.5.2{n}",
                 "external_ip": f"10.79.5.2{n}"}
                for n in (1, 2)
            ],
            "compute_networks": ["10.77.5.0/24", "10.78.5.0/24"],
            "home_prefix": "/home",
            "slurm": {"extend": {"allowed": True}},
        }
    }  # fmt: skip

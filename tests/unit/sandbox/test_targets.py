"""What a person may call a host or a daemon."""

import pytest

from bwvisu.sandbox import SandboxError
from bwvisu.sandbox.targets import Target, parse
from bwvisu.sandbox.topology import Options, Topology

TOPOLOGY = Topology(0, Options(etcd=3))


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("cmd1", Target("cmd1")),
        ("cmd1:sshd", Target("cmd1", "sshd")),
        ("node2:slurmd", Target("node2", "slurmd")),
        ("slurmctld", Target("ctl", "slurmctld")),
        ("munged", Target("munge", "munged")),
        ("etcd2", Target("etcd2")),
        ("etcd2:etcd", Target("etcd2", "etcd")),
    ],
)
def test_understood(text: str, target: Target) -> None:
    assert parse(TOPOLOGY, text) == target


@pytest.mark.parametrize(
    "text", ["", "cmd3", "sshd", "slurmd", "etcd", "cmd1:slurmd", ":sshd", "cmd1:../x", "middleware"]
)
def test_refused_with_the_possible_names(text: str) -> None:
    with pytest.raises(SandboxError, match="is none of munge, ctl, cmd1"):
        parse(TOPOLOGY, text)

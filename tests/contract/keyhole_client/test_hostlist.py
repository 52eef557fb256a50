"""The client reads node lists as Slurm itself does."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from keyhole.client import expand

LISTS = ["node1", "n[1-2,04],gpu", "n[098-101]", "n[1,3,5-7],m[08-11]", "r[1-2]n[08-10]", "a-b[1-2],c.d", "n[1-2048]"]


@pytest.mark.parametrize("nodelist", LISTS)
def test_a_node_list_means_what_slurm_means(nodelist: str, tmp_path: Path) -> None:
    scontrol = shutil.which("scontrol")
    assert scontrol, "install slurm-client"
    conf = tmp_path / "slurm.conf"
    conf.write_text("ClusterName=c\nSlurmctldHost=localhost\nNodeName=n1\nPartitionName=p Nodes=n1\n")
    names = subprocess.run(
        [scontrol, "show", "hostnames", nodelist],
        env=os.environ | {"SLURM_CONF": str(conf)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert expand(nodelist) == names.stdout.split()

"""A real small Slurm cluster on one machine, in Linux namespaces: real slurmctld, slurmd, sshd, sudo, nft, etcd.

Law: the sandbox knows how clusters are *run*, nothing of how bwVisu *uses* one.  It imports no other part of bwvisu
but ``errors``; only the demo, the command line and tests import it.  What a node's files say is rendered by pure
functions (``topology``, ``render``, ``network.wiring``); every external program is started in ``runner``.

::

    with Sandbox.up(Options(name="mine", etcd=3)) as box:       # idempotent; leaving the block takes it down
        box.run("cmd1", ["squeue"], user="bwvisu").stdout       # -> CompletedProcess[str], any exit code
        box.stop("gw1"); box.start("gw1"); box.reboot("gw1")     # its processes die; a new boot has an empty firewall
        box.partition("node1", "inner"); box.heal("node1")       # the cable is pulled; all legs where none is named
        box.pause("slurmctld"); box.resume("slurmctld")          # SIGSTOP; also cmd1:sshd, node1:slurmd, etcd2, gw1
        box.addresses["gw1"].outer, box.settings(), box.key_file, box.known_hosts, box.etcd.endpoints

``Sandbox.load(name)`` finds one that is up (``SandboxError`` where there is none).  Everything of an instance lies in
``/run/bwvisu-sandbox/<name>/``, its hosts' disks behind links to ``/var/lib/bwvisu-sandbox/<name>/``; the names of its
namespaces, bridges and links begin with ``bwv<number>``.
"""

from bwvisu.sandbox.etcd import EtcdAccess
from bwvisu.sandbox.runner import SandboxError
from bwvisu.sandbox.sandbox import Sandbox
from bwvisu.sandbox.status import HostStatus
from bwvisu.sandbox.topology import Address, Options

__all__ = ["Address", "EtcdAccess", "HostStatus", "Options", "Sandbox", "SandboxError"]

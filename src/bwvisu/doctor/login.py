"""What is asked of every machine that is logged in to: SSH itself, sessions side by side, the clock."""

from pathlib import Path

from bwvisu.adapters.ssh import Command, Completed, Node, Outcome, SshSettings, Wire
from bwvisu.doctor.findings import HERE, ROOT, Finding, fault, ok, unknown
from bwvisu.domain.observation import NotStarted

SKEW = 30.0
"""Seconds that clocks may differ; docs/operations.md says what needs it."""
TRIES = 5
"""Of a login, before it is called impossible: a busy sshd may turn somebody away."""
NTP = "timedatectl set-ntp true"


async def enter(wire: Wire, node: Node, settings: SshSettings) -> Finding:
    """Log in and run the smallest of programs; what time alone may mend is given some."""
    hello = Command(("echo",), 10.0, remote_deadline=False)
    outcome = await wire.run(node, hello)
    for _ in range(TRIES - 1):
        if not isinstance(outcome, NotStarted) or not outcome.retryable:
            break
        outcome = await wire.run(node, hello)
    return judge_entry(outcome, node, settings.key_file, settings.known_hosts)


def judge_entry(outcome: Outcome, node: Node, key_file: Path, known_hosts: Path) -> Finding:
    """By the words of `bwvisu.adapters.ssh`."""
    if isinstance(outcome, Completed):
        if outcome.exit_status == 0:
            return ok("ssh", f"{node}")
        return fault("ssh", f"{node}: the login shell ends with {outcome.exit_status}", ROOT, f"chsh {node.user}")
    why = outcome.reason
    if "host key is not" in why:
        scan = f"ssh-keyscan -p {node.port} {node.host} >>{known_hosts}   # then compare it with the true key"
        return fault("ssh", why, HERE, scan)
    if "ermission denied" in why and "Errno" not in why:
        line = f"ssh-keygen -y -f {key_file}   # into ~{node.user}/.ssh/authorized_keys on {node.host}"
        return fault("ssh", why, HERE, line)
    if "Errno" in why and str(key_file) in why:
        return fault("ssh", why, HERE, f"ls -l {key_file}")
    return fault("ssh", why, ROOT, f"systemctl enable --now ssh   # and let port {node.port} through")


def judge_sessions(opened: int, why: str, wanted: int) -> Finding:
    """Whether the settings' ``ssh.sessions`` fit into one connection."""
    if not why:
        return ok("sessions", f"{opened} at once")
    if "no session" not in why:
        return unknown("sessions", why)
    line = f"echo 'MaxSessions {max(10, wanted + 4)}' >/etc/ssh/sshd_config.d/bwvisu.conf && systemctl reload ssh"
    return fault("sessions", f"only {opened} of {wanted} sessions at once on one connection", ROOT, line)


def judge_clock(told: str, began: float, ended: float, *, limit: float = SKEW) -> Finding:
    """``told``: Unix seconds that the machine said at some time from ``began`` to ``ended`` by our clock."""
    try:
        clock = float(told)
    except ValueError:
        return unknown("clock", f"it said no time: {told[:40]!r}")
    early, late = began - clock - 1, clock - ended - 1  # whole seconds may be told
    skew = max(early, late, 0.0)
    if skew <= limit:
        return ok("clock", "agrees" if not skew else f"differs by {skew:.0f} s")
    return fault("clock", f"differs from ours by {skew:.0f} s ({'behind' if early > late else 'ahead'})", ROOT, NTP)

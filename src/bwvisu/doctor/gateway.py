"""Gateways: programs, sudo, packet filters, forwarding, ports, and what counts connections."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bwvisu.adapters.ssh import Node, Wire
from bwvisu.doctor import facts, firewall, programs, sudo
from bwvisu.doctor.facts import Facts, NotSaid
from bwvisu.doctor.findings import ROOT, SUDOERS, Finding, fault, ok, unknown
from bwvisu.doctor.login import judge_clock
from bwvisu.doctor.trial import Trial
from keyhole.domain import ForwardPolicy, Gateway

QUESTIONS = """\
sudo=$1 family=$2
shift 2
section clock date +%s.%N
section paths paths "$@"
section uid id -u
case $sudo in
'') ;;
*)
    section sudo sudo -n -l
    section shell sudo -n -l /bin/sh
    for each; do
        case $each in nft | *tables* | conntrack) section "may-$each" sudo -n -l "$each" ;; esac
    done
    ;;
esac
parallel() { printf 'a\\nb\\n' | xargs -P 2 -n 1 echo; }
section parallel parallel
home() {
    new=$(mktemp "$HOME/.bwvisu-doctor.XXXXXX") && echo written >"$new" && rm -f -- "$new" &&
        { [ ! -e "$HOME/.bwvisu" ] || [ -w "$HOME/.bwvisu" ]; }
}
section home home
section disk stat -f -c %T "$HOME"
set -- ${SSH_CONNECTION:-}
section nc nc -z -w 2 "${3:-127.0.0.1}" "${4:-22}"
case $family in
4) section forward cat /proc/sys/net/ipv4/ip_forward ;;
*) section forward cat /proc/sys/net/ipv6/conf/all/forwarding ;;
esac
section acct cat /proc/sys/net/netfilter/nf_conntrack_acct
section conntrack $sudo conntrack -L -p tcp --dst-nat -o id
dropping() {
    $sudo nft list chains | sed -n -e 's/^table \\(.*\\) {$/table \\1/p' \\
        -e 's/^[[:space:]]*chain \\(.*\\) {$/chain \\1/p' -e 's/.* hook forward .*policy drop;.*/drop/p' |
        while read -r what one two; do
            case $what in
            table) family=$one table=$two ;;
            chain) chain=$one ;;
            drop) $sudo nft list chain "$family" "$table" "$chain" ;;
            esac
        done
}
section dropping dropping
section listening cat /proc/net/tcp /proc/net/tcp6
"""
"""Arguments: what goes before commands of root, address family, then programs."""
_SHORT_LIVED = frozenset({"tmpfs", "ramfs"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What the settings want of a gateway."""

    gateway: Gateway
    policy: ForwardPolicy
    account: str

    @property
    def proxied(self) -> bool:
        """HAProxy carries the forwards: neither filters nor rights of root are needed."""
        return self.policy.backend == "proxy"

    @property
    def root_programs(self) -> tuple[str, ...]:
        """What root must run for the service."""
        return sudo.gateway(self.policy.backend, [self.gateway.family])


async def examine(wire: Wire, node: Node, asked: Asked, trial: Trial) -> list[Finding]:
    """Ask one gateway everything; ``trial`` looks at its filters as the services do."""
    own, began = asked.gateway, time.time()
    wanted = (*programs.GATEWAY, "nc", *asked.root_programs)
    said = await facts.gather(wire, node, QUESTIONS, own.sudo, str(own.family), *wanted)
    if isinstance(said, NotSaid):
        return [programs.lacks_timeout() if said.lacks_timeout else unknown("programs", said.reason)]
    found = [judge_clock(said["clock"].text, began, time.time()), programs.judge(said["paths"], programs.GATEWAY)]
    found += [check for judge in JUDGES for check in judge(said, asked)]
    listing = await trial.look()
    found += firewall.judge(listing, said, asked.policy, own.family)
    return found


def _sudo(said: Facts, asked: Asked) -> Iterator[Finding]:
    where = facts.paths(said["paths"])
    needed = asked.root_programs
    line = sudo.gateway_line(asked.account, needed, where)
    if not asked.gateway.sudo:
        if said["uid"].text == "0" or not needed:
            yield ok("sudo", "the account is root" if needed else "none is needed")
        else:
            yield fault("sudo", "gateways[].sudo is empty, and the account is not root", SUDOERS, line)
        return
    refused = [each for each in needed if said[f"may-{each}"].status != 0]
    if needed and asked.policy.backend == "auto":
        refused = _of_one_filter(refused)
    if refused:
        yield fault("sudo", f"not allowed: {', '.join(refused)}", SUDOERS, line)
    else:
        yield ok("sudo", "lets the account do what is needed")
    extra = sudo.too_much(said["sudo"].text, "gateway")
    if said["shell"].status == 0 and not extra:
        extra = ["any program as root"]
    if extra:
        yield fault("sudo-limits", f"more than is needed: {'; '.join(extra)}", SUDOERS, line)
    else:
        yield ok("sudo-limits", "and nothing else")


def _of_one_filter(refused: list[str]) -> list[str]:
    """With ``auto`` one filter is enough: what is refused of the other does not matter."""
    of_iptables = [each for each in refused if "tables" in each]
    enough = "nft" not in refused or not of_iptables
    return [each for each in refused if each == "conntrack"] if enough else refused


def _home(said: Facts, asked: Asked) -> Iterator[Finding]:
    if said["home"].status != 0:
        line = f"chown {asked.account} ~{asked.account} && chmod u+rwx ~{asked.account}"
        yield fault("home", f"the account cannot write to its home: {said['home'].words}", ROOT, line)
    elif said["disk"].text in _SHORT_LIVED:
        line = f"usermod -m -d /var/lib/{asked.account} {asked.account}"
        yield fault("home", "the account's home does not survive a reboot, and the fence lies there", ROOT, line)
    else:
        yield ok("home", f"writable, on {said['disk'].text}")


def _tools(said: Facts, _: Asked) -> Iterator[Finding]:
    if said["nc"].status == 0:
        yield ok("nc", "connects with -z -w")
    elif not facts.paths(said["paths"]).get("nc"):
        yield fault("nc", "nc is not there: no job becomes available", ROOT, programs.install("nc"))
    else:
        yield fault("nc", f"nc -z -w 2 does not reach our own sshd: {said['nc'].words}", ROOT, programs.install("nc"))
    if sorted(said["parallel"].text.split()) == ["a", "b"]:
        yield ok("xargs", "runs side by side with -P")
    else:
        yield fault("xargs", f"xargs -P does not work: {said['parallel'].words}", ROOT, programs.install("xargs"))


def _counting(said: Facts, asked: Asked) -> Iterator[Finding]:
    if asked.proxied:
        return
    if said["conntrack"].status == 0:
        yield ok("conntrack", "lists connections")
    elif facts.paths(said["paths"]).get("conntrack"):
        line = sudo.gateway_line(asked.account, asked.root_programs, facts.paths(said["paths"]))
        yield fault("conntrack", f"does not work: {said['conntrack'].words}", SUDOERS, line)
    else:
        yield fault("conntrack", "conntrack is not there", ROOT, programs.install("conntrack"))
    if said["acct"].text == "1":
        yield ok("accounting", "bytes are counted")
    else:
        yield fault("accounting", "bytes are not counted", ROOT, *_sysctl("net.netfilter.nf_conntrack_acct"))


def _forwarding(said: Facts, asked: Asked) -> Iterator[Finding]:
    if asked.proxied:
        return
    key = "net.ipv4.ip_forward" if asked.gateway.family == 4 else "net.ipv6.conf.all.forwarding"
    if said["forward"].text == "1":
        yield ok("ip-forward", key)
    else:
        yield fault("ip-forward", f"{key} is {said['forward'].words}: packets do not pass", ROOT, *_sysctl(key))


def _sysctl(key: str) -> tuple[str, ...]:
    return f"sysctl -w {key}=1", f"echo '{key} = 1' >>/etc/sysctl.d/90-bwvisu.conf"


JUDGES: tuple[Callable[[Facts, Asked], Iterator[Finding]], ...] = (_sudo, _home, _tools, _counting, _forwarding)

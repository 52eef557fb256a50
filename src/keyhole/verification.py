"""Whether a request may be served: its run, its hosts and its addresses against what the scheduler shows.  Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from keyhole.domain import Family, ForwardPolicy, PortRequest, Refusal, Run, Tenancy, host_name

LOOKLESS = "could-not-look"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing can be said of the request yet: it stays as it is and is judged again at the next pass."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Verified:
    """The request is the job's own, and these are all its hosts, first one first."""

    request: PortRequest
    hosts: tuple[str, ...]


def verify(request: PortRequest, tenancy: Tenancy, policy: ForwardPolicy) -> Verified | Waiting | Refusal:
    """Judge a request by a complete look that began after the request was made.

    A refusal is final: none of its reasons can go away for this run.
    """
    return _standing(request, tenancy) or _place(request, tenancy, policy) or Verified(request, tenancy.hosts)


def _standing(request: PortRequest, tenancy: Tenancy) -> Waiting | Refusal | None:
    if over := outlived(request.run, tenancy):
        return over
    if request.run > tenancy.run:
        return Waiting("run-unknown", f"The scheduler does not show run {request.run} yet.")
    if tenancy.slurm_job_id is None or not tenancy.hosts:
        return Waiting("hosts-unknown", "The scheduler does not show the job's hosts yet.")
    return None


def outlived(run: Run, tenancy: Tenancy) -> Refusal | None:
    """What a run is told that has no right to forwards any more; for ever, since no run begins again."""
    if run < tenancy.run:
        return Refusal(code="superseded", message=f"Run {run} was replaced by {tenancy.run}.")
    if not tenancy.wanted:
        return Refusal(code="not-wanted", message="The job has ended or was stopped.")
    return None


def _place(request: PortRequest, tenancy: Tenancy, policy: ForwardPolicy) -> Refusal | None:
    if request.slurm_job_id != tenancy.slurm_job_id:
        return Refusal(code="foreign-job", message=f"Slurm job {request.slurm_job_id} is not this job's.")
    foreign = sorted(set(request.hosts) - set(tenancy.hosts))
    if foreign or request.hosts[:1] != tenancy.hosts[:1]:
        return Refusal(code="foreign-host", message="The job may only name its own hosts, the batch host first.")
    if not all(host_name(host + policy.hostname_suffix) for host in tenancy.hosts):
        return Refusal(code="foreign-host", message="The job's hosts have no usable names.")
    if not 0 < request.ports <= policy.max_per_job:
        return Refusal(code="too-many-ports", message=f"A job may have 1 to {policy.max_per_job} forwards.")
    return None


def target_address(addresses: Sequence[str], policy: ForwardPolicy, family: Family) -> str | None:
    """The first of a host's addresses that forwards may lead to."""
    return next((address for address in addresses if allowed(address, policy, family)), None)


def allowed(text: str, policy: ForwardPolicy, family: Family) -> bool:
    """Whether forwards of a gateway of this family may lead there: in a compute network, nobody's special address.

    And written as addresses are printed: what filters show must be what was loaded.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if address.version != family or str(address) != text or text in policy.own_addresses:
        return False
    special = address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
    return not special and any(address in network for network in policy.compute_networks)


def addresses_of(
    hosts: Sequence[str], resolved: Mapping[str, Sequence[str]], policy: ForwardPolicy, family: Family
) -> Mapping[str, str] | Waiting | Refusal:
    """Host -> address for all hosts of a job, from names (with the site's suffix) as a gateway resolved them."""
    found: dict[str, str] = {}
    for host in hosts:
        addresses = resolved.get(host + policy.hostname_suffix, ())
        if not addresses:
            return Waiting("name-unknown", f"The gateway cannot resolve {host}{policy.hostname_suffix}.")
        address = target_address(addresses, policy, family)
        if address is None:
            return Refusal(
                code="address-not-allowed",
                message=f"{host}{policy.hostname_suffix} is {', '.join(addresses[:3])}: outside the compute networks.",
            )
        found[host] = address
    return found

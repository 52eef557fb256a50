"""The original runner's ``config.json`` as settings of ours.  Pure.

Its fields are those of bwVisu's public technical documentation (`technical-docs/backend.md`).  What has no counterpart,
and what must be decided anew, becomes a comment beside the place that it is about.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bwvisu.errors import Fault, InvalidInput
from bwvisu.settings.types import Name, Port, Text

KEYHOLE_PORT = 4243
"""Ours where the original's is one that a process without rights cannot listen on."""
UNPRIVILEGED = 1024


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="allow", alias_generator=lambda name: name.replace("_", "-"), hide_input_in_errors=True
    )


class _Server(_Part):
    ip: Text
    port: Port


class _CommandNode(_Part):
    ip: Text
    user: Text
    port: Port = 22


class _Gateway(_Part):
    internal_ip: IPv4Address | IPv6Address
    external_ip: IPv4Address | IPv6Address
    user: Text
    port: Port = 22


class _Ports(_Part):
    min: Port
    max: Port


class _Debug(_Part):
    keyholed_static_forwarding: bool = False


class _Original(_Part):
    bwvisu_home_prefix: Annotated[str, Field(pattern=r"^/")] = "/home"
    gateway_nodes: tuple[_Gateway, ...] = ()
    command_nodes: Annotated[tuple[_CommandNode, ...], Field(min_length=1)]
    keyholed_servers: Annotated[tuple[_Server, ...], Field(min_length=1)]
    keyholed_port_range: _Ports | None = None
    keyholed_max_forwarders_per_job: Annotated[int, Field(ge=1, le=1000)] | None = None
    etcd_servers: Annotated[tuple[_Server, ...], Field(min_length=1)]
    debug: _Debug = _Debug()
    forwarding_hostname_suffix: str = ""


@dataclass(slots=True)
class _Node:
    """A section: its entries in order, and what is to be said before each."""

    entries: dict[str, Any] = field(default_factory=dict)
    comments: dict[str, list[str]] = field(default_factory=dict)

    def put(self, key: str, value: Any, *comments: str) -> None:
        self.entries[key] = value
        self.comments[key] = list(comments)


def cluster_name(text: str) -> bool:
    """Whether a cluster can be called so."""
    try:
        TypeAdapter(Name).validate_python(text)
    except ValidationError:
        return False
    return True


def imported(text: str, cluster: Name = "main", networks: Sequence[IPv4Network | IPv6Network] = ()) -> str:
    """A settings file in YAML; ``networks``: of the compute nodes, which the original does not know.

    Raises InvalidInput with a pointer to each field that cannot be understood.
    """
    try:
        original = _Original.model_validate_json(text)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise InvalidInput(
            [Fault("".join(f"/{step}" for step in each["loc"]), each["msg"]) for each in faults]
        ) from None
    root = _Node()
    root.put("etcd", _etcd(original))
    root.put("api", {}, *_API)
    root.put("keyhole", _keyhole(original))
    clusters = _Node()
    clusters.put(cluster, _cluster(original, networks))
    root.put("clusters", clusters)
    head = [*_HEAD, *(f"# Not carried over, since nobody knows what it means: {path}" for path in _unknown(original))]
    return "\n".join([*head, *_lines(root, 0)]) + "\n"


_HEAD = (
    "# Made by `bwvisu config import-original`; look for TO DO, then: bwvisu config check --config FILE",
    "# docs/migration.md says what else changes.",
)
_API = (
    "TO DO: the password of the existing frontend is nowhere in config.json. A new one:",
    "  bwvisu token create-basic --name bwvisu-web",
    "and its line below `basic:` here. The frontend goes on speaking the original's API, on port 4242.",
)


def _etcd(original: _Original) -> _Node:
    node = _Node()
    endpoints = [_at(each.ip, each.port) for each in original.etcd_servers]
    node.put("endpoints", endpoints, "The original's keys stay as they are: ours lie below /bwvisu/v1/.")
    return node


def _keyhole(original: _Original) -> _Node:
    node, servers = _Node(), original.keyholed_servers
    port = servers[0].port
    told = ["What running jobs call; HTTPS is better: docs/settings.md, keyhole.tls and keyhole.ca_file."]
    if port < UNPRIVILEGED:
        told += [
            f"TO DO: the original's port {port} takes a right that our service does without. Let compute nodes reach",
            f"port {KEYHOLE_PORT}, or put a proxy in front and name its address here.",
        ]
        servers = tuple(each.model_copy(update={"port": KEYHOLE_PORT}) for each in servers)
        port = KEYHOLE_PORT
    node.put("port", port)
    node.put("public_urls", [f"http://{_at(each.ip, each.port)}" for each in servers], *told)
    return node


def _cluster(original: _Original, networks: Sequence[IPv4Network | IPv6Network]) -> _Node:
    node, ssh = _Node(), _Node()
    todo = "TO DO: the key that is installed on the nodes, and their host keys: ssh-keyscan HOST, then compare them."
    ssh.put("key_file", "/etc/bwvisu/ssh/id_ed25519", todo)
    ssh.put("known_hosts", "/etc/bwvisu/ssh/known_hosts", "config.json names none; they are always compared here.")
    node.put("ssh", ssh)
    commands = [{"host": each.ip, "port": each.port, "user": each.user} for each in original.command_nodes]
    sudo = "TO DO: its sudo rights become other ones, see `What is asked of each kind of node` in docs/operations.md."
    node.put("command_nodes", commands, sudo)
    if original.gateway_nodes:
        node.put("gateways", list(_gateways(original)), "SSH goes to the external address; `host` may be another one.")
        node.put("forwards", _forwards(original))
        where = "Forwards lead nowhere else than to the compute nodes' networks, which the original did not ask for."
        if networks:
            node.put("compute_networks", [str(each) for each in networks], where)
        else:
            node.put("compute_networks", [], where, "TO DO: name them, e.g. [10.0.0.0/24].")
    homes = "The users' homes; the original's was where logs went. They lie in the home of each job's user now."
    node.put("home_prefix", original.bwvisu_home_prefix, homes)
    return node


def _gateways(original: _Original) -> Iterator[Mapping[str, Any]]:
    for number, each in enumerate(original.gateway_nodes, 1):
        yield {
            "name": f"gateway{number}",
            "host": str(each.external_ip),
            "port": each.port,
            "user": each.user,
            "internal_ip": str(each.internal_ip),
            "external_ip": str(each.external_ip),
        }


def _forwards(original: _Original) -> _Node:
    node, ports = _Node(), original.keyholed_port_range or _Ports(min=50000, max=60000)
    told = ["The original knows nothing of our ports: give the two blocks that do not overlap while both run."]
    if original.debug.keyholed_static_forwarding:
        told.append("Not carried over: debug.keyholed-static-forwarding. Ports are always chosen.")
    node.put("port_range", [ports.min, ports.max], *told)
    if original.keyholed_max_forwarders_per_job is not None:
        node.put("max_per_job", original.keyholed_max_forwarders_per_job)
    if original.forwarding_hostname_suffix:
        node.put("hostname_suffix", original.forwarding_hostname_suffix)
    return node


def _at(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _unknown(part: BaseModel, path: str = "") -> Iterator[str]:
    """Names of the fields that no model of ours has, as harmless text."""
    yield from (f"{path}{key}".encode("unicode_escape").decode() for key in part.model_extra or {})
    for name, info in type(part).model_fields.items():
        value = getattr(part, name)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, BaseModel):
                yield from _unknown(each, f"{path}{info.alias}.")


def _lines(node: _Node, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for key, value in node.entries.items():
        yield from (f"{indent}# {comment}" for comment in node.comments[key])
        if isinstance(value, _Node):
            yield f"{indent}{key}:"
            yield from _lines(value, depth + 1)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield f"{indent}{key}:"
            yield from (f"{indent}  - {_flow(each)}" for each in value)
        else:
            yield f"{indent}{key}: {_flow(value)}"


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return text.removesuffix("...\n").strip()

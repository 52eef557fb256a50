"""The files for sudo that an installation needs, made from its settings and from the commands that it runs."""

from collections.abc import Iterator

from bwvisu.doctor import sudo
from bwvisu.doctor.command_node import needed
from bwvisu.doctor.findings import SUDOERS
from bwvisu.settings import ClusterSettings, Settings


def text(settings: Settings, group: str) -> str:
    """One part for each file that differs, with the names of the machines that it is for."""
    parts = [part for cluster in settings.clusters.values() for part in _parts(cluster, group)]
    files: dict[tuple[str, ...], list[str]] = {}
    for names, lines in parts:
        files.setdefault(lines, []).extend(names)
    return "\n".join(
        f"# {SUDOERS} on {', '.join(dict.fromkeys(names))}\n" + "".join(f"{line}\n" for line in lines)
        for lines, names in files.items()
    )


def _parts(settings: ClusterSettings, group: str) -> Iterator[tuple[list[str], tuple[str, ...]]]:
    for node in settings.command_nodes:
        yield [node.host], sudo.command_node_lines(node.user, needed(settings), group)
    own = settings.gateways_by_name()
    hosts: dict[tuple[str, str], list[str]] = {}
    for each in settings.gateways:
        if each.sudo:
            hosts.setdefault((each.host, each.user), []).append(each.name)
    for (host, user), names in hosts.items():
        programs = sudo.gateway(settings.forwards.backend, [own[name].family for name in names])
        if programs:
            yield [host], (sudo.gateway_line(user, programs),)

"""What an administrator installs on a gateway in single-port mode."""

from bwvisu.errors import OperatorError
from bwvisu.roles.base import base
from bwvisu.roles.installation import installation
from bwvisu.settings import Settings
from keyhole.nat.model import frame_name
from keyhole.proxy_config import Place, haproxy


async def configuration(settings: Settings, cluster: str, gateway: str, bind: str, group: str, folder: str) -> str:
    """HAProxy's configuration file; empty arguments: the gateway's own address, and its account's group.

    Raises OperatorError where the settings know no such gateway, or no proxy there.
    """
    known = settings.clusters.get(cluster)
    own = next((each for each in known.gateways if each.name == gateway), None) if known else None
    if known is None or own is None:
        raise OperatorError(f"the settings name no gateway {gateway!r} of a cluster {cluster!r}")
    proxy = known.forwards.proxied
    if proxy is None:
        raise OperatorError(f"clusters.{cluster}.forwards.backend is {known.forwards.backend}, not proxy")
    async with base(settings) as opened:
        drawn = await installation(opened.store, opened.keys)
    name = frame_name(drawn.id)
    host = f"[{own.external_ip}]" if own.external_ip.version == 6 else own.external_ip
    place = Place.of(name, socket=own.proxy_socket, group=group or own.user, folder=folder)
    return haproxy(name, place, known.compute_networks, bind=bind or f"{host}:{proxy.port}", port=proxy.port)

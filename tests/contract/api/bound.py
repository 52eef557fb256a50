"""A site whose forwards are bound to addresses, and people who ask for themselves through a frontend."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.contract.api.conftest import APP, make_bundle
from tests.contract.api.service import Service, cluster_settings, service
from tests.contract.api.test_jobs import AVAILABLE, seen

GATEWAY = {"host": "gw", "user": "bwvisu", "internal_ip": "10.2.0.1", "external_ip": "198.51.100.1"}
SIXTH = {**GATEWAY, "host": "gw6", "name": "gw6", "internal_ip": "2001:db8:2::1", "external_ip": "2001:db8:1::1"}


def gateways(*gateways: dict[str, Any], **forwards: Any) -> Any:
    """A cluster with these."""
    return cluster_settings(
        gateways=list(gateways),
        compute_networks=["10.1.0.0/16", "2001:db8:2::/64"],
        keyhole_urls=["http://keyhole.example.org:4243"],
        forwards={"admission": "owner-address", **forwards},
    )


@asynccontextmanager
async def bound_service(endpoints: list[str], folder: Path) -> AsyncIterator[Service]:
    """Clusters: bound, open, with networks, and with a gateway of IPv6 only.  Application `screen` knows onlookers."""
    make_bundle(folder / "probe", APP)
    make_bundle(folder / "screen", "view_only: true\n" + APP)
    rules = {"lasts": "1h", "most": 3}
    clusters = {
        "main": gateways({**GATEWAY, "name": "gw1"}, admissions=rules),
        "open": cluster_settings(sharing={"lasts": "2h", "most": 2}),
        "wide": gateways({**GATEWAY, "name": "gw1"}, admissions={"ipv4_prefix": 24, "ipv6_prefix": 64}),
        "sixth": gateways(SIXTH),
        "private": cluster_settings(sharing={"allowed": False}),
    }
    async with service(endpoints, folder, clusters=clusters) as running:
        running.leader.knows("alice", "bob", "carol")
        yield running


async def available(api: Service, **wanted: Any) -> str:
    """Id of a job of alice's that can be entered."""
    job = await api.submit(**wanted)
    await seen(api, job["id"], AVAILABLE)
    return str(job["id"])


async def ask(
    api: Service, method: str, path: str, person: str | None = None, *, holder: str = "portal", **body: Any
) -> httpx2.Response:
    """A call below ``/api/v1``, for a person."""
    headers = {"X-On-Behalf-Of": person} if person else {}
    sent = body if method == "POST" else None
    return await api.client(holder).request(method, f"/api/v1{path}", headers=headers, json=sent)

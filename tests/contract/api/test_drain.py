"""Gateways that an administrator drains; the leader's part is played by the test."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bwvisu.adapters.etcd import Put
from bwvisu.adapters.records import decode, encode
from bwvisu.domain.cluster import ClusterView, Drain, GatewayView
from tests.contract.api.service import Service, cluster_settings, service
from tests.contract.api.test_bad_input import problem
from tests.support.etcd import EtcdCluster
from tests.support.waiting import eventually_true

GATEWAY = {"name": "gw1", "host": "gw1", "user": "bwvisu", "internal_ip": "10.9.0.1", "external_ip": "192.0.2.1"}
ADDRESS = "/api/v1/clusters/main/gateways/gw1/drain"


@pytest.fixture
async def gated(etcd: EtcdCluster, bundles: Path) -> AsyncIterator[Service]:
    clusters = {"main": cluster_settings(gateways=[GATEWAY], compute_networks=["10.1.0.0/16"])}
    async with service(etcd.endpoints, bundles, clusters=clusters) as running:
        yield running


async def shows(api: Service, *, drained: bool, vacated: bool = False) -> None:
    """The leader has taken the order in."""
    gateway = GatewayView(name="gw1", reachable=True, forwards=3, drained=drained, vacated=vacated)
    view = ClusterView(name="main", gateways=(gateway,))
    await api.context.state.store.commit([], [Put(api.context.state.keys.cluster("main"), encode(view))])


async def ordered(api: Service) -> bool:
    return "main/gw1" in await api.records("gateways")


async def test_a_drained_gateway_is_shown_as_such_once_the_leader_knows(gated: Service) -> None:
    asked = asyncio.create_task(gated.client().put(ADDRESS))
    await eventually_true(lambda: ordered(gated))
    await shows(gated, drained=True)
    answer = await asked
    assert answer.status_code == 200
    traffic = {"connections": None, "bytes_in": None, "bytes_out": None}
    drained = {"forwards": 3, "drained": True, "vacated": False, "address_family": 4}
    expected = {"name": "gw1", "reachable": True, "detail": "", **drained, **traffic}
    assert answer.json()["gateways"] == [expected]
    assert decode(Drain, (await gated.records("gateways"))["main/gw1"].value).by == "portal"
    asked = asyncio.create_task(gated.client().delete(ADDRESS))

    async def taken_back() -> bool:
        return not await ordered(gated)

    await eventually_true(taken_back)
    await shows(gated, drained=False)
    assert (await asked).json()["gateways"][0]["drained"] is False


async def test_a_vacated_gateway_is_shown_as_such_and_the_last_word_counts(gated: Service) -> None:
    async def order() -> tuple[bool, ...]:
        stored = (await gated.records("gateways")).get("main/gw1")
        return (decode(Drain, stored.value).move,) if stored else ()

    for query, move in (({"move": "true"}, True), ({}, False)):
        asked = asyncio.create_task(gated.client().put(ADDRESS, params=query))

        async def stored(move: bool = move) -> bool:
            return await order() == (move,)

        await eventually_true(stored)
        await shows(gated, drained=True, vacated=not move)
        assert not asked.done()
        await shows(gated, drained=True, vacated=move)
        shown = (await asked).json()["gateways"][0]
        assert (shown["drained"], shown["vacated"]) == (True, move)


async def test_only_administrators_drain_and_only_what_there_is(gated: Service) -> None:
    answer = await gated.client("reader").put(ADDRESS)
    assert (answer.status_code, problem(answer)["type"]) == (403, "/problems/scope-missing")
    for address, slug in (
        (ADDRESS.replace("gw1", "gw9"), "gateway-not-found"),
        (ADDRESS.replace("main", "x"), "cluster-not-found"),
    ):
        answer = await gated.client().put(address)
        assert (answer.status_code, problem(answer)["type"]) == (404, f"/problems/{slug}")
    assert await gated.records("gateways") == {}

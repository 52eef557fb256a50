"""What roles that serve nobody are asked: alive, ready, metrics."""

import httpx2
from prometheus_client import CollectorRegistry, Counter

from bwvisu.adapters.etcd import EtcdUnavailable
from bwvisu.metrics import with_process
from bwvisu.roles.endpoint import endpoint


async def test_it_is_ready_when_etcd_answers_and_alive_in_any_case() -> None:
    failure: Exception | None = None

    async def ask() -> None:
        if failure is not None:
            raise failure

    transport = httpx2.ASGITransport(endpoint(CollectorRegistry(), ask))
    async with httpx2.AsyncClient(transport=transport, base_url="http://role") as role:
        assert (await role.get("/readyz")).status_code == 200
        failure = EtcdUnavailable("no member answered")
        answer = await role.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "etcd: no member answered\n")
        assert (await role.get("/livez")).status_code == 200
        assert (await role.post("/metrics")).status_code == 405


async def test_a_role_shows_its_own_counts_and_the_processs() -> None:
    process = CollectorRegistry()
    roles = [with_process(process) for _ in range(2)]
    Counter("shared", "Of the process", registry=process).inc()
    for number, registry in enumerate(roles):
        Counter("own", "Of the role", registry=registry).inc(number)

    async def ask() -> None: ...

    for number, registry in enumerate(roles):
        transport = httpx2.ASGITransport(endpoint(registry, ask))
        async with httpx2.AsyncClient(transport=transport, base_url="http://role") as role:
            told = (await role.get("/metrics")).text
        assert "shared_total 1.0" in told
        assert f"own_total {number}.0" in told

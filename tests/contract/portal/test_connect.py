"""The page that opens a session: by itself where it can, and else with what its owner must type."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.contract.api.conftest import APP, make_bundle
from tests.contract.api.service import Service, service
from tests.contract.api.test_jobs import AVAILABLE, seen
from tests.support.etcd import EtcdCluster
from tests.support.portal import Visitor

WAYS = {
    "carried": 'connect: {kind: link, fragment: "password={password}"}',
    "link": "connect: {kind: link}",
    "native": 'connect: {kind: native, command: "viewer {host}:{port}"}',
    "whole": 'connect: {kind: native, command: "viewer {host}:{port} {password}"}',
    "form": "connect: {kind: form, action: /login, fields: {name: '{user}'}}",
    "posted": "connect: {kind: form, action: /login, fields: {token: '{password}'}}",
}
ASKS = ("link", "native", "form")


@pytest.fixture
async def api(etcd: EtcdCluster, tmp_path: Path) -> AsyncIterator[Service]:
    for name, way in WAYS.items():
        make_bundle(tmp_path / "applications" / name, APP.replace(WAYS["carried"], way))
    async with service(etcd.endpoints, tmp_path / "applications") as running:
        running.leader.knows("alice")
        yield running


async def opened(alice: Visitor, api: Service, application: str) -> tuple[httpx2.Response, str]:
    """The page that opens it, and its password."""
    job = await api.submit(application=application)
    await seen(api, job["id"], AVAILABLE)
    secret = (await api.client().get(f"/api/v1/jobs/{job['id']}/access")).json()["password"]
    answer = await alice.post(f"/sessions/{job['id']}/connect")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert secret not in str(answer.url)
    return answer, secret


@pytest.mark.parametrize("application", ASKS)
async def test_a_password_that_must_be_typed_is_shown_and_the_page_stays(
    alice: Visitor, api: Service, application: str
) -> None:
    answer, secret = await opened(alice, api, application)
    assert '<code id="user">alice</code>' in answer.text
    assert f'<code id="secret">{secret}</code>' in answer.text
    assert answer.text.count("data-copied") == (3 if application == "native" else 2)
    assert "at-once" not in answer.text
    assert not re.search(rf'(href|action)="[^"]*{re.escape(secret)}', answer.text)


@pytest.mark.parametrize("application", sorted(WAYS.keys() - set(ASKS)))
async def test_where_the_password_goes_along_nobody_has_to_see_it(
    alice: Visitor, api: Service, application: str
) -> None:
    answer, secret = await opened(alice, api, application)
    assert secret in answer.text
    assert "Where the application asks" not in answer.text
    assert ("at-once" in answer.text) is (application != "whole")

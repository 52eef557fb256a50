"""Clusters in single-port mode: what may be started there, and what opens it."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.contract.api.conftest import make_bundle
from tests.contract.api.service import Service, cluster_settings, service
from tests.contract.api.test_bad_input import problem
from tests.contract.api.test_jobs import AVAILABLE, WEB, seen
from tests.support.etcd import EtcdCluster

HOST = "01jd-50007.gw1.viz.example.org"
PROXIED = WEB.model_copy(update={"protocol": "https", "external_host": HOST, "external_port": 443})
OTHERS = {
    "raw": ("{name: web, protocol: tcp}", "", "the port web (tcp)"),
    "vnc": ("{name: web, protocol: vnc}", "", "the port web (vnc)"),
    "tls": ("{name: web, protocol: https}", "", "the port web (https)"),
    "own": (
        "{name: web, protocol: http}",
        'connect: {kind: native, command: "viewer {host}:{port}"}\n',
        "a program of the user's own (connect: native)",
    ),
}

FORM = ("{name: web, protocol: http}", "connect: {kind: form, action: /in, fields: {p: '{password}'}}\n", "")
SCRIPT = "#!/bin/bash\n#KEYHOLE-REQUEST-PORTS 1\ntrue\n"


@pytest.fixture
async def api(etcd: EtcdCluster, bundles: Path, tmp_path: Path) -> AsyncIterator[Service]:
    """``main`` has proxies, ``other`` a packet filter."""
    key = ec.generate_private_key(ec.SECP256R1())
    file = tmp_path / "proxy.key"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for name, (port, connect, _) in {**OTHERS, "form": FORM}.items():
        make_bundle(bundles / name, f"title: {name}\nports: [{port}]\n{connect}", SCRIPT)
    clusters = {
        "main": cluster_settings(forwards={"backend": "proxy", "proxy": {"key_file": str(file), "lifetime": "1h"}}),
        "other": cluster_settings(),
    }
    async with service(etcd.endpoints, bundles, clusters=clusters) as running:
        running.leader.knows("alice")
        yield running


def claims(token: str) -> dict[str, object]:
    middle = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4))))


async def test_a_page_is_opened_by_a_form_that_brings_a_token_for_its_host_alone(api: Service) -> None:
    job = await api.submit()
    await seen(api, job["id"], AVAILABLE.model_copy(update={"services": (PROXIED,)}))
    answer = await api.client().get(f"/api/v1/jobs/{job['id']}/access")
    access = answer.json()
    assert access["url"] == access["form"]["action"] == f"https://{HOST}/lab#password={access['password']}"
    token = access["form"]["fields"].pop("bwvisu_enter")
    assert access["form"]["fields"] == {}
    told = claims(token)
    assert told.keys() == {"host", "exp"}
    assert told["host"] == HOST
    left = datetime.fromtimestamp(int(str(told["exp"])), tz=api.context.now().tzinfo) - api.context.now()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    everything = (await api.client().get("/api/v1/jobs")).text + (await api.client().get("/metrics")).text
    assert token not in everything


async def test_a_guest_s_token_ends_with_the_share(api: Service) -> None:
    api.leader.knows("bob")
    job = await api.submit()
    await seen(api, job["id"], AVAILABLE.model_copy(update={"services": (PROXIED,)}))
    body = {"user": "bob", "minutes": 5}
    alice, bob = {"X-On-Behalf-Of": "alice"}, {"X-On-Behalf-Of": "bob"}
    share = (await api.client().post(f"/api/v1/jobs/{job['id']}/shares", headers=alice, json=body)).json()
    access = (await api.client().get(f"/api/v1/jobs/{job['id']}/access", headers=bob)).json()
    told = claims(access["form"]["fields"]["bwvisu_enter"])
    assert told["exp"] == int(datetime.fromisoformat(share["expires_at"]).timestamp())


async def test_an_application_s_own_form_gets_one_more_field(api: Service) -> None:
    job = await api.submit(application="form")
    await seen(api, job["id"], AVAILABLE.model_copy(update={"services": (PROXIED,)}))
    access = (await api.client().get(f"/api/v1/jobs/{job['id']}/access")).json()
    assert access["form"]["action"] == f"https://{HOST}/in"
    assert access["form"]["fields"].keys() == {"p", "bwvisu_token"}


@pytest.mark.parametrize("name", OTHERS)
async def test_what_is_not_http_is_refused_there_and_started_elsewhere(api: Service, name: str) -> None:
    words = OTHERS[name][2]
    body = {"user": "alice", "application": name}
    answer = await api.client().post("/api/v1/jobs", json={**body, "cluster": "main"})
    assert (answer.status_code, problem(answer)["errors"]) == (
        422,
        [{"pointer": "/cluster", "detail": f"its gateways carry HTTP applications only, and this one has {words}"}],
    )
    assert (await api.submit(application=name, cluster="other"))["cluster"] == "other"
    assert (await api.submit(application=name))["cluster"] == "other", "where no cluster is named"
    assert (await api.submit())["cluster"] == "main"
    shown = (await api.client().get("/api/v1/applications")).json()["items"]
    where = {each["name"]: each["clusters"] for each in shown}
    assert (where[name], where["probe"]) == (["other"], ["main", "other"]), "nobody is offered what would be refused"

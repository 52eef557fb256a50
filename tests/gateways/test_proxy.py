"""Single-port mode on a real cluster, from outside: one port, names, a certificate; HAProxy dies, gateways reboot."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from bwvisu.cli.local import LocalService, shipped_applications, until
from bwvisu.sandbox import Sandbox
from tests.support.proxies import Proxies, domain, proxied
from tests.support.world import Person, etcd_keys, forwards, leave_whole, service_in

FOREIGN = "-p tcp -m tcp --dport 9999 -j REDIRECT --to-ports 22"
PATIENCE = 60


@pytest.fixture(scope="module")
def service(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    folder = tmp_path_factory.mktemp("proxied")
    bundles = folder / "bundles"
    bundles.mkdir()
    (bundles / "page").symlink_to(shipped_applications() / "page")
    (bundles / "paraview").symlink_to(shipped_applications() / "paraview")
    with service_in(sandbox, folder, applications={"path": str(bundles)}) as service:
        service.configure({"clusters": {"main": {"forwards": {"activity": {"interval": 1, "record_every": 1}}}}})
        yield service


@pytest.fixture(scope="module")
def proxies(service: LocalService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxies]:
    with proxied(service, tmp_path_factory.mktemp("proxies")) as proxies:
        service.start()
        service.wait_until_ready(120)
        yield proxies


@pytest.fixture
def alice(service: LocalService, proxies: Proxies) -> Iterator[Person]:
    assert proxies.gateways
    with service.client() as client:
        yield Person(client)
        leave_whole(service, client)


class Outside:
    """curl on the host ``outside``, which knows the sandbox's authority and the names of its gateways."""

    def __init__(self, box: Sandbox, proxies: Proxies) -> None:
        self.box = box
        self.ca = proxies.ca_file.read_text()
        self.box.run("outside", ["sh", "-c", "cat >/tmp/ca.pem"], input=self.ca)
        self.box.run("outside", ["sh", "-c", "rm -f /tmp/jar"])

    def curl(self, url: str, *options: str, form: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Status and body; 0: no answer.  The form travels by standard input, as secrets must."""
        host = urlsplit(url).hostname or ""
        gateway = next(name for name in ("gw1", "gw2") if host.endswith(domain(name)))
        resolve = f"{host}:443:{self.box.addresses[gateway].outer}"
        body = "&".join(f"{name}={value}" for name, value in (form or {}).items())
        argv = [
            "curl",
            "-s",
            "-m",
            "5",
            "--cacert",
            "/tmp/ca.pem",
            "--resolve",
            resolve,
            "-b",
            "/tmp/jar",
            "-c",
            "/tmp/jar",
        ]
        argv += ["-L", "--data-binary", "@-"] if form else []
        shown = self.box.run("outside", [*argv, *options, "-w", "\n%{http_code}", url], input=body).stdout
        text, _, status = shown.rpartition("\n")
        return int(status or 0), text


@pytest.fixture
def outside(sandbox: Sandbox, proxies: Proxies) -> Outside:
    return Outside(sandbox, proxies)


def ways(box: Sandbox, gateway: str) -> list[str]:
    """What HAProxy's map of ours holds there."""
    ask = "path=$(echo 'show map' | nc -U /run/haproxy/bwvisu.sock | grep -o '/[^ )]*[.]map'); echo show map $path"
    shown = box.run(gateway, ["sh", "-c", f"{ask} | nc -U /run/haproxy/bwvisu.sock"]).stdout
    return re.findall(r"^0x\S+ (\S+) \S+$", shown, re.MULTILINE)


def opened(alice: Person, **parameters: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    job = alice.wait(alice.submit(minutes=5, **parameters), "available")
    return job, alice.access(job["id"])


def test_a_job_from_post_to_a_page_at_the_one_port_to_nothing(
    alice: Person, outside: Outside, sandbox: Sandbox, service: LocalService
) -> None:
    for gateway in ("gw1", "gw2"):
        sandbox.run(gateway, ["iptables", "-t", "nat", "-A", "PREROUTING", *FOREIGN.split()])
    job, access = opened(alice, text="one port")
    (web,) = job["services"]
    assert (web["protocol"], web["external_port"]) == ("https", 443)
    assert re.fullmatch(rf"{job['id']}-\d+\.{domain(web['gateway'])}", web["external_host"])
    assert access["url"].rstrip("/") == f"https://{web['external_host']}"
    assert ways(sandbox, web["gateway"]) == [web["external_host"]]

    status, body = outside.curl(access["url"])
    assert (status, "connect through the portal" in body, "one port" in body) == (403, True, False)
    status, body = outside.curl(access["form"]["action"], form=access["form"]["fields"])
    assert (status, "one port" in body) == (200, True), "a token for a cookie, and back to the page"
    assert outside.curl(access["url"])[0] == 200, "by the cookie"
    until(lambda: alice.job(job["id"])["services"][0]["last_active_at"], PATIENCE, "it is known who is active")
    other, _ = opened(alice, text="another")
    there = f"https://{other['services'][0]['external_host']}"
    jar = sandbox.run("outside", ["cat", "/tmp/jar"]).stdout.splitlines()
    cookie = next(line.split()[-1] for line in jar if "__Host-bwvisu" in line)
    assert outside.curl(there, "-H", f"Cookie: __Host-bwvisu={cookie}")[0] == 403

    number = int(web["external_host"].split("-")[1].split(".")[0])
    assert forwards(sandbox, web["gateway"]) == {}
    listening = sandbox.run(web["gateway"], ["ss", "-Hltn"]).stdout
    assert f":{number} " not in listening
    alice.cancel(job["id"])
    alice.wait(job["id"], "finished")
    until(lambda: outside.curl(access["url"])[0] == 404, PATIENCE, "the name leads nowhere")
    assert outside.curl(there, form=alice.access(other["id"])["form"]["fields"])[0] == 200
    alice.cancel(other["id"])
    alice.wait(other["id"], "finished")
    until(lambda: not etcd_keys(service, "forwards"), PATIENCE, "no port is owned")
    for gateway in ("gw1", "gw2"):
        assert ways(sandbox, gateway) == []
        assert FOREIGN in sandbox.run(gateway, ["iptables-save", "-t", "nat"]).stdout
        sandbox.run(gateway, ["iptables", "-t", "nat", "-D", "PREROUTING", *FOREIGN.split()])


def test_haproxy_and_its_gateway_come_back_and_nobody_else_notices(
    alice: Person, outside: Outside, sandbox: Sandbox
) -> None:
    job, access = opened(alice, text="comes back")
    (web,) = job["services"]
    form = {"form": access["form"]["fields"]}
    assert outside.curl(access["url"], **form)[0] == 200
    sandbox.run(web["gateway"], ["pkill", "-9", "-x", "haproxy"])
    until(lambda: outside.curl(access["url"])[0] == 0, PATIENCE, "nobody answers")
    until(lambda: "cannot be listed" in gateway(alice, web["gateway"])["detail"], PATIENCE, "administrators are told")
    alice.cancel(job["id"])
    until(lambda: alice.job(job["id"])["slurm"]["state"] != "RUNNING", PATIENCE, "the job has ended")
    second, other = opened(alice, text="at the other one")
    assert second["services"][0]["gateway"] != web["gateway"]
    assert outside.curl(other["url"], form=other["form"]["fields"])[0] == 200
    sandbox.reboot(web["gateway"])
    until(lambda: gateway(alice, web["gateway"])["reachable"], PATIENCE, "it is back")
    sandbox.reboot(second["services"][0]["gateway"])
    until(lambda: outside.curl(other["url"])[0] == 200, PATIENCE, "its empty map was filled")
    assert alice.job(second["id"])["state"] == "available"


def gateway(alice: Person, name: str) -> dict[str, Any]:
    (cluster,) = alice.client.get("/api/v1/clusters").json()["items"]
    return dict(next(each for each in cluster["gateways"] if each["name"] == name))


def test_what_is_not_http_is_refused(alice: Person) -> None:
    answer = alice.client.post("/api/v1/jobs", json={"user": "alice", "application": "paraview", "parameters": {}})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/cluster"
    assert error["detail"].startswith("its gateways carry HTTP applications only, and this one has ")


def test_the_configuration_is_printed_for_gateways_that_have_one(service: LocalService, proxies: Proxies) -> None:
    text = proxies.configuration(service, "gw1")
    assert "@" not in text, "no word was left out"
    assert "PRIVATE" not in text

"""`make audit` tells what is known, that nothing is, and that it could not ask: three different ends."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from scripts.audit import ROOT, Package, locked


@contextmanager
def osv(vulnerable: dict[str, list[str]], *, broken: bool = False) -> Iterator[str]:
    """A service that answers as OSV's description says; what it was asked for must be what OSV takes."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            assert self.path == "/v1/querybatch"
            assert len(asked) <= 1000
            results: list[dict[str, Any]] = [
                {"vulns": [{"id": each, "modified": "2026-01-01T00:00:00Z"} for each in ids]} if ids else {}
                for query in asked
                for ids in [vulnerable.get(query["package"]["name"])]
            ]
            self.send_response(503 if broken else 200)
            self.end_headers()
            self.wfile.write(json.dumps({"results": results}).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def audit(service: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "scripts.audit"]
    environment = {"OSV_URL": service, "PYTHONPATH": str(ROOT)}
    return subprocess.run(argv, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=60)


def test_every_lock_is_asked_about() -> None:
    packages = locked()
    assert len(packages) == len(set(packages))
    names = {(each.ecosystem, each.name) for each in packages}
    for lock_has in (("PyPI", "cryptography"), ("PyPI", "uv"), ("npm", "htmx.org"), ("npm", "oidc-provider")):
        assert lock_has in names
    assert all(each.version and each.version[0].isdigit() for each in packages)


def test_a_finding_fails_and_names_the_package() -> None:
    with osv({"htmx.org": ["GHSA-x", "GHSA-y"]}) as service:
        done = audit(service)
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    (package,) = (each for each in locked() if each.name == "htmx.org")
    assert line == f"npm htmx.org {package.version}: GHSA-x, GHSA-y"


def test_nothing_known_is_good() -> None:
    with osv({}) as service:
        done = audit(service)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith("packages, 0 with known vulnerabilities\n")


def test_a_service_that_cannot_be_asked_is_not_a_good_word() -> None:
    with osv({}, broken=True) as service:
        ill = audit(service)
    gone = audit(service)
    for done in (ill, gone):
        assert (done.returncode, done.stdout) == (2, "")
        assert "nothing is known" in done.stderr


def test_a_question_is_as_osv_takes_it() -> None:
    assert Package("PyPI", "jinja2", "3.1.6").question == {
        "package": {"ecosystem": "PyPI", "name": "jinja2"},
        "version": "3.1.6",
    }

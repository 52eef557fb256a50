"""Two real desktops on which nobody does anything: the one with an open viewer lives, the other is stopped."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from bwvisu.cli.local import until
from bwvisu.sandbox import Sandbox
from tests.support.browser import PATIENCE, chromium, new_page
from tests.support.world import Person, leave_whole, service_in

MINUTES = 2


def start(alice: Person) -> dict[str, Any]:
    parameters = {"session": "icewm", "minutes": 30}
    body = {
        "user": "alice",
        "application": "desktop",
        "parameters": parameters,
        "idle_stop_minutes": MINUTES,
    }
    answer = alice.client.post("/api/v1/jobs", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def sent(sandbox: Sandbox, service: dict[str, Any]) -> int:
    """Bytes from users through a port, as the gateway's own conntrack has them."""
    argv = ["conntrack", "-L", "-p", "tcp", "--orig-port-dst", str(service["external_port"])]
    shown = sandbox.run(service["gateway"], argv).stdout
    return sum(int(line.split("bytes=", 2)[1].split()[0]) for line in shown.splitlines() if "bytes=" in line)


@pytest.mark.timeout(900)
def test_an_idle_desktop_is_warned_and_stopped_while_one_with_an_open_viewer_lives(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    cluster = {
        "forwards": {"activity": {"record_every": 5}},
        "limits": {"idle_stop": {"minimum": 60, "warning": 30}},
    }
    with service_in(sandbox, tmp_path / "service", cluster) as service, chromium() as browser:
        service.start()
        service.wait_until_ready()
        with service.client() as client, new_page(browser) as page:
            alice = Person(client)
            watched, idle = (alice.wait(start(alice)["id"], "available", 180) for _ in range(2))
            page.goto(alice.access(watched["id"])["url"])
            expect(page.locator("#noVNC_container canvas")).to_be_visible(timeout=PATIENCE)
            until(lambda: alice.job(watched["id"])["services"][0]["connections"], 30, "the viewer is seen")

            until(lambda: alice.job(idle["id"])["idle"]["warned"], MINUTES * 60 + 60, "its owner is warned")
            over = alice.wait(idle["id"], "finished", 120)
            assert (over["outcome"], over["reason"]["code"]) == ("cancelled", "idle")

            # As long again as it took to stop the other one: whatever an open page sends, it is enough.
            before, since = sent(sandbox, watched["services"][0]), alice.job(watched["id"])["idle"]["since"]
            until(lambda: alice.job(watched["id"])["idle"]["since"] > since, 120, "it is active again")
            assert sent(sandbox, watched["services"][0]) > before
            lives = alice.job(watched["id"])
            assert (lives["state"], lives["idle"]["warned"]) == ("available", False)
            assert re.search("noVNC", page.title())
            leave_whole(service, client)

"""Draw the README's pictures: applications of real jobs on a sandbox cluster, as their users see them.

usage: python -m scripts.pictures

Nothing in them is made up: the terminal's pixels come from a compute node through a gateway.
"""

import re
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Page

from bwvisu.cli.local import LocalService, install_terminal
from bwvisu.sandbox import Options, Sandbox
from tests.support.browser import Terminal, chromium, new_page
from tests.support.portal_pages import Portal
from tests.support.world import Person, address, service_in

HERE = Path(__file__).resolve().parent
IMAGES = HERE.parent / "docs" / "images"
LIMIT = 150_000  # bytes; every clone carries them
WIDTH, HEIGHT, SCALE = 900, 640, 2
SHOWN = {
    "text": "Hello, $(whoami) & <b>friends</b>!",
    "file": "/home/alice/results.csv",
    "number": 2.5,
    "partition": "batch",
}
PROFILE = r"""
PS1='\[\e[1;32m\]\u@\h\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]\$ '
export SQUEUE_FORMAT='%.6i %.10P %.8u %.9T %.8M %.10l  %N'
"""


def main() -> int:
    """Bring everything up, draw, take everything down."""
    IMAGES.mkdir(exist_ok=True)
    install_terminal()
    with ExitStack() as stack:
        box = stack.enter_context(Sandbox.up(Options(name="pictures"), say=print))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bwvisu-pictures-"))
        service = stack.enter_context(service_in(box, Path(folder), people=("alice", "carol")))
        service.start()
        service.wait_until_ready()
        alice = Person(stack.enter_context(service.client()))
        furnish(box)
        with chromium(WIDTH, HEIGHT, SCALE) as browser:
            with new_page(browser) as page:
                draw_page(alice, page, IMAGES / "page.png")
            with new_page(browser) as page:
                draw_terminal(alice, page, IMAGES / "terminal.png")
        draw_portal(service, alice)
    sizes = {picture.name: picture.stat().st_size for picture in IMAGES.glob("*.png")}
    print(*(f"{name}: {size:,} bytes" for name, size in sizes.items()), sep="\n")
    return int(max(sizes.values()) > LIMIT)


def furnish(box: Sandbox) -> None:
    """Give alice a prompt to her taste and something to show."""
    for name, text in ((".profile", PROFILE), ("julia.py", (HERE / "julia.py").read_text())):
        box.run("cmd1", ["sh", "-c", f"cat >{name}"], user="alice", input=text).check_returncode()


def draw_page(alice: Person, page: Page, picture: Path) -> None:
    """The application ``page`` with a text that would be code anywhere else."""
    job = alice.wait(alice.submit("page", **SHOWN), "available")
    page.goto(address(job))
    page.screenshot(path=picture)


def draw_terminal(alice: Person, page: Page, picture: Path) -> None:
    """The application ``terminal`` in its dark theme."""
    job = alice.wait(alice.submit("terminal"), "available")
    access = alice.client.get(f"/api/v1/jobs/{job['id']}/access").json()
    terminal = Terminal(page, access["url"])
    terminal.sign_in(access["password"])
    page.get_by_role("menuitem", name="Settings").click()
    for entry in ("Theme", "JupyterLab Dark"):
        page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{entry}$")).click()
    page.locator("body[data-jp-theme-light=false]").wait_for(state="attached")
    terminal.type("squeue --me")
    terminal.wait_for("NODELIST")
    terminal.type("python3 julia.py")
    terminal.wait_for(re.compile("▀.*\\$ $"))
    page.screenshot(path=picture)


@dataclass(frozen=True)
class Picture:
    """One of the portal's pages, as somebody's browser shows it."""

    name: str
    path: str
    person: str = "alice"
    options: Mapping[str, Any] = field(default_factory=dict)


DESK, DARK = {"viewport": {"width": 1024, "height": 800}}, {"color_scheme": "dark"}
PHONE = {"viewport": {"width": 390, "height": 780}}
PICTURES = (
    Picture("sessions", "/"),
    Picture("sessions-dark", "/", options=DARK),
    Picture("sessions-phone", "/", options=PHONE),
    Picture("catalogue", "/applications"),
    Picture("form", "/applications/jupyter"),
    Picture("details-dark", "/sessions/{terminal}", options=DARK),
    Picture("administration", "/admin", person="carol"),
)


class Sessions(NamedTuple):
    """What there is to see."""

    terminal: str

    @classmethod
    def start(cls, alice: Person) -> "Sessions":
        """One that is ready, one that waits, one that its owner has stopped."""
        stopped, terminal = alice.submit("page", minutes=60), alice.submit("terminal", minutes=240)
        alice.submit("jupyter", partition="closed")
        alice.cancel(stopped)
        alice.wait(stopped, "finished")
        alice.wait(terminal, "available")
        return cls(terminal)


def draw_portal(service: LocalService, alice: Person) -> None:
    """Its pages, in a browser whose pixels are large: these pictures are many."""
    sessions = Sessions.start(alice)
    with chromium() as browser:
        for picture in PICTURES:
            draw(browser, service, sessions, picture)


def draw(browser: Browser, service: LocalService, sessions: Sessions, picture: Picture) -> None:
    """One page of the portal."""
    with new_page(browser, **{**DESK, **picture.options}) as page:
        portal = Portal(page, service.portal_url)
        portal.sign_in(picture.person, service.passwords[picture.person])
        portal.open(picture.path.format(**sessions._asdict()))
        page.evaluate("Promise.all([...document.images].map(image => image.decode()))")
        page.screenshot(path=IMAGES / f"portal-{picture.name}.png", animations="disabled")


if __name__ == "__main__":
    sys.exit(main())

"""What a site makes of its portal is seen on every page: name, logo, colours, announcement, links."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.api.service import Service
from tests.support.portal import Visitor, portal_over

LOGO = "<svg xmlns='http://www.w3.org/2000/svg'><title>of the site</title></svg>"
LINKS = [
    {"title": "Imprint & more", "url": "https://example.org/imprint"},
    {"title": "Help", "url": "https://example.org/help"},
]


@pytest.fixture
async def alice(api: Service, tmp_path: Path) -> AsyncIterator[Visitor]:
    """At a portal whose site has set everything."""
    logo = tmp_path / "logo.svg"
    logo.write_text(LOGO)
    site = {
        "name": "HPC <Example>",
        "logo_file": str(logo),
        "accent": "#1d4ed8",
        "accent_dark": "#93c5fd",
        "announcement": "Maintenance on Monday, 8 to 10 <o'clock>.",
        "links": LINKS,
    }
    async with portal_over(api.url, "bwv_portal", site=site) as app:
        visitor = Visitor(app)
        await visitor.sign_in("alice")
        yield visitor
        await visitor.http.aclose()


async def test_every_page_has_the_sites_name_announcement_and_links(alice: Visitor) -> None:
    for path in ("/", "/applications", "/applications/probe", "/nothing"):
        page = (await alice.get(path)).text
        assert re.search(r"<title>[^<]+ · HPC &lt;Example&gt;</title>", page), path
        assert re.search(r'<aside class="announcement"[^>]+>Maintenance on Monday, 8 to 10 &lt;o&#39;clock&gt;.<', page)
        foot = page.partition("<footer>")[2]
        assert '<a href="https://example.org/imprint">Imprint &amp; more</a>' in foot
        assert '<a href="https://example.org/help">Help</a>' in foot
        assert page.count('href="/site.css"') == 1


async def test_the_sites_colours_are_laid_over_ours_in_the_light_and_in_the_dark(alice: Visitor) -> None:
    page = (await alice.get("/")).text
    assert page.index("/static/portal.css") < page.index("/site.css")
    answer = await alice.get("/site.css")
    assert answer.headers["content-type"].startswith("text/css")
    light, dark = answer.text.split("\n", 1)
    assert light == ":root { --accent: #1d4ed8; }"
    assert dark.count("--accent: #93c5fd;") == 2  # as the system is, and as was chosen
    assert "#1d4ed8" not in dark


async def test_the_sites_logo_stands_on_pages_and_in_tabs(alice: Visitor) -> None:
    answer = await alice.get("/logo.svg")
    assert (answer.headers["content-type"], answer.text) == ("image/svg+xml", LOGO)
    page = (await alice.get("/")).text
    assert '<link rel="icon" href="/logo.svg"' in page
    assert '<img src="/logo.svg" alt=""' in page


async def test_without_any_it_is_ours(api: Service) -> None:
    async with portal_over(api.url, "bwv_portal") as app:
        visitor = Visitor(app)
        page = (await visitor.get("/sign-in")).text
        assert "<title>Sign in · bwVisu</title>" in page
        assert 'class="announcement"' not in page
        assert (await visitor.get("/site.css")).text == ""
        assert "<svg" in (await visitor.get("/logo.svg")).text
        await visitor.http.aclose()

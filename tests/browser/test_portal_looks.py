"""For everybody: no barriers that axe finds, by keyboard alone, in the dark, on a phone, in German, without motion."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from bwvisu.cli.local import LocalService, until
from tests.support.axe import COLOURS, violations
from tests.support.browser import new_page
from tests.support.portal_pages import Portal
from tests.support.portal_process import portal_of
from tests.support.portal_tour import Tour
from tests.support.waiting import free_port
from tests.support.world import Person

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
PHONE: ViewportSize = {"width": 360, "height": 740}
WIDE: ViewportSize = {"width": 1920, "height": 1080}
SITE = {
    "name": "A high-performance computing centre with a long name",
    "accent": "#b91c1c",
    "accent_dark": "#fca5a5",
    "announcement": "Maintenance on Monday, 8 to 10 o'clock: sessions that run then are ended.",
    "links": [{"title": "Imprint", "url": "https://example.org/imprint"}],
}


@pytest.fixture(scope="module")
def shown(alice: Person) -> Iterator[dict[str, str]]:
    """Sessions in several states."""
    jobs = {
        "waiting": alice.submit("command", line="true", partition="closed"),
        "native": alice.submit("picky"),
        "form": alice.submit("terminal"),
        "link": alice.submit("page"),
        "failed": alice.submit("command", line="echo no; exit 3"),
        "stopped": alice.submit("command", line="sleep 600"),
    }
    alice.cancel(jobs["stopped"])
    states = {"waiting": "submitted", "failed": "finished", "stopped": "finished"}
    for name, job_id in jobs.items():
        alice.wait(job_id, states.get(name, "available"))
    yield jobs
    for name in ("waiting", "native", "form", "link"):
        alice.cancel(jobs[name])


@pytest.fixture(scope="module")
def dressed(service: LocalService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A portal of the site's own looks, whose API is away."""
    folder, url = tmp_path_factory.mktemp("dressed"), f"http://127.0.0.1:{free_port()}"
    nowhere = f"http://127.0.0.1:{free_port()}"
    with portal_of(service, folder, url, "/livez", site=SITE, api_url=nowhere) as at:
        yield at


@pytest.fixture
def every_page(
    portal: Callable[..., Portal], shown: dict[str, str], dressed: str
) -> Callable[..., Iterator[tuple[str, Page]]]:
    """Opens each kind of page, one after another; options: of Playwright's contexts."""

    def walk(**options: Any) -> Iterator[tuple[str, Page]]:
        alice, bob, carol = (portal(name, **options) for name in ("alice", "bob", "carol"))
        return Tour(alice, bob, carol, shown, dressed).stops()

    return walk


def test_axe_finds_nothing_on_any_page_in_the_light_or_in_the_dark(
    every_page: Callable[..., Iterator[tuple[str, Page]]],
) -> None:
    found: dict[tuple[str, str], list[str]] = {}
    for name, page in every_page(reduced_motion="reduce"):
        found[name, "light"] = violations(page)
        page.emulate_media(color_scheme="dark")
        found[name, "dark"] = violations(page, COLOURS)
        page.emulate_media(color_scheme="light")
    assert {where: wrong for where, wrong in found.items() if wrong} == {}


def test_axe_would_find_something(portal: Callable[..., Portal]) -> None:
    mine = portal(color_scheme="dark")
    mine.open()
    mine.page.evaluate("document.querySelector('main').append(new Image(9, 9))")
    mine.page.evaluate("document.querySelector('h1').style.color = '#333'")
    assert [wrong.split()[0] for wrong in violations(mine.page)] == ["color-contrast", "image-alt"]
    assert [wrong.split()[0] for wrong in violations(mine.page, COLOURS)] == ["color-contrast"]


def test_no_page_is_wider_than_its_window(every_page: Callable[..., Iterator[tuple[str, Page]]]) -> None:
    wider: list[tuple[str, int]] = []
    for name, page in every_page(viewport=PHONE):
        for size in (PHONE, WIDE):
            page.set_viewport_size(size)
            wider += [(name, size["width"])] if page.evaluate(OVERFLOW) > 0 else []
    assert wider == []


def test_dark_and_light_are_as_the_system_is_or_as_was_chosen(portal: Callable[..., Portal]) -> None:
    mine = portal(color_scheme="dark")
    mine.open()
    assert brightness(mine.page) < 60
    choose(mine.page, "Appearance", "Light")
    expect(mine.page.locator("html")).to_have_attribute("data-theme", "light")
    assert brightness(mine.page) > 200
    choose(mine.page, "Appearance", "Dark")
    expect(mine.page.locator("html")).to_have_attribute("data-theme", "dark")
    assert brightness(mine.page) < 60


def test_nothing_moves_for_whoever_wants_that(portal: Callable[..., Portal], shown: dict[str, str]) -> None:
    animated = "document.getAnimations().length"
    mine = portal()
    mine.open()
    assert mine.page.evaluate(animated) > 0
    mine.page.emulate_media(reduced_motion="reduce")
    until(lambda: mine.page.evaluate(animated) == 0, 5, "nothing moves")


def test_in_german_nothing_is_english_but_what_applications_say(
    portal: Callable[..., Portal], shown: dict[str, str]
) -> None:
    mine = portal(locale="de-DE")
    mine.open()
    expect(mine.page.locator("html")).to_have_attribute("lang", "de")
    expect(mine.page.get_by_role("heading", level=1)).to_have_text("Meine Sitzungen")
    expect(mine.card(shown["waiting"])).to_contain_text("Die Partition ist geschlossen")
    expect(mine.card(shown["failed"])).to_contain_text("Exit-Code 3")
    expect(mine.card(shown["native"])).to_contain_text(re.compile("Endet in .* Minuten"))
    mine.open("/applications/picky")
    mine.page.evaluate("document.querySelector('form.launch').noValidate = true")
    mine.fill({"Run time": "999"})
    mine.page.get_by_role("button", name="Starten").click()
    expect(mine.page.get_by_label("Run time", exact=True)).to_have_accessible_description(
        "5 bis 120 min Der Wert darf höchstens 120 min sein."
    )
    choose(mine.page, "Sprache", "English")
    expect(mine.page.locator("html")).to_have_attribute("lang", "en")
    expect(mine.page.get_by_label("Run time", exact=True)).to_have_value("999")  # nothing typed is lost
    mine.open("/applications")
    mine.page.get_by_label("Search applications").fill("pick")
    mine.page.wait_for_url(re.compile(r"\?q=pick"))
    choose(mine.page, "Language", "Deutsch")
    expect(mine.page.locator("html")).to_have_attribute("lang", "de")
    expect(mine.page.get_by_label("Anwendungen suchen")).to_have_value("pick")


def test_by_keyboard_alone_from_sign_in_to_stop(browser: Browser, service: LocalService) -> None:
    with new_page(browser) as page:
        mine = Portal(page, service.portal_url)
        mine.open()
        keys = page.keyboard
        keys.type("alice")  # the first field has the focus
        keys.press("Tab")
        keys.type(service.passwords["alice"])
        keys.press("Enter")
        page.wait_for_url(f"{service.portal_url}/")
        tab_to(page, page.get_by_role("link", name="Applications", exact=True))
        keys.press("Enter")
        tab_to(page, page.locator("a[href='/applications/picky']"))
        keys.press("Enter")
        tab_to(page, page.get_by_role("button", name="Launch", exact=True))
        keys.press("Enter")
        page.wait_for_url(re.compile("#job-"))
        card = mine.card(page.url.partition("#job-")[2])
        stop = card.locator("button", has_text="Stop")
        tab_to(page, stop)
        mine.expect(str(card.get_attribute("data-job")), "Ready")  # the card was moved under the focus
        expect(stop).to_be_focused()
        assert outlined(stop)
        tab_to(page, card.locator("button", has_text="Connect"), backwards=True)
        with page.context.expect_page() as opened:
            keys.press("Enter")
        opened.value.locator("#command").wait_for()
        tab_to(page, stop)
        keys.press("Enter")
        asked = page.get_by_role("dialog", name="Stop “Picky”? What was not saved there is lost.")
        expect(asked.get_by_role("button", name="Keep it running")).to_be_focused()
        keys.press("Escape")
        expect(asked).to_be_hidden()
        expect(stop).to_be_focused()
        keys.press("Enter")
        keys.press("Tab")
        expect(asked.get_by_role("button", name="Stop", exact=True)).to_be_focused()
        keys.press("Enter")
        mine.expect(str(card.get_attribute("data-job")), "Stopped")


def tab_to(page: Page, target: Locator, *, backwards: bool = False) -> None:
    """Press Tab until it has the focus, which must be seen."""
    for _ in range(60):
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
        if target.evaluate("it => it === document.activeElement"):
            assert outlined(target)
            return
    raise AssertionError(f"the focus does not reach {target}")


def outlined(target: Locator) -> bool:
    """Whether one sees that it has the focus."""
    return bool(target.evaluate("it => getComputedStyle(it).outlineStyle !== 'none'"))


def choose(page: Page, setting: str, value: str) -> None:
    """In the menu that every page has."""
    page.locator("details.menu summary").click()
    page.get_by_label(setting).select_option(label=value)
    page.get_by_role("button", name=re.compile("^(Apply|Übernehmen)$")).click()


def brightness(page: Page) -> float:
    """Of the page's ground, 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    numbers = [int(each) for each in re.findall(r"\d+", colour)[:3]]
    return sum(numbers) / len(numbers)

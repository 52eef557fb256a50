"""The form: what is asked when, what is kept, and what is wrong beside its field."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.support.portal_pages import Portal
from tests.support.world import Person


def field(page: Page, name: str) -> str:
    """What stands in a field."""
    return page.locator(f"[name='p.{name}']").input_value()


def test_a_parameter_is_asked_only_where_others_have_the_values_that_it_hangs_on(
    portal: Callable[..., Portal], alice: Person
) -> None:
    mine = portal()
    mine.open("/applications/picky")
    kind, count = mine.page.get_by_label("Kind of GPU"), mine.page.get_by_label("GPUs")
    expect(kind).to_be_hidden()
    mine.page.get_by_label("With a GPU").check()
    expect(kind).to_be_visible()
    expect(count).to_be_hidden()
    kind.select_option(label="Large")
    expect(count).to_be_visible()
    count.fill("2")
    mine.page.get_by_label("With a GPU").uncheck()
    expect(count).to_be_hidden()
    mine.page.get_by_label("With a GPU").check()
    expect(count).to_be_visible()
    kind.select_option(label="Small")
    expect(count).to_be_hidden()
    job_id = mine.send()
    assert alice.job(job_id)["parameters"]["kind"] == "a"
    assert alice.job(job_id)["parameters"]["count"] == 1
    mine.press_stop(job_id)


def test_faults_stand_beside_their_fields_and_nothing_that_was_typed_is_lost(portal: Callable[..., Portal]) -> None:
    mine = portal()
    mine.open("/applications/picky")
    mine.fill({"Run time": "999", "Note": "NO CAPITALS"})
    mine.page.get_by_role("button", name="Launch", exact=True).click()
    assert mine.page.evaluate("document.querySelector('[name=\"p.minutes\"]').validity.rangeOverflow")
    mine.page.evaluate("document.querySelector('form.launch').noValidate = true")
    mine.page.get_by_role("button", name="Launch", exact=True).click()
    expect(mine.page.get_by_role("alert")).to_contain_text("It was not started")
    minutes = mine.page.get_by_label("Run time", exact=True)
    expect(minutes).to_have_attribute("aria-invalid", "true")
    expect(minutes).to_have_accessible_description("5 to 120 min It must be at most 120 min.")
    expect(minutes).to_be_focused()
    expect(mine.page.get_by_label("Note")).to_have_accessible_description(
        "Whatever you like. It must have the form [a-z ]*."
    )
    assert (field(mine.page, "minutes"), field(mine.page, "note")) == ("999", "NO CAPITALS")


def test_a_preset_is_kept_used_and_removed(portal: Callable[..., Portal]) -> None:
    mine = portal("bob")
    mine.open("/applications/picky")
    mine.fill({"Run time": "55", "Note": "kept"})
    mine.page.get_by_text("Save as preset").click()
    mine.page.get_by_label("Name of the preset").fill("My <evening> & runs")
    mine.page.keyboard.press("Enter")
    expect(mine.page.get_by_role("status").first).to_contain_text("The preset was saved.")

    mine.open("/applications/picky")
    assert field(mine.page, "minutes") == "30"
    mine.page.get_by_role("link", name="My <evening> & runs").click()
    expect(mine.page.get_by_label("Run time", exact=True)).to_have_value("55")
    assert field(mine.page, "note") == "kept"

    mine.page.get_by_role("button", name="Remove the preset My <evening> & runs").click()
    expect(mine.page.get_by_role("link", name="My <evening> & runs")).to_have_count(0)


def test_each_cluster_has_its_own_limits_and_choosing_one_keeps_what_was_typed(portal: Callable[..., Portal]) -> None:
    mine = portal()
    mine.open("/applications/picky")
    minutes = mine.page.get_by_label("Run time", exact=True)
    expect(minutes).to_have_accessible_description("5 to 120 min")
    idle = mine.page.get_by_label("Stop when nobody uses it")
    expect(idle).to_have_accessible_description("After so long without activity. Empty: never. 10 to 10080 min")
    mine.fill({"Run time": "45", "Note": "kept"})
    mine.page.get_by_label("Cluster").select_option("away")
    expect(minutes).to_have_accessible_description("5 to 60 min")
    assert (field(mine.page, "minutes"), field(mine.page, "note")) == ("45", "kept")
    expect(mine.page.get_by_label("Cluster")).to_have_value("away")
    expect(mine.page.get_by_role("alert")).to_have_count(0)

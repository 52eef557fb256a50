"""The test page in the browser: whatever its user typed is text there, and nothing but text."""

from collections.abc import Callable

from playwright.sync_api import Dialog, Page

from tests.support.world import Person, address

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> </h1></title><b id=injected>\"' onload='alert(3)"
    " &lt;i&gt; &amp; $(id) `id` ${HOME} {{ 7*7 }} javascript:alert(4) \\ äöü 日本 \u202eright to left"
)


def test_hostile_text_is_shown_as_that_very_text(alice: Person, visitor: Callable[[], Page]) -> None:
    job = alice.wait(alice.submit("page", text=HOSTILE, file="a b/<u>$(id)</u>"), "available")
    page = visitor()
    dialogs: list[str] = []

    def heard(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", heard)
    page.goto(address(job), wait_until="networkidle")

    assert page.locator("h1").inner_text() == HOSTILE
    shown = dict(row.inner_text().split("\t") for row in page.get_by_role("row").all())
    assert shown["text"] == HOSTILE
    assert shown["file"] == "a b/<u>$(id)</u>"
    assert page.title() == "bwVisu test page"
    assert page.locator("script, img, b, u, i").all_inner_texts() == [job["slurm"]["nodes"][0]]
    assert dialogs == []
    alice.cancel(job["id"])
    alice.wait(job["id"], "finished")

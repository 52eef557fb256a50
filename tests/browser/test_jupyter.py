"""JupyterLab on a compute node, in the browser: signed in by a posted form, a notebook's cell run; and no stranger."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Error, Page, expect

from bwvisu.cli.local import LocalService
from bwvisu.sandbox import Sandbox
from tests.support.browser import PATIENCE
from tests.support.notebooks import forget_workspaces, run_cell
from tests.support.secrecy import addresses_of, assert_unseen
from tests.support.world import OpenJob, Person, opened

POSTS = """({action, fields}) => {
    const form = Object.assign(document.createElement("form"), {action, method: "post"})
    for (const [name, value] of Object.entries(fields))
        form.append(Object.assign(document.createElement("input"), {type: "hidden", name, value}))
    document.body.append(form)
    form.submit()
}"""
"""What a portal does: another site's page posts the form."""
CELL = "import os, socket; print(6 * 7, socket.gethostname(), os.getcwd())"


@pytest.fixture(scope="module")
def lab(alice: Person, sandbox: Sandbox) -> Iterator[OpenJob]:
    """One for all tests here; the last of them ends it."""
    forget_workspaces(sandbox)
    with opened(alice, "jupyter") as job:
        yield job


def sign_in(page: Page, lab: OpenJob, **changed: str) -> None:
    """By the form that the API hands out, with other values where they are given."""
    assert lab.form
    page.evaluate(POSTS, {**lab.form, "fields": lab.form["fields"] | changed})


def test_without_the_password_there_is_no_lab_and_no_kernel(lab: OpenJob, visitor: Callable[[], Page]) -> None:
    page = visitor()
    sign_in(page, lab, password="wrong", token=lab.password[::-1])
    expect(page.get_by_text("404 : Not Found")).to_be_visible(
        timeout=PATIENCE
    )  # what Jupyter Server says to a forged form
    page.goto(lab.url)
    assert urlsplit(page.url).path == "/login"
    status = "([method, path]) => fetch(path, {method}).then(answer => answer.status)"
    assert page.evaluate(status, ["GET", "/api/kernels"]) == 403
    assert page.evaluate(status, ["POST", "/api/kernels"]) == 403
    page.get_by_label("Password or token").fill("wrong")
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_text("Invalid credentials")).to_be_visible()


def test_a_person_runs_a_cell_of_a_notebook(
    lab: OpenJob, alice: Person, visitor: Callable[[], Page], sandbox: Sandbox, service: LocalService
) -> None:
    page = visitor()
    sent = addresses_of(page)
    sign_in(page, lab)
    answer = run_cell(page, CELL)
    expect(answer).to_have_text(f"42 {lab.node} /home/alice\n", timeout=PATIENCE)
    assert urlsplit(page.url).query == ""

    assert_unseen(lab.password, lab, sandbox, service, ("jupyterlab", "POST /login", "/lab"), sent)
    alice.cancel(lab.id)
    alice.wait(lab.id, "finished")
    with pytest.raises(Error, match=re.escape("net::ERR_CONNECTION_REFUSED")):
        visitor().goto(lab.url)
    left = sandbox.run(lab.node, ["sh", "-c", "ls -d /tmp/tmp.*"]).stdout
    assert left == ""

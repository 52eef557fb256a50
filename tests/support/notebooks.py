"""JupyterLab's page, as a person uses it."""

from playwright.sync_api import Locator, Page, expect

from bwvisu.sandbox import Sandbox
from tests.support.browser import PATIENCE

WORKSPACES = "/home/alice/.jupyter/lab/workspaces"


def forget_workspaces(sandbox: Sandbox) -> None:
    """Have alice's next lab begin with its launcher, and not with what an earlier one of hers had open."""
    sandbox.run("node1", ["rm", "-rf", WORKSPACES])


def run_cell(page: Page, cell: str) -> Locator:
    """Run ``cell`` in a new notebook, from the launcher; gives where its output appears."""
    page.locator(".jp-LauncherCard[data-category=Notebook]").first.click(timeout=PATIENCE)
    # A cell that is run before its kernel is there is not run at all; what is typed while the page is built is lost.
    kernel = page.locator(".jp-Notebook-ExecutionIndicator")
    expect(kernel).to_have_attribute("data-status", "idle", timeout=PATIENCE)
    editor = page.locator(".jp-Notebook .jp-CodeCell .cm-content")
    editor.click()
    page.keyboard.type(cell)
    expect(editor).to_contain_text(cell.splitlines()[-1], timeout=PATIENCE)
    page.keyboard.press("Shift+Enter")
    return page.locator(".jp-Notebook .jp-OutputArea-output")

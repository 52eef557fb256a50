"""The settings page names every key."""

from pathlib import Path

from bwvisu.settings.document import render
from bwvisu.settings.models import EtcdSettings, Settings


def test_the_committed_page_is_current() -> None:
    assert Path("docs/settings.md").read_text() == render(), "run `make docs`"


def test_every_key_is_there_with_words() -> None:
    page = render()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert all(len(row.rstrip(" |").split("|")[-1].strip()) > 5 for row in rows)
    for name in (*Settings.model_fields, *EtcdSettings.model_fields, "submit_timeout", "external_host", "sha256"):
        assert f"| `{name}` |" in page

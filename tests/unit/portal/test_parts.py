"""Parts of pages as they are drawn from a job: what stands on a card, and what is left out where nothing is known."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.requests import Request

from bwvisu.portal.cards import card
from bwvisu.portal.documents import Job
from bwvisu.portal.look import Look
from bwvisu.settings import SiteSettings
from tests.support.small_api import job as plain

WAITING = {"job_id": 7, "state": "PENDING", "expected_start_at": "2026-11-22T13:00:00Z"}
SERVICE = {
    "name": "web",
    "protocol": "http",
    "gateway": "gw1",
    "external_host": "gw1.example.org",
    "external_port": 50000,
    "internal_host": "node1",
    "internal_port": 50001,
    "reachable": True,
}


def drawn(part: str, language: str = "en", **changes: Any) -> str:
    """A part of a page of somebody whose browser asks for a language."""
    headers = [(b"accept-language", language.encode())]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers, "session": {}}
    shown = card(Job.model_validate(plain(**changes)), None, datetime.now(UTC))
    return Look(SiteSettings()).text(Request(scope), part, card=shown, log="", oob=False)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", r"Expected to start (<time[^>]+>)in 30 minutes"),
        ("de", r"Startet voraussichtlich (<time[^>]+>)in 30 Min"),
    ],
)
def test_a_card_that_waits_says_when_it_is_expected_to_start(language: str, words: str) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=30, seconds=30)).isoformat()
    html = drawn("part_card.html", language, state="submitted", slurm={**WAITING, "expected_start_at": soon})
    found = re.search(words, html)
    assert found, html
    assert found[1] == f'<time datetime="{soon}">'


@pytest.mark.parametrize(
    ("state", "slurm"), [("submitted", {**WAITING, "expected_start_at": None}), ("running", WAITING)]
)
def test_a_card_says_nothing_of_a_start_that_nobody_expects(state: str, slurm: dict[str, Any]) -> None:
    assert 'class="expected"' not in drawn("part_card.html", state=state, slurm=slurm)


@pytest.mark.parametrize(
    ("connections", "shown"),
    [((None,), []), ((3,), ["3"]), ((0,), ["0"]), ((None, 2), ["–", "2"])],
)
def test_connections_are_shown_where_any_are_known(connections: tuple[int | None, ...], shown: list[str]) -> None:
    services = [{**SERVICE, "connections": each} for each in connections]
    html = drawn("part_facts.html", state="available", services=services)
    assert ("Connections</th>" in html) is bool(shown)
    rows = html.partition("Outside")[2].partition("</table>")[0]
    assert re.findall(r"<td>node1:50001</td><td>([^<]*)</td>", rows) == shown


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "its address has changed"), ("de", "ihre Adresse hat sich geändert")],
)
def test_a_card_says_that_its_address_has_changed_while_it_can_be_opened(language: str, words: str) -> None:
    moved_at = (datetime.now(UTC) - timedelta(minutes=2)).isoformat()
    shown = {
        state: drawn("part_card.html", language, state=state, moved_at=moved_at) for state in ("available", "running")
    }
    assert words in shown["available"]
    assert f'<time datetime="{moved_at}">' in shown["available"]
    assert words not in shown["running"]
    assert words not in drawn("part_card.html", language, state="available")

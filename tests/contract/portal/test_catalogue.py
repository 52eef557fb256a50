"""The catalogue is searched by words and by category, and a session's batch script can be read."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.api.conftest import APP, make_bundle
from tests.contract.api.service import Service, service
from tests.support.etcd import EtcdCluster
from tests.support.portal import Visitor

BUNDLES = {
    "probe": ("Probe", "Tools"),
    "editor": ("Editor of texts", "Tools"),
    "volumes": ("Volumes & surfaces", "Visualisation"),
}


@pytest.fixture
async def api(etcd: EtcdCluster, tmp_path: Path) -> AsyncIterator[Service]:
    for name, (title, category) in BUNDLES.items():
        app = APP.replace("title: Probe\n", f"title: {title}\ncategory: {category}\n")
        make_bundle(tmp_path / "applications" / name, app)
    async with service(etcd.endpoints, tmp_path / "applications") as running:
        running.leader.knows("alice")
        yield running


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({}, {"probe", "editor", "volumes"}),
        ({"q": "EDIT"}, {"editor"}),
        ({"q": "texts editor"}, {"editor"}),  # every word, in any order
        ({"q": "visual"}, {"volumes"}),
        ({"q": "for tests"}, {"probe", "editor", "volumes"}),
        ({"category": "Tools"}, {"probe", "editor"}),
        ({"category": "Tools", "q": "probe"}, {"probe"}),
        ({"category": "Tools", "q": "volumes"}, set()),
        ({"q": "<nothing>"}, set()),
    ],
)
async def test_what_is_searched_for_is_shown_and_stays_in_the_form(
    alice: Visitor, asked: dict[str, str], shown: set[str]
) -> None:
    page = (await alice.get("/applications", **asked)).text
    assert set(re.findall(r'class="tile" href="/applications/(\w+)"', page)) == shown
    assert ("There is no such application." in page) is (shown == set())
    assert f'name="q" value="{asked.get("q", "").replace("<", "&lt;").replace(">", "&gt;")}"' in page
    assert re.findall(r"<option selected>(\w+)<", page) == ([asked["category"]] if "category" in asked else [])
    assert re.findall(r"<option(?: selected)?>(\w+)</option>", page) == ["Tools", "Visualisation"]


async def test_the_script_that_slurm_runs_is_a_click_away_and_nothing_but_text(alice: Visitor, api: Service) -> None:
    job = await api.submit(parameters={"text": "<b>it's</b>", "minutes": 7})
    details = (await alice.get(f"/sessions/{job['id']}")).text
    link = re.search(r'<a href="([^"]+)">The batch script that Slurm runs</a>', details)
    assert link
    script = await alice.get(link[1])
    assert script.headers["content-type"].startswith("text/plain")
    assert script.headers["content-security-policy"] == "sandbox"
    assert script.text.startswith("#!/bin/bash\n")
    assert "='<b>it'\"'\"'s</b>'\n" in script.text
    assert script.text.endswith('\necho 7 "$bwvisu_value_0" "$bwvisu_value_1" false\n')

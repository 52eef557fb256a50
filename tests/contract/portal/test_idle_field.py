"""The form's question after how long without activity a session is stopped: asked, carried over, kept, refused."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.api.conftest import APP, make_bundle
from tests.contract.api.service import Service, cluster_settings, service
from tests.support.etcd import EtcdCluster
from tests.support.portal import Visitor

IDLE = APP.replace("summary: For tests.\n", "summary: For tests.\nidle_stop: 3600\n")
PORTLESS = "title: Batch\nparameters: {}\n"
FORM = "/applications/idle"
FIELD = "p.idle-stop"


@pytest.fixture
async def api(etcd: EtcdCluster, tmp_path: Path) -> AsyncIterator[Service]:
    folder = tmp_path / "applications"
    for name, app in {"probe": APP, "idle": IDLE}.items():
        make_bundle(folder / name, app)
    make_bundle(folder / "batch", PORTLESS, "#!/bin/bash\ntrue\n")
    clusters = {
        "main": cluster_settings(),
        "bounded": cluster_settings(limits={"idle_stop": {"minimum": 1200, "maximum": 1800, "never_allowed": False}}),
        "none": cluster_settings(limits={"idle_stop": {"allowed": False}}),
    }
    async with service(etcd.endpoints, folder, clusters=clusters) as running:
        running.leader.knows("alice")
        yield running


def field(page: str) -> str:
    """The part of a page around the field; empty: it is not asked for."""
    found = re.search(r'<div class="field[^>]*data-field="idle-stop">.*?</div>', page, re.DOTALL)
    return found[0] if found else ""


def value(page: str) -> str:
    """What stands in it."""
    found = re.search(r'name="p\.idle-stop"[^>]* value="([^"]*)"', page)
    assert found, page
    return found[1]


async def launched(alice: Visitor, api: Service, text: str, **form: str) -> dict[str, object]:
    """The job that came of the form; this text stands in the field."""
    answer = await alice.post(FORM, {FIELD: text, "cluster": "main", **form}, FORM)
    assert answer.url.path == "/", answer.text
    newest: dict[str, object] = (await api.client().get("/api/v1/jobs")).json()["items"][0]
    return newest


async def test_it_is_asked_with_the_site_s_bounds_and_what_happens_without_it(alice: Visitor) -> None:
    for path, least, most, words in (
        ("probe?cluster=main", 10, 10080, "After so long without activity. Empty: never."),
        ("idle?cluster=main", 0, 10080, "10 at least. 0: never. Empty: after 60 min."),
        ("idle?cluster=bounded", 20, 30, "After so long without activity. Empty: after 30 min."),
    ):
        asked = field((await alice.get(f"/applications/{path}")).text)
        assert f'min="{least}" max="{most}"' in asked
        assert f"{least} to {most} min</p>" in asked
        assert words in asked
        assert 'value=""' in asked


async def test_it_is_not_asked_where_nothing_is_stopped_or_nobody_could_be_seen(alice: Visitor) -> None:
    for path in ("idle?cluster=none", "batch?cluster=main"):
        page = (await alice.get(f"/applications/{path}")).text
        assert "Launch" in page
        assert field(page) == ""


async def test_what_is_typed_goes_to_the_job_and_stands_there_the_next_time(alice: Visitor, api: Service) -> None:
    job = await launched(alice, api, "45")
    assert job["idle"] == {"stop_after_minutes": 45, "since": None, "warned": False, "stops_at": None}
    assert "idle-stop" not in str(job["parameters"])
    assert value((await alice.get(FORM)).text) == "45"
    assert value((await alice.get("/applications/probe")).text) == "", "of another application"


async def test_launch_again_has_what_the_session_had(alice: Visitor, api: Service) -> None:
    jobs = {text: await launched(alice, api, text) for text in ("45", "0", "", "60")}
    idle = {text: job["idle"] for text, job in jobs.items()}
    assert {text: isinstance(of, dict) and of["stop_after_minutes"] for text, of in idle.items()} == {
        "45": 45,
        "0": False,
        "": 60,
        "60": 60,
    }
    again = {text: value((await alice.get(FORM, job=str(job["id"]))).text) for text, job in jobs.items()}
    assert again == {"45": "45", "0": "0", "": "", "60": ""}, "what is usual follows the site's settings"


async def test_a_preset_keeps_it(alice: Visitor, api: Service) -> None:
    form = {FIELD: "33", "cluster": "main", "preset": "mine", "do": "save-preset"}
    answer = await alice.post(FORM, form, FORM)
    assert value(answer.text) == "33"
    await launched(alice, api, "77")
    assert value((await alice.get(FORM, preset="mine", cluster="main")).text) == "33"


WRONG = (
    ("main", "5", "It must be from 10 to 10080.", "Der Wert muss zwischen 10 und 10080 liegen."),
    ("bounded", "31", "It must be from 20 to 30.", "Der Wert muss zwischen 20 und 30 liegen."),
    ("main", "soon", "Please type a whole number.", "Bitte geben Sie eine ganze Zahl ein."),
    ("main", "-1", "It must be at least 0.", "Der Wert muss mindestens 0 sein."),
    (
        "bounded",
        "0",
        "This cluster stops sessions of this application when nobody uses them.",
        "Dieser Cluster beendet Sitzungen dieser Anwendung, wenn niemand sie nutzt.",
    ),
)


async def test_what_is_wrong_with_it_stands_beside_it(alice: Visitor, api: Service) -> None:
    for cluster, text, *sentences in WRONG:
        form = {FIELD: text, "cluster": cluster, "p.text": "kept"}
        for language, words in zip(("en", "de"), sentences, strict=True):
            alice.http.headers["Accept-Language"] = language
            answer = await alice.post(FORM, form, FORM)
            assert answer.status_code == 422
            assert f'<p class="error" id="e-idle-stop">{words}</p>' in field(answer.text)
            assert ("Beenden, wenn niemand sie nutzt" in answer.text) is (language == "de")
            assert value(answer.text) == text
            assert 'value="kept"' in answer.text
    assert (await api.client().get("/api/v1/jobs")).json()["items"] == []

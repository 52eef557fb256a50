"""Generated from the running service, each client has a whole conversation with it."""

import pytest

from tests.contract.api.service import Service
from tests.support.clients import LANGUAGES, Clients


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_generated_client_starts_watches_enters_and_stops_a_job(
    api: Service, clients: Clients, language: str
) -> None:
    told = await clients.talk(language, api.url, "bwv_portal", "probe", minutes=7)
    ((job_id, _),) = (await api.records("specs")).items()
    assert told["applications"] == ["probe"]
    assert (told["statuses"], told["id"], told["again"]) == ([201, 200], job_id, job_id)
    assert told["states"][-2:] == ["available", "finished"]
    assert told["url"].startswith("http://gw1.example.org:50007/lab#password=")
    assert told["outcome"] == "cancelled"
    assert told["missing"] == ["/problems/job-not-found", 404]
    assert told["wrong"] == ["/problems/unknown-application", "/application"]
    shown = (await api.client().get(f"/api/v1/jobs/{job_id}")).json()
    assert (shown["wanted"], shown["parameters"]["minutes"]) == ("stopped", 7)

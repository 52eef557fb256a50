"""Every page's tags are balanced: no browser mends anything, and all of them build the same page."""

from collections.abc import Callable

import pytest
from fastapi import Request

from bwvisu.portal.signin import Claim
from tests.contract.api.service import Service
from tests.contract.api.test_jobs import AVAILABLE, FINISHED, seen
from tests.support.markup import unbalanced
from tests.support.portal import Visitor, portal_over
from tests.unit.portal.noise import noise

FORM = "/applications/probe"
FAULTY = {"p.minutes": "999"}


class Elsewhere:
    """A provider that is never reached."""

    async def begin(self, request: Request) -> str:  # noqa: ARG002 it keeps nothing
        """See `Provides`."""
        return "https://provider.example/authorize?a=1&b=2"

    async def end(self, request: Request) -> Claim:  # noqa: ARG002
        """See `Provides`."""
        raise AssertionError("nobody comes back from there")


@pytest.fixture
async def admin(visitor: Callable[[], Visitor], api: Service) -> Visitor:
    """With sessions in several states, and a preset."""
    person = visitor()
    await person.sign_in("admin")
    for status in (None, AVAILABLE, FINISHED):
        job = await api.submit(user="admin")
        if status:
            await seen(api, job["id"], status)
    await person.post(FORM, {"p.minutes": "20", "do": "save-preset", "preset": "Mine"}, FORM)
    return person


@pytest.mark.parametrize(
    "path",
    ["/", "/applications", FORM, "/nothing", "/admin", "/admin/sessions?q=admin", "/admin/audit"],
)
async def test_a_page_that_is_opened(admin: Visitor, path: str) -> None:
    answer = await admin.get(path)
    assert answer.status_code == (404 if path == "/nothing" else 200)
    assert unbalanced(answer.text) == [], answer.text


async def test_a_page_of_one_session_and_the_one_that_opens_it(admin: Visitor, api: Service) -> None:
    for job in (await api.client().get("/api/v1/jobs")).json()["items"]:
        for answer in (
            await admin.get(f"/sessions/{job['id']}"),
            await admin.post(f"/sessions/{job['id']}/connect"),
        ):
            assert unbalanced(answer.text) == [], answer.text


async def test_a_form_with_faults_and_one_whose_session_was_over(admin: Visitor) -> None:
    faulty = await admin.post(FORM, FAULTY, FORM)
    await admin.post("/sign-out")
    kept = await admin.http.post(FORM, data={"p.text": noise(50_000)})
    signed_out = await admin.http.post(FORM, data=FAULTY)
    for answer, words in ((faulty, "It was not started"), (kept, "in another window"), (signed_out, "is kept")):
        assert words in answer.text
        assert unbalanced(answer.text) == [], answer.text


async def test_the_page_that_leads_on_to_a_provider(api: Service) -> None:
    async with portal_over(api.url, "bwv_portal", sign_in=Elsewhere()) as app:
        person = Visitor(app)
        answer = await person.post("/sign-in/oidc", page="/sign-in")
        assert "provider.example" in answer.text
        assert unbalanced(answer.text) == [], answer.text


@pytest.mark.parametrize(
    ("page", "wrong"),
    [
        ("<p>a<br><img src=x></p>", []),
        ("<div></div>\n</div>", ["</div> of line 2 stands in <nothing>"]),
        (
            "<main><p></main>",
            ["</main> of line 1 stands in <p>", "<main> of line 1 has no end", "<p> of line 1 has no end"],
        ),
        ("<p id=a id=b></p>", ["<p> of line 1 has an attribute twice"]),
    ],
)
def test_what_is_wrong_is_found(page: str, wrong: list[str]) -> None:
    assert unbalanced(page) == wrong

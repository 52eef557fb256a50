"""Who else may enter a job, and from where: what is asked of the API, and what is printed."""

import json
from typing import Any

from starlette.responses import JSONResponse, Response

from tests.support.program import at, piped
from tests.support.small_api import JOB_ID, SmallApi, problem

ADMISSIONS, SHARES = f"/jobs/{JOB_ID}/admissions", f"/jobs/{JOB_ID}/shares"
ENTRY = {
    "id": "01jd0000000000000000000001",
    "address": "192.0.2.7",
    "user": "alice",
    "share": None,
    "at": "2100-01-01T00:00:00Z",
    "expires_at": "2100-01-01T12:00:00Z",
}
SHARE = {
    "id": "01jd0000000000000000000002",
    "user": None,
    "view_only": True,
    "at": "2100-01-01T00:00:00Z",
    "expires_at": "2100-01-01T12:00:00Z",
    "token": None,
}
ACCESS = {"url": "http://gw:50000/", "password": "pass", "native": None, "form": None}
OPEN = ("job", "open", "--print", JOB_ID)


def bodies(api: SmallApi, call: str) -> list[Any]:
    return [json.loads(body) for asked, _, body in api.asked if asked == call]


def test_an_address_is_admitted_or_ones_own(api: SmallApi) -> None:
    api.says(f"POST {ADMISSIONS}", JSONResponse(ENTRY, 201))
    ran = piped("job", "admit", JOB_ID, "192.0.2.7", "-m", "30", **at(api))
    assert (ran.returncode, ran.stdout[:30]) == (0, "192.0.2.7 is admitted until 1 "), ran.stderr
    assert json.loads(piped("job", "admit", JOB_ID, "--json", **at(api)).stdout) == ENTRY
    assert bodies(api, f"POST {ADMISSIONS}") == [
        {"address": "192.0.2.7", "minutes": 30},
        {"address": None, "minutes": None},
    ]


def test_a_refusal_is_told_in_the_apis_words(api: SmallApi) -> None:
    why = "the job's gateway has an IPv6 address only"
    api.says(f"POST {ADMISSIONS}", problem(409, "address-family", why))
    ran = piped("job", "admit", JOB_ID, "192.0.2.7", **at(api))
    assert (ran.returncode, ran.stderr) == (1, f"{why}\n")


def test_addresses_are_listed_and_revoked_by_what_is_shown(api: SmallApi) -> None:
    sixth = {**ENTRY, "id": "01jd0000000000000000000003", "address": "2001:db8::7"}
    api.says(f"GET {ADMISSIONS}", {"items": [{**ENTRY, "user": "bob\x1b[2J", "share": SHARE["id"]}, sixth]})
    api.says(f"DELETE {ADMISSIONS}/{sixth['id']}", Response(status_code=204))
    api.says(f"DELETE {ADMISSIONS}/{ENTRY['id']}", Response(status_code=204))
    listed = piped("job", "admissions", JOB_ID, **at(api)).stdout
    assert "192.0.2.7" in listed
    assert "by a share" in listed
    assert "\x1b" not in listed
    ran = piped("job", "admissions", JOB_ID, "--revoke", "192.0.2.7", "--revoke", "192.0.2.9", **at(api))
    assert (ran.returncode, ran.stderr) == (1, "192.0.2.9 is not admitted\n")
    assert len(bodies_of_deletes(api)) == 1
    for written in ("2001:DB8:0::7", "2001:db8::7/128"):
        ran = piped("job", "admissions", JOB_ID, "--revoke", written, **at(api))
        assert (ran.returncode, bodies_of_deletes(api)[-1]) == (0, f"DELETE {ADMISSIONS}/{sixth['id']}"), ran.stderr


def bodies_of_deletes(api: SmallApi) -> list[str]:
    return [asked for asked, _, _ in api.asked if asked.startswith("DELETE ")]


def test_a_links_code_is_printed_alone_and_a_persons_share_in_words(api: SmallApi) -> None:
    token = f"{JOB_ID}-{'a' * 32}"
    api.says(
        f"POST {SHARES}", JSONResponse({**SHARE, "token": token}, 201), JSONResponse({**SHARE, "user": "bob"}, 201)
    )
    link = piped("job", "share", JOB_ID, "--view-only", **at(api))
    assert (link.returncode, link.stdout, link.stderr) == (0, f"{token}\n", "")
    person = piped("job", "share", JOB_ID, "--with", "bob", "-m", "5", **at(api))
    assert person.stdout.startswith("bob may enter until ")
    assert bodies(api, f"POST {SHARES}") == [
        {"user": None, "view_only": True, "minutes": None},
        {"user": "bob", "view_only": False, "minutes": 5},
    ]


def test_shares_are_listed_and_revoked(api: SmallApi) -> None:
    api.says(f"GET {SHARES}", {"items": [SHARE, {**SHARE, "id": "x/1", "user": "bob", "view_only": False}]})
    api.says(f"DELETE {SHARES}/x%2F1", Response(status_code=204))
    api.says(f"DELETE {SHARES}/x/1", Response(status_code=204))
    listed = piped("job", "shares", JOB_ID, **at(api)).stdout
    assert "whoever has the link" in listed
    assert "sees only" in listed
    ran = piped("job", "shares", JOB_ID, "--revoke", "bob", "--json", **at(api))
    assert (ran.returncode, len(json.loads(ran.stdout)), len(bodies_of_deletes(api))) == (0, 2, 1)
    ran = piped("job", "shares", JOB_ID, "--revoke", "carol", **at(api))
    assert (ran.returncode, ran.stderr) == (1, "it is not shared with carol\n")


def test_who_opens_a_job_is_admitted_first_where_that_is_needed(api: SmallApi) -> None:
    api.says(f"GET /jobs/{JOB_ID}/access", {**ACCESS, "admission": "needed"})
    api.says(f"POST {ADMISSIONS}", JSONResponse(ENTRY, 201))
    ran = piped(*OPEN, **at(api))
    assert (ran.returncode, "http://gw:50000/" in ran.stdout) == (0, True), ran.stderr
    assert bodies(api, f"POST {ADMISSIONS}") == [{}]


def test_nobody_is_admitted_where_it_is_open_or_the_api_is_older(api: SmallApi) -> None:
    for access in (ACCESS, {**ACCESS, "admission": "open"}):
        api.says(f"GET /jobs/{JOB_ID}/access", access)
        assert piped(*OPEN, **at(api)).returncode == 0
    api.says(f"GET /jobs/{JOB_ID}/access", {**ACCESS, "admission": "other-family"})
    ran = piped(*OPEN, **at(api))
    assert "IP version is another one" in ran.stderr
    assert bodies(api, f"POST {ADMISSIONS}") == []


def test_who_is_admitted_already_goes_in_though_there_is_no_room(api: SmallApi) -> None:
    for needs, code in (("admitted", 0), ("needed", 1)):
        api.says(f"GET /jobs/{JOB_ID}/access", {**ACCESS, "admission": needs})
        api.says(f"POST {ADMISSIONS}", problem(409, "too-many", "4 addresses are admitted already"))
        ran = piped(*OPEN, **at(api))
        assert (ran.returncode, "http://gw:50000/" in ran.stdout) == (code, code == 0), ran.stderr

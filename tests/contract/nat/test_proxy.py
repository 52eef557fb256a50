"""HAProxy's configuration as an administrator installs it, on the real one: who comes through, and to what."""

import json
import ssl
import time
from collections.abc import Iterator
from http.client import HTTPSConnection

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from bwvisu.services.entrance import Entrance, part
from keyhole.gateway import Traffic
from keyhole.proxy_config import COOKIE, ENTER, TOKEN
from tests.contract.nat.proxy_place import ALICE, AWAY, BOB, SinglePort, ended
from tests.contract.nat.proxy_world import ProxyWorld, a_proxy_world
from tests.support.waiting import eventually_true

NOTHING = Traffic(0, 0, 0)


def encoded(**values: object) -> str:
    return part(json.dumps(values).encode())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxyWorld]:
    with a_proxy_world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(scope="module")
def all_of_it(world: ProxyWorld) -> SinglePort:
    return SinglePort(world)


@pytest.fixture
async def place(all_of_it: SinglePort) -> SinglePort:
    """All ways are open, whatever the test before did."""
    await all_of_it.bench.make(all_of_it.ways)
    return all_of_it


async def test_a_name_leads_to_its_own_application_and_no_other_name_anywhere(place: SinglePort) -> None:
    for host, port in ((ALICE, 8001), (BOB, 8002)):
        assert place.served(host, "/page?x=1", Cookie=place.cookie(host))["port"] == port
    stranger = "carol-50001.viz.example.org"
    answer, body = place.ask(stranger, Cookie=place.cookie(stranger))
    assert (answer.status, "no session here" in body) == (404, True)
    await place.bench.make({})
    assert place.ask(ALICE, Cookie=place.cookie(ALICE))[0].status == 404


async def test_a_way_out_of_the_compute_networks_is_none(place: SinglePort) -> None:
    """The second fence: whoever could write into the map would still not reach other hosts."""
    assert place.ask(AWAY, Cookie=place.cookie(AWAY))[0].status == 404


async def test_only_a_fresh_token_for_this_very_name_lets_in(place: SinglePort) -> None:
    good = place.token(ALICE)
    head, claims, signature = good.split(".")
    foreign = Entrance(ec.generate_private_key(ec.SECP256R1()), 60).token(ALICE, time.time())
    unsigned = ".".join((encoded(alg="none", typ="JWT"), claims, ""))
    longer = encoded(host=ALICE, exp=9999999999)
    forever = ".".join((head, encoded(host=ALICE), signature))
    bad = {
        "none": "",
        "another name's": place.token(BOB),
        "expired": place.token(ALICE, age=61),
        "signed by others": foreign,
        "unsigned": unsigned,
        "changed": f"{head}.{longer}.{signature}",
        "without an end": forever,
        "cut": good[:-1],
        "rubbish": "x.y.z",
    }
    for why, token in bad.items():
        asked = [place.ask(ALICE, "/", f"{field}={token}") for field in (ENTER, TOKEN)]
        for answer, body in (*asked, place.ask(ALICE, Cookie=f"{COOKIE}={token}")):
            assert (answer.status, "connect through the portal" in body) == (403, True), why
            assert answer.getheader("Set-Cookie") is None, why
    assert place.ask(ALICE)[0].status == 403
    assert place.ask(ALICE, f"/?{ENTER}={good}&{TOKEN}={good}")[0].status == 403
    place.served(ALICE, Cookie=f"{COOKIE}={good}")


@pytest.mark.parametrize("path", ["/", "/page?next=%2Fx%0d%0aA:b", "//elsewhere.example.org/x"])
async def test_entering_sets_the_cookie_and_leads_to_the_same_page(place: SinglePort, path: str) -> None:
    token = place.token(ALICE)
    answer, body = place.ask(ALICE, path, f"a=b&{ENTER}={token}")
    assert (answer.status, body) == (303, "")
    assert answer.getheader("Location") == f"https://{ALICE}{path}"
    assert answer.getheader("Set-Cookie") == f"{COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax"


async def test_an_application_s_own_form_arrives_whole_and_brings_the_cookie(place: SinglePort) -> None:
    token = place.token(ALICE)
    answer, body = place.ask(ALICE, "/login", f"password=a%20b&{TOKEN}={token}", Cookie="own=1")
    asked = json.loads(body)
    assert (answer.status, asked["path"]) == (200, "/login")
    assert asked["body"] == f"password=a%20b&{TOKEN}={token}"
    assert asked["headers"]["cookie"] == "own=1"
    cookies = answer.msg.get_all("Set-Cookie")
    assert cookies == ["own=1", f"{COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax"]


async def test_the_application_never_sees_the_cookie_and_sees_all_else(place: SinglePort) -> None:
    ours = place.cookie(ALICE)
    for sent, seen in {
        ours: None,
        f"a=1; {ours}": "a=1; ",
        f"{ours}; b=2": "b=2",
        f"a=1; {ours}; b=2": "a=1; b=2",
        f"a=1; x{ours}; {ours}": f"a=1; x{ours}; ",
    }.items():
        headers = place.served(ALICE, Cookie=sent, Authorization="token abc", X_Forwarded_Proto="http")["headers"]
        assert headers.get("cookie") == seen
        assert headers["authorization"] == "token abc"
        assert headers["x-forwarded-proto"] == "https"
        assert headers["x-forwarded-for"] == "198.51.100.100"


async def test_each_request_of_a_connection_is_judged(place: SinglePort) -> None:
    connection = HTTPSConnection(ALICE)
    connection.sock = place.connect(ALICE)
    for host, cookie, status in (
        (ALICE, place.cookie(ALICE), 200),
        (BOB, place.cookie(BOB), 200),
        (BOB, place.cookie(ALICE), 403),
    ):
        connection.request("GET", "/", headers={"Host": host, "Cookie": cookie})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == status
        if status == 200:
            assert json.loads(body)["port"] == (8001 if host == ALICE else 8002)


async def test_a_neighbour_s_page_cannot_act_for_its_visitors(place: SinglePort) -> None:
    """All jobs are one site to a browser, which sends their cookies along."""
    mine = {"Cookie": place.cookie(ALICE)}
    for site in ("same-site", "cross-site"):
        for mode in ("cors", "no-cors", "websocket"):
            assert place.ask(ALICE, "/", None, **mine, Sec_Fetch_Site=site, Sec_Fetch_Mode=mode)[0].status == 403
        posted = place.ask(ALICE, "/", "delete=all", **mine, Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate")
        assert posted[0].status == 403
        place.served(ALICE, "/", **mine, Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate")
        form = f"{TOKEN}={place.token(ALICE)}"
        place.served(ALICE, "/login", form, Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate")
    place.served(ALICE, "/", "save=1", **mine, Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors")


async def test_the_end_of_a_forward_cuts_its_web_sockets_and_spares_the_others(place: SinglePort) -> None:
    cut, spared = place.web_socket(ALICE), place.web_socket(BOB)
    for each in (cut, spared):
        each.sendall(b"there?")
        assert each.recv(10) == b"there?"
    await place.bench.make({50002: place.ways[50002]})
    assert ended(cut)
    spared.sendall(b"still there")
    assert spared.recv(20) == b"still there"


async def test_traffic_is_counted_by_external_port_while_it_flows(place: SinglePort) -> None:
    before = await place.traffic()
    began = before.get(50002, NOTHING)
    opened = place.web_socket(BOB)
    opened.sendall(b"x" * 5000)
    heard = b""
    while len(heard) < 5000:
        heard += opened.recv(5000)
    place.ask(ALICE)
    after = before

    async def counted() -> bool:
        nonlocal after
        after = await place.traffic()
        return after.get(50002, NOTHING).received >= began.received + 5000

    # HAProxy brings its counters up to date every five seconds (`option contstats`).
    await eventually_true(counted)
    assert after[50002].sent >= began.sent + 5000
    assert after[50002].connections >= 1
    assert after.get(50001) == before.get(50001), "who is refused is no activity"


async def test_browsers_are_offered_one_request_at_a_time(place: SinglePort) -> None:
    """HTTP/2 would let a browser send requests for several jobs, whose certificate is one, through one connection."""
    context = ssl.create_default_context(cadata=None)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    opened = context.wrap_socket(place.world.hosts["outside"].connect(place.bench.outer, 443), server_hostname=ALICE)
    assert opened.selected_alpn_protocol() == "http/1.1"

"""How users are handed over to an application, and where the secret goes."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bwvisu.domain.access import access_password
from bwvisu.domain.application import Application
from bwvisu.domain.job import JobSpec, JobStatus, Service, ServiceName
from bwvisu.domain.lifecycle import Phase
from bwvisu.services.access import Access, hand_over, through_proxy
from bwvisu.services.state import Job

PASSWORD = "pass/word&x"


def job(host: str = "gw1.example.org", protocol: str = "http") -> Job:
    spec = JobSpec(
        id="01jd0000000000000000000000",
        user="alice",
        application="x",
        cluster="main",
        parameters={},
        bundle="",
        services=(ServiceName(name="web", protocol=protocol, path="/lab"), ServiceName(name="raw", protocol="tcp")),
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
    )
    plain = {"gateway": "gw1", "external_host": host, "internal_host": "n1", "internal_port": 1}
    services = (
        Service.model_validate({**plain, "name": "web", "protocol": protocol, "external_port": 50007}),
        Service.model_validate({**plain, "name": "raw", "protocol": "tcp", "external_port": 50008}),
    )
    return Job(spec, JobStatus(phase=Phase.READY, services=services), 1)


def application(connect: dict[str, Any] | None) -> Application:
    ports = [{"name": "web", "protocol": "http", "path": "/lab"}, {"name": "raw", "protocol": "tcp"}]
    given: dict[str, Any] = {"title": "X", "ports": ports, "connect": connect}
    return Application.model_validate(given, strict=False)


def test_without_more_it_is_the_first_ports_page() -> None:
    access = hand_over(application(None), job(), PASSWORD)
    assert (access.url, access.password, access.native, access.form) == (
        "http://gw1.example.org:50007/lab",
        PASSWORD,
        None,
        None,
    )


def test_a_link_carries_the_password_encoded_in_its_fragment() -> None:
    access = hand_over(application({"kind": "link", "fragment": "u={user}&p={password}"}), job(), PASSWORD)
    assert access.url == "http://gw1.example.org:50007/lab#u=alice&p=pass%2Fword%26x"


def test_a_form_carries_it_in_a_field() -> None:
    connect = {"kind": "form", "action": "/login", "fields": {"password": "{password}", "next": "{url}"}}
    access = hand_over(application(connect), job(), PASSWORD)
    assert access.form is not None
    assert access.form.action == "http://gw1.example.org:50007/login"
    assert access.form.fields == {"password": PASSWORD, "next": "http://gw1.example.org:50007/lab"}
    assert "pass" not in access.url


def test_a_native_client_gets_a_command_for_its_port() -> None:
    connect = {"kind": "native", "port": "raw", "command": "viewer {host}::{port}"}
    access = hand_over(application(connect), job(), PASSWORD)
    assert (access.native, access.url) == ("viewer gw1.example.org::50008", "tcp://gw1.example.org:50008")


def test_an_ipv6_address_is_bracketed() -> None:
    assert hand_over(application(None), job("2001:db8::1"), PASSWORD).url == "http://[2001:db8::1]:50007/lab"


def test_secrets_are_not_in_its_repr() -> None:
    connect = {"kind": "form", "action": "/login", "fields": {"password": "{password}"}}
    assert PASSWORD not in repr(hand_over(application(connect), job(), PASSWORD))


@pytest.mark.parametrize("secret", [b"", b"\0" * 32, bytes(range(32))])
def test_the_password_is_stable_and_needs_no_quoting(secret: bytes) -> None:
    password = access_password(secret)
    assert password == access_password(secret)
    assert len(password) == 16
    assert set(password) <= set("abcdefghijklmnopqrstuvwxyz234567")
    assert password != access_password(secret + b"x")


def at_proxy(connect: dict[str, Any] | None) -> Access:
    return through_proxy(hand_over(application(connect), proxied(), PASSWORD), "to.k.en")


def proxied() -> Job:
    plain = job("01jd-50007.gw1.viz.example.org", "https")
    services = tuple(each.model_copy(update={"external_port": 443}) for each in plain.status.services)
    return replace(plain, status=plain.status.model_copy(update={"services": services}))


def test_behind_a_proxy_the_token_is_one_more_field_of_the_application_s_form() -> None:
    access = at_proxy({"kind": "form", "action": "/login?next=%2Flab", "fields": {"password": "{password}"}})
    assert access.form is not None
    assert access.form.action == "https://01jd-50007.gw1.viz.example.org/login?next=%2Flab"
    assert access.form.fields == {"password": PASSWORD, "bwvisu_token": "to.k.en"}


@pytest.mark.parametrize(
    ("connect", "page"), [(None, "/lab"), ({"kind": "link", "fragment": "p={password}"}, "/lab#p=pass%2Fword%26x")]
)
def test_where_the_application_has_no_form_the_token_asks_for_its_page(
    connect: dict[str, Any] | None, page: str
) -> None:
    access = at_proxy(connect)
    assert access.form is not None
    assert access.url == access.form.action == f"https://01jd-50007.gw1.viz.example.org{page}"
    assert access.form.fields == {"bwvisu_enter": "to.k.en"}
    assert PASSWORD not in repr(access)
    assert "pass%2F" not in repr(access)
    assert "to.k.en" not in repr(access)


def test_another_port_than_that_of_https_is_told() -> None:
    assert hand_over(application(None), job(protocol="https"), PASSWORD).url == "https://gw1.example.org:50007/lab"

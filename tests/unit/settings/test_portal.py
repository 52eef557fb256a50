"""Settings of the portal: what is asked together, and the examples of its page."""

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from bwvisu.settings import PortalSettings

PAGE = (Path(__file__).parents[3] / "docs" / "portal.md").read_text()
FILES = {"token_file": "/t", "session_key_file": "/k"}
OIDC = {"kind": "oidc", "issuer": "https://login.example.org", "client_id": "c", "client_secret_file": "/s"}


def read(**changes: Any) -> PortalSettings:
    return PortalSettings.model_validate({**FILES, "auth": {"kind": "local"}, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"auth": OIDC}, "OpenID Connect needs public_url"),
        ({"auth": {**OIDC, "scopes": ["email"]}, "public_url": "https://p.example"}, "must contain openid"),
        ({"users": {"pattern": "("}}, "is not a regular expression"),
        ({"users": {"pattern": "(.*)"}}, "has no group"),
        ({"auth": {"kind": "ldap", "url": "ldap://h/dc=x", "base_dn": "dc=x"}}, "without a path"),
        ({"auth": {"kind": "ldap", "url": "ldap://h", "base_dn": "dc=x", "user_attribute": "uid=*)("}}, "an attribute"),
    ],
)
def test_what_cannot_work_is_said(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        read(**changes)


def test_a_provider_knows_the_way_back() -> None:
    assert read(auth=OIDC, public_url="https://p.example").auth.kind == "oidc"


def examples() -> list[dict[str, Any]]:
    """What the page shows of the section, without what it leaves open."""
    blocks = [textwrap.dedent(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    read = [yaml.safe_load(block.replace("{kind: …}", "{kind: local}").replace("id$…", "id$hash")) for block in blocks]
    return [each.get("portal", each) for each in read]


@pytest.mark.parametrize("example", examples(), ids=",".join)
def test_the_examples_of_the_page_are_settings(example: dict[str, Any]) -> None:
    settings = read(**{"public_url": "https://bwvisu.example.org", **example})
    assert example.keys() <= settings.model_fields_set


def test_the_page_shows_every_kind_of_sign_in() -> None:
    assert {example["auth"]["kind"] for example in examples() if "auth" in example} == {"local", "oidc", "ldap"}

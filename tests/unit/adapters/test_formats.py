"""Records of other releases: older ones are read, unknown fields survive, newer forms are refused and left alone."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from bwvisu.adapters import formats
from bwvisu.adapters.formats import NewerRecord, decode, encode
from bwvisu.adapters.records import Keys
from bwvisu.domain.audit import AuditPage
from bwvisu.domain.cluster import Installation, UserLookup
from bwvisu.domain.preferences import Preferences
from bwvisu.domain.share import Shares
from bwvisu.errors import OperatorError
from bwvisu.reconcilers.records import KINDS
from bwvisu.services.idempotency import IdempotencyRecord

RECORDED = Path(__file__).parents[2] / "recorded" / "etcd-form-1" / "records.json"
EVERY: Mapping[str, type[BaseModel]] = {
    **KINDS,
    "audit": AuditPage,
    "idempotency": IdempotencyRecord,
    "installation": Installation,
    "preferences": Preferences,
    "shares": Shares,
}
FREE = {"parameters", "variables", "refusals", "jobs", "begun", "values", "entries"}
"""Mappings by somebody's names, in which another name is another entry; and entries that are kept as they are."""
RECORDS: Mapping[str, Any] = json.loads(RECORDED.read_text())
KEYS = Keys()


def kind_of(tail: str) -> type[BaseModel]:
    return EVERY[KEYS.kind_of(KEYS.root + tail)]


def stored(content: Any) -> bytes:
    return json.dumps(content).encode()


def extended(content: Any) -> Any:
    """Every object of a record with a field that no release knows yet."""
    if isinstance(content, list):
        return [extended(each) for each in content]
    if not isinstance(content, dict):
        return content
    known = {
        key: value if key in FREE and isinstance(value, dict) else extended(value) for key, value in content.items()
    }
    return {**known, "from_the_future": {"a": [1]}}


def unknown(content: Any) -> Iterator[Any]:
    """All such fields."""
    if isinstance(content, dict):
        yield from (content[key] for key in content if key == "from_the_future")
    inner = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    for each in inner:
        yield from unknown(each)


def test_the_sample_has_every_kind() -> None:
    assert {KEYS.kind_of(KEYS.root + tail) for tail in RECORDS} == set(EVERY)


@pytest.mark.parametrize("tail", RECORDS)
def test_what_the_released_form_holds_is_read_and_written_again(tail: str) -> None:
    content = RECORDS[tail]
    again = json.loads(encode(decode(kind_of(tail), stored(content))))
    assert content.items() <= again.items()
    assert "format" not in again


@pytest.mark.parametrize("tail", RECORDS)
def test_fault_29_what_a_newer_release_added_survives_a_rewrite_by_an_older_one(tail: str) -> None:
    content = extended(RECORDS[tail])
    record = decode(kind_of(tail), stored(content))
    name, value = next(iter(record))
    again = json.loads(encode(record.model_copy(update={name: value})))
    assert list(unknown(again)) == list(unknown(content))
    assert content.items() <= again.items()


@pytest.mark.parametrize("tail", RECORDS)
def test_a_newer_form_is_refused_with_words_for_an_administrator(tail: str) -> None:
    for content in ({**RECORDS[tail], "format": 2}, {"format": 3, "nothing": "as it was"}):
        with pytest.raises(NewerRecord, match=r"newer release of bwVisu; this one knows it up to form 1") as told:
            decode(kind_of(tail), stored(content))
        assert isinstance(told.value, OperatorError)
        assert isinstance(told.value, ValueError), "mirrors set it aside"


@pytest.mark.parametrize("value", [b"", b"\xff", b"[]", b'{"format": "2"}', b'{"format": 1}', b'{"format": null}'])
def test_a_damaged_record_is_no_newer_one(value: bytes) -> None:
    with pytest.raises(ValidationError):
        decode(UserLookup, value)


@pytest.fixture
def third_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release whose questions have come to be of form 3."""

    def renamed(content: dict[str, Any]) -> dict[str, Any]:
        return {("asked_at" if key == "since" else key): value for key, value in content.items()}

    def of_this_century(content: dict[str, Any]) -> dict[str, Any]:
        return {**content, "asked_at": content["asked_at"].replace("1926", "2026")}

    monkeypatch.setattr(formats, "MIGRATIONS", {UserLookup: (renamed, of_this_century)})


@pytest.mark.usefixtures("third_form")
def test_older_forms_are_migrated_as_they_are_read_and_written_in_the_new_one() -> None:
    oldest = {"since": "1926-11-27T12:00:00Z", "from_the_future": 1}
    second = {"asked_at": "1926-11-27T12:00:00Z", "format": 2}
    for content in (oldest, second):
        again = json.loads(encode(decode(UserLookup, stored(content))))
        assert (again["asked_at"], again["format"]) == ("2026-11-27T12:00:00Z", 3)
        assert decode(UserLookup, stored(again)) == decode(UserLookup, encode(decode(UserLookup, stored(again))))
    assert json.loads(encode(decode(UserLookup, stored(oldest))))["from_the_future"] == 1
    with pytest.raises(NewerRecord, match="form 4"):
        decode(UserLookup, stored({"asked_at": "2026-11-27T12:00:00Z", "format": 4}))

"""Frames as the HTML standard has them, one event in each, whatever a document holds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from bwvisu.api.app import routes
from bwvisu.api.events import DATA, frame
from bwvisu.services.events import Event, Lapse, Part, Quiet, Resync, Snapshot
from tests.support.sse import Block


class Text(BaseModel):
    text: str


@given(st.text())
def test_no_document_can_break_out_of_its_event(text: str) -> None:
    document = Text(text=text).model_dump_json().encode()
    for part in (Event(7, "j", "u", "c", document), Snapshot((document, document), 7)):
        sent = frame(part, 2)
        assert sent.endswith(b"\n\n")
        assert sent.count(b"\n\n") == 1
        assert b"\r" not in sent
        block = Block.parse(sent)
        assert block.id == "2.7"
        found = json.loads(block.data)
        assert found in ({"text": text}, {"jobs": [{"text": text}] * 2, "complete": True})


@pytest.mark.parametrize(
    ("part", "event", "data", "id_"),
    [
        (Event(7, "j", "u", "c", b'{"a":1}'), "job", {"a": 1}, "2.7"),
        (Event(7, "j", "u", "c", b'{"a":1}', last=False), "job", {"a": 1}, None),
        (Event(7, "j", "u", "c", None), "removed", {"id": "j", "revision": 7}, "2.7"),
        (Snapshot((b"1", b"2"), None), "snapshot", {"jobs": [1, 2], "complete": False}, None),
        (Snapshot((), 7), "snapshot", {"jobs": [], "complete": True}, "2.7"),
        (Resync(Lapse.TOO_SLOW), "resync", {"reason": "too-slow"}, None),
    ],
)
def test_each_part_is_one_event(part: Part, event: str, data: object, id_: str | None) -> None:
    block = Block.parse(frame(part, 2))
    assert (block.event, json.loads(block.data), block.id) == (event, data, id_)


def test_a_sign_of_life_is_a_comment_that_moves_the_place_to_resume_from() -> None:
    sent = frame(Quiet(9), 2)
    assert sent == b":\nid: 2.9\n\n"
    assert Block.parse(sent) == Block("", b"", "2.9")


def test_every_events_data_is_in_the_description() -> None:
    schemas = routes().openapi()["components"]["schemas"]
    assert {model.__name__ for model in DATA.values()} <= set(schemas)

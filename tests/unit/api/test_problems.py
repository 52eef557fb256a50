"""Problems: one table, pointers as RFC 6901 has them."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from bwvisu import errors
from bwvisu.api.problems import KINDS, pointer, problem


def test_slugs_are_words_and_statuses_are_errors() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", slug) for slug in KINDS)
    assert all(400 <= status < 600 and title for status, title in KINDS.values())


def test_every_error_class_for_users_has_its_entry() -> None:
    classes: set[type[errors.UserError]] = {errors.UserError, errors.InvalidInput, errors.NotFound, errors.Conflict}
    assert {each.slug for each in classes} <= set(KINDS)


def test_an_unknown_slug_still_is_a_problem() -> None:
    answer = problem("brand-new", "words", fallback=409)
    assert answer.status_code == 409
    assert json.loads(bytes(answer.body)) == {
        "type": "/problems/brand-new",
        "title": "Conflict",
        "status": 409,
        "detail": "words",
    }


@given(st.lists(st.text() | st.integers(min_value=0)))
def test_a_pointer_leads_back_to_its_steps(steps: list[str | int]) -> None:
    text = pointer(steps)
    read = [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:]]
    assert read == [str(step) for step in steps]

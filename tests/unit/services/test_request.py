"""What makes two requests the same."""

import json

from bwvisu.services.request import JobRequest, meaning


def test_the_order_of_parameters_makes_no_difference() -> None:
    one = JobRequest("alice", "page", None, {"a": 1, "b": {"c": [1], "d": 2}})
    two = JobRequest("alice", "page", None, {"b": {"d": 2, "c": [1]}, "a": 1})
    assert one.digest == two.digest


def test_every_part_and_every_type_makes_one() -> None:
    requests = [
        JobRequest("alice", "page"),
        JobRequest("bob", "page"),
        JobRequest("alice", "term"),
        JobRequest("alice", "page", "main"),
        JobRequest("alice", "page", None, {"a": 1}),
        JobRequest("alice", "page", None, {"a": "1"}),
        JobRequest("alice", "page", None, {"a": True}),
        JobRequest("alice", "page", None, {"a": 1.5}),
        JobRequest("alice", "page", None, {"a": float("nan")}),
        JobRequest("alice", "page", None, {"\ud800": 1}),
    ]
    assert len({request.digest for request in requests}) == len(requests)


def test_what_is_stored_of_a_request_stays_comparable() -> None:
    """Keys are kept for a day: two versions of the service compare each other's."""
    request = JobRequest("alice", "page", None, {"b": {"d": 2.0, "c": [1]}, "a": 1})
    assert request.digest == "f6d460fdb19bd7f4c91d734a6a4d4a521a14f830492d85328ea8db88b69fb53b"


def test_numbers_that_are_equal_mean_the_same_and_nothing_else_does() -> None:
    values: list[float | str | bool] = [30, 30.5, "30", True, 1, 2**53, False, 0, ""]
    meanings = [meaning("alice", "page", "main", {"a": value}) for value in values]
    assert len(set(meanings)) == len(values)
    assert meaning("alice", "page", "main", {"a": 30.0}) == meanings[0]
    assert meaning("alice", "page", "main", {"a": -0.0}) == meanings[-2]
    assert meaning("alice", "page", "main", json.loads('{"b": 1, "a": 1e2}')) == meaning(
        "alice", "page", "main", {"a": 100, "b": 1}
    )
    assert meaning("alice", "page", "side", {"a": 30}) != meanings[0]

"""What makes two requests the same."""

from bwvisu.services.request import JobRequest


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

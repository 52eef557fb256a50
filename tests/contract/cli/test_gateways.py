"""Gateways are drained, emptied and put to use again by the command line."""

import json
from typing import Any

import pytest

from tests.support.program import at, piped
from tests.support.small_api import SmallApi, problem

ADDRESS = "/clusters/main/gateways/gw1/drain"


def cluster(**gateway: Any) -> dict[str, Any]:
    known = {"name": "gw1", "reachable": True, "detail": "", "forwards": 3, "drained": False, "vacated": False}
    return {"name": "main", "gateways": [{**known, **gateway}]}


@pytest.mark.parametrize(
    ("options", "query", "vacated", "told"),
    [
        ([], "", False, "gw1: drained; forwards: 3\n"),
        (["--move"], "move=true", True, "gw1: drained, what it carries moves; forwards: 3\n"),
    ],
)
def test_a_gateway_is_drained_with_or_without_what_it_carries(
    api: SmallApi, options: list[str], query: str, vacated: bool, told: str
) -> None:
    answer = cluster(drained=True, vacated=vacated)
    api.says(f"PUT {ADDRESS}", problem(503, "unavailable", "etcd is away", after=1), answer)
    ran = piped("gateway", "drain", "main", "gw1", *options, **at(api))
    assert (ran.returncode, ran.stdout) == (0, told)
    assert api.queries == [query, query], "asked again where it is not known whether that was stored"
    ran = piped("gateway", "drain", "main", "gw1", *options, "--json", **at(api))
    assert json.loads(ran.stdout) == answer


def test_a_gateway_is_put_to_use_again(api: SmallApi) -> None:
    api.says(f"DELETE {ADDRESS}", cluster())
    ran = piped("gateway", "undrain", "main", "gw1", **at(api))
    assert (ran.returncode, ran.stdout) == (0, "gw1: in use; forwards: 3\n")


def test_what_no_leader_has_met_is_noted_and_what_there_is_not_is_told(api: SmallApi) -> None:
    api.says(f"PUT {ADDRESS}", {"name": "main", "gateways": []})
    ran = piped("gateway", "drain", "main", "gw1", **at(api))
    assert (ran.returncode, ran.stdout) == (0, "gw1: noted; the leader has not met it yet\n")
    api.says(f"PUT {ADDRESS}", problem(404, "gateway-not-found", "this cluster has no such gateway"))
    ran = piped("gateway", "drain", "main", "gw1", **at(api))
    assert (ran.returncode, ran.stderr) == (1, "this cluster has no such gateway\n")

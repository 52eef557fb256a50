"""What stands behind the ``?``: each call takes what it knows, once, and nothing else.

Passed over in silence, a filter that was misspelt would show everything, and one that was given twice only half.
"""

from collections import Counter
from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from bwvisu.api.problems import MOST, pointer
from bwvisu.domain.application import did_you_mean
from bwvisu.errors import Fault, InvalidInput


def check_query(request: Request) -> None:
    """Raises `InvalidInput`, which names each parameter that this call does not know, or that came several times."""
    given = Counter(name for name, _ in request.query_params.multi_items())
    if not given:
        return
    route = request.scope["route"]
    assert isinstance(route, APIRoute)  # noqa: S101 we are asked by its dependencies
    known = sorted(_known(route.dependant))
    wrong = [name for name, times in given.items() if name not in known or times > 1]
    if wrong:
        raise InvalidInput([Fault(pointer([name]), _why(name, known)) for name in wrong[:MOST]])


def _why(name: str, known: list[str]) -> str:
    if name in known:
        return f"the query parameter {name!r} may be given once"
    return f"this call has no query parameter {name!r}{did_you_mean(name, known)}"


def _known(dependant: Dependant) -> Iterator[str]:
    yield from (each.alias for each in dependant.query_params)
    for each in dependant.dependencies:
        yield from _known(each)

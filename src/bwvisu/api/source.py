"""Where a request comes from: once, for rate limits, the audit trail and admissions.

It is the other end of the connection.  Of the addresses in ``api.trusted_proxies``, uvicorn believes
``X-Forwarded-For`` and puts in its place the last address that none of them has added (`roles.web`).
"""

from starlette.types import Scope

from bwvisu.domain.origin import Address, plain_address
from keyhole import throttle


def client_of(scope: Scope) -> str | None:
    """As text; None: not known."""
    client = scope.get("client")
    return client[0] if client else None


def source_of(scope: Scope) -> str:
    """Whom a request counts for."""
    return throttle.source_of(client_of(scope) or "")


def address_of(scope: Scope) -> Address | None:
    """As an address; None: not known."""
    return plain_address(client_of(scope) or "")

"""For schemathesis: no two requests share an idempotency key, since the second would rightly be refused."""

from itertools import count
from typing import Any

import schemathesis

_numbers = count()


def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Keys that are too short or too long stay as they are: they are to be refused."""
    headers = case.headers or {}
    key = headers.get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) <= 240:
        headers["Idempotency-Key"] = f"{key}-{next(_numbers)}"


schemathesis.hook(before_call)

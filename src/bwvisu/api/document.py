"""``docs/openapi.json``: the API's description as a file."""

import json

from bwvisu.api.app import routes


def render() -> str:
    """OpenAPI 3.1 as JSON, the same text whenever the API is the same."""
    return json.dumps(routes().openapi(), indent=2, ensure_ascii=False) + "\n"

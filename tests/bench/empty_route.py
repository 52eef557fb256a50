"""``python -m tests.bench.empty_route PORT FILE``: FastAPI with one route that answers what is in a file of JSON.

The floor of what an API in this framework can do: no token, no log, nothing to look up; ``/`` builds the answer from
the parsed document as routes do, ``/bytes`` has it ready.
"""

import json
import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Response


def make_app(document: bytes) -> FastAPI:
    """Both routes."""
    app = FastAPI()
    parsed = json.loads(document)

    @app.get("/")
    async def build() -> Any:
        return parsed

    @app.get("/bytes")
    async def have() -> Response:
        return Response(document, media_type="application/json")

    return app


if __name__ == "__main__":
    application = make_app(Path(sys.argv[2]).read_bytes())
    uvicorn.run(application, port=int(sys.argv[1]), log_config=None, access_log=False, lifespan="off")

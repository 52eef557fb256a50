"""A collector of traces: takes what OTLP over HTTP brings, as JSON, and says what it was told to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Taken:
    """What came, and what is answered."""

    url: str = ""
    status: int = 200
    spans: list[dict[str, Any]] = field(default_factory=list)
    """Of all requests that were taken."""
    tokens: list[str | None] = field(default_factory=list)
    """Of all requests: what proved who asks."""

    def of(self, trace: str) -> list[dict[str, Any]]:
        """The spans of one trace."""
        return [each for each in self.spans if each["traceId"] == trace]


@contextmanager
def collector() -> Iterator[Taken]:
    """One on loopback."""
    taken = Taken()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            taken.tokens.append(self.headers["Authorization"])
            if taken.status == 200 and self.headers["Content-Type"] == "application/json":
                for resource in body["resourceSpans"]:
                    taken.spans += [span for scope in resource["scopeSpans"] for span in scope["spans"]]
            self.send_response(taken.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 http.server's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        taken.url = f"http://127.0.0.1:{server.server_port}/v1/traces"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield taken
        finally:
            server.shutdown()
            thread.join()

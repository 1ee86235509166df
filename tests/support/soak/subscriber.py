"""A subscriber of the soak on loopback, which verifies each request and can be made to fail."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from standardwebhooks.webhooks import Webhook

from tests.support.local_cloud.subscriber import WEBHOOKS


@dataclass
class FlakySubscriber:
    """While `failing`, it answers 500. `events`: those that it has accepted; `refused`: wrong signatures."""

    url: str
    id: str = ""
    since: str = ""
    secret: str = ""
    failing: bool = False
    failed: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> int:
        if self.failing:
            self.failed += 1
            return 500
        if path == "/orders":
            try:
                self.events.append(Webhook(self.secret).verify(body, headers))
            except Exception as error:
                self.refused.append(repr(error))
                return 401
        return 204

    def subscribe(self, admin: httpx.Client) -> None:
        made = admin.post(WEBHOOKS, json={"url": f"{self.url}/orders", "events": ["order.*"]})
        assert made.status_code == 201, made.text
        self.id, self.secret, self.since = (made.json()[name] for name in ("id", "secret", "created_at"))


class _Server(ThreadingHTTPServer):
    request_queue_size = 128


@contextmanager
def served() -> Iterator[FlakySubscriber]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(subscriber.answer(self.path, dict(self.headers), body))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    subscriber = FlakySubscriber(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield subscriber
    finally:
        server.shutdown()
        server.server_close()

"""A subscriber to webhooks, written independently of the system: an HTTP server and a verifier."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from standardwebhooks.webhooks import Webhook

WEBHOOKS = "/api/v1/webhooks"


@dataclass
class Subscriber:
    """`events` has the events with a valid signature, in the order of arrival; `refused` has the other requests.

    While `is_dead`, it fails with 500; `missed` has the ids of these events, one for each attempt.
    """

    path: str
    secret: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    is_dead: bool = False
    missed: list[str] = field(default_factory=list)

    def take(self, headers: dict[str, str], body: bytes) -> int:
        if self.is_dead:
            self.missed.append({name.lower(): it for name, it in headers.items()}["webhook-id"])
            return 500
        try:
            event = Webhook(self.secret).verify(body, headers)
        except Exception as error:
            self.refused.append(repr(error))
            return 401
        self.events.append(event)
        return 204

    def of(self, resource_id: str) -> list[dict[str, Any]]:
        """Returns the events of one resource, by their sequence."""
        found = [event for event in list(self.events) if event["data"].get("id") == resource_id]
        return sorted(found, key=lambda it: int(it["sequence"]))


@contextmanager
def subscribed(admin: httpx.Client, events: Sequence[str]) -> Iterator[Subscriber]:
    """Subscribes a server on loopback to these event types."""
    subscriber = Subscriber("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(subscriber.take(dict(self.headers), body))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/hook"
        made = admin.post(WEBHOOKS, json={"url": url, "events": list(events)})
        assert made.status_code == 201, made.text
        subscriber.path, subscriber.secret = f"{WEBHOOKS}/{made.json()['id']}", made.json()["secret"]
        yield subscriber
        assert admin.delete(subscriber.path).status_code == 204
    finally:
        server.shutdown()
        server.server_close()

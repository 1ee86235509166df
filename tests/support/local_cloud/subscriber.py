"""A subscriber to webhooks as somebody else would write one: an HTTP server, and the independent verifier."""

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
    """`events` is what arrived and verified, in the order of arrival; `refused` is what did not verify."""

    path: str
    secret: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def take(self, headers: dict[str, str], body: bytes) -> int:
        try:
            event = Webhook(self.secret).verify(body, headers)
        except Exception as error:
            self.refused.append(repr(error))
            return 401
        self.events.append(event)
        return 204

    def of(self, thing: str) -> list[dict[str, Any]]:
        """What arrived about one thing, by its sequence."""
        found = [event for event in list(self.events) if event["data"].get("id") == thing]
        return sorted(found, key=lambda it: int(it["sequence"]))


@contextmanager
def subscribed(admin: httpx.Client, events: Sequence[str]) -> Iterator[Subscriber]:
    """A subscription to these types of events, at a server on loopback."""
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

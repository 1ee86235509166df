"""`make listen`: a subscriber on this machine, which verifies and shows the events that a running system sends it."""

import base64
import http
import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from local.answers import Answer, ask
from local.demo import PASSWORD
from local.errors import LocalCloudError
from local.logs import harmless
from local.port import port
from local.running import SECONDS, about_system
from local.stopping import Stopped, raise_on_signals
from oms.commands.closed_pipe import run_until_unread

DEFAULT_PORT = 9000
ADMIN = "admin@demo.example"
# Standard Webhooks 1.0: the prefix of a secret, and the allowed numbers of its bytes.
PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)
# Larger than any event. Longer bodies are not read.
MAX_BODY_BYTES = 1024 * 1024
# The fields by which people recognize an event's resource, the most readable first.
NAME_FIELDS = ("number", "sku", "product_id", "host", "id")


def main() -> None:
    raise_on_signals()
    try:
        with _server() as server:
            url = f"http://127.0.0.1:{server.server_port}/"
            if secret := os.environ.get("SECRET"):
                _say(f"Listening on {url}, verifying with SECRET. Press Ctrl-C to stop.")
                server.listen(secret)
            with registered(f"http://127.0.0.1:{port()}/api/v1", url) as (webhook_id, secret):
                _say(f"Listening on {url} to all events, as the webhook {webhook_id}. Ctrl-C deletes it and stops.")
                server.listen(secret)
    except Stopped:
        _say("Stopped.")
    except LocalCloudError as error:
        sys.exit(str(error))


# ---- receiving ------------------------------------------------------------------------------------------------------


class Receiver(ThreadingHTTPServer):
    daemon_threads = True
    webhook: Webhook

    def listen(self, secret: str) -> NoReturn:
        """Receives events until a signal stops it. Raises LocalCloudError for an invalid secret."""
        self.webhook = Webhook(signing_key(secret))
        self.serve_forever()
        raise Stopped


def signing_key(secret: str) -> bytes:
    """Returns the key in a webhook's secret, decoded from base64. Raises LocalCloudError for an invalid secret."""
    encoded = secret.removeprefix(PREFIX)
    try:
        # The library ignores characters that are not base64, so it would verify with another key.
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if encoded == secret or len(key) not in SECRET_BYTES:
        raise LocalCloudError(
            f"SECRET is not a webhook secret: it must be {PREFIX} followed by the base64 of"
            f" {SECRET_BYTES[0]} to {SECRET_BYTES[-1]} bytes. Copy it from the response of POST /webhooks."
        )
    return key


class Handler(BaseHTTPRequestHandler):
    timeout = SECONDS
    server: Receiver

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self._answer(413)
            return
        status, line = verdict(self.server.webhook, dict(self.headers), self.rfile.read(int(length)))
        self._answer(status)
        try:
            _say(f"  {datetime.now(UTC):%H:%M:%S}  {line}")
        except BrokenPipeError:
            # The reader has closed the output. The main thread must stop and delete the webhook.
            os.kill(os.getpid(), signal.SIGTERM)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Does nothing, because each event already has a line."""


def verdict(webhook: Webhook, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    """Returns the status to answer, and the line to show. Only an event with a valid signature is accepted."""
    try:
        event = webhook.verify(body, dict(headers))
    except (WebhookVerificationError, ValueError) as error:
        return 401, f"rejected: {harmless(str(error))}"
    return 204, harmless(readable(event))


def readable(event: Mapping[str, Any]) -> str:
    data = event["data"]
    resource = next((data[name] for name in NAME_FIELDS if data.get(name) is not None), "-")
    kind = event["type"].partition(".")[0]
    return f"{event['type']:<20}{event['id']}  sequence {event['sequence']:<4}{kind} {resource}  verified"


@contextmanager
def _server() -> Iterator[Receiver]:
    given = os.environ.get("LISTEN") or str(DEFAULT_PORT)
    if not given.isdecimal() or int(given) > 65535:
        raise LocalCloudError(f"LISTEN={given} is not a port: use a number up to 65535.")
    try:
        server = Receiver(("127.0.0.1", int(given)), Handler)
    except OSError as error:
        raise LocalCloudError(
            f"Port {given} cannot be used ({error.strerror}): choose another with `make listen LISTEN=…`."
        ) from error
    with server:
        yield server


# ---- registering ----------------------------------------------------------------------------------------------------


@contextmanager
def registered(api: str, url: str) -> Iterator[tuple[str, str]]:
    """Creates a webhook for all events, and deletes it at the end. Yields its id and its secret."""
    about_system(port(), "make listen")
    request = {"url": url, "events": ["*"], "description": "make listen"}
    created = _call("POST", f"{api}/webhooks", request, _sign_in(api))
    try:
        yield created["id"], created["secret"]
    finally:
        _delete(api, created["id"])


def _delete(api: str, webhook_id: str) -> None:
    try:
        # Signs in again, since the first token may have expired.
        _call("DELETE", f"{api}/webhooks/{webhook_id}", None, _sign_in(api))
    except LocalCloudError as error:
        _say(f"The webhook {webhook_id} was not deleted: {error}")


class _TooManyRequestsError(LocalCloudError):
    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many requests: try again in {seconds} s.")
        self.seconds = seconds


def _sign_in(api: str) -> str:
    """Returns the access token of an admin. If this minute's sign-ins are used up, it waits for the next minute."""
    credentials = {"email": ADMIN, "password": PASSWORD}
    try:
        answer = _call("POST", f"{api}/auth/login", credentials)
    except _TooManyRequestsError as error:
        _say(f"This machine reached the limit of sign-ins per minute: waiting {error.seconds} s.")
        time.sleep(error.seconds)
        answer = _call("POST", f"{api}/auth/login", credentials)
    return str(answer["access_token"])


def _call(method: str, url: str, body: object, token: str | None = None) -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, headers, method=method)
    try:
        answer = ask(request, seconds=SECONDS)
        if answer.status < http.HTTPStatus.BAD_REQUEST:
            return answer.content
    except (OSError, ValueError) as error:
        raise LocalCloudError(f"The system has stopped ({error}). Start it again with `make up`.") from error
    if answer.status == http.HTTPStatus.TOO_MANY_REQUESTS:
        raise _TooManyRequestsError(int(answer.headers.get("Retry-After") or 1))
    raise LocalCloudError(f"{method} {url} failed with the status {answer.status}: {_detail(answer)}")


def _detail(answer: Answer) -> str:
    try:
        content = answer.content
        # Responses of the front door and the gateway have `message`, for example if the local cloud has ended.
        return harmless(str(content.get("detail") or content["message"]))
    except (ValueError, KeyError, AttributeError):
        return http.HTTPStatus(answer.status).phrase


def _say(text: str) -> None:
    # In one write: each event has a thread, and print writes the end of the line apart, so that two lines could mix.
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run_until_unread(main, status=0)

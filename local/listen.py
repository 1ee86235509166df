"""`make listen`: a subscriber on this machine, which shows what a running system sends it, signatures verified."""

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
from types import FrameType
from typing import Any, NoReturn

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from local.answers import Answer, ask
from local.demo import PASSWORD
from local.errors import LocalCloudError
from local.logs import harmless
from local.port import port
from local.running import SECONDS, about_system
from oms.commands.closed_pipe import run_until_unread

DEFAULT_LISTEN = 9000
ADMIN = "admin@demo.example"
# Of Standard Webhooks 1.0: the prefix, and how many bytes a secret has.
PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)
# More than any event: what is longer is not read.
MOST_BYTES = 1024 * 1024
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What people know a thing by, in the order to look for it in an event's data.
HANDLES = ("number", "sku", "product_id", "host", "id")


class Stopped(BaseException):
    """One of the endings. Not an Exception: nothing on the way may swallow it."""


def main() -> None:
    for number in ENDINGS:
        signal.signal(number, _stop)
    try:
        with _server() as server:
            url = f"http://127.0.0.1:{server.server_port}/"
            if secret := os.environ.get("SECRET"):
                _say(f"Listening on {url}, verifying with SECRET. Ctrl-C ends it.")
                server.listen(secret)
            with registered(f"http://127.0.0.1:{port()}/api/v1", url) as (webhook_id, secret):
                _say(f"Listening on {url} to every event, as the webhook {webhook_id}. Ctrl-C deletes that and ends.")
                server.listen(secret)
    except Stopped:
        _say("Stopped.")
    except LocalCloudError as error:
        sys.exit(str(error))


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    # Once is enough: the cleaning up that follows is not to be interrupted again.
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    raise Stopped


# ---- receiving ------------------------------------------------------------------------------------------------------


class Receiver(ThreadingHTTPServer):
    daemon_threads = True
    webhook: Webhook

    def listen(self, secret: str) -> NoReturn:
        """Answers until it is stopped. Raises LocalCloudError for what is no secret."""
        self.webhook = Webhook(signing_key(secret))
        self.serve_forever()
        raise Stopped


def signing_key(secret: str) -> bytes:
    """The key that a webhook's secret is the base64 of. Raises LocalCloudError for what is no secret."""
    encoded = secret.removeprefix(PREFIX)
    try:
        # The library would drop what is no base64, and verify with another key than the one that signs.
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if encoded == secret or len(key) not in SECRET_BYTES:
        raise LocalCloudError(
            f"SECRET is not a webhook secret: it must be {PREFIX} followed by the base64 of"
            f" {SECRET_BYTES[0]} to {SECRET_BYTES[-1]} bytes. Copy it as POST /webhooks answered it."
        )
    return key


class Handler(BaseHTTPRequestHandler):
    timeout = SECONDS
    server: Receiver

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            self._answer(413)
            return
        status, line = verdict(self.server.webhook, dict(self.headers), self.rfile.read(int(length)))
        self._answer(status)
        try:
            _say(f"  {datetime.now(UTC):%H:%M:%S}  {line}")
        except BrokenPipeError:
            # Nobody reads on: an ending for the main thread, which deletes the webhook.
            os.kill(os.getpid(), signal.SIGTERM)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """The line of an event says what there is to say."""


def verdict(webhook: Webhook, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    """The status to answer, and the line to show: an event that verifies is taken, nothing else is."""
    try:
        event = webhook.verify(body, dict(headers))
    except (WebhookVerificationError, ValueError) as error:
        return 401, f"refused: {harmless(str(error))}"
    return 204, harmless(readable(event))


def readable(event: Mapping[str, Any]) -> str:
    data = event["data"]
    thing = next((data[name] for name in HANDLES if data.get(name) is not None), "-")
    kind = event["type"].partition(".")[0]
    return f"{event['type']:<20}{event['id']}  sequence {event['sequence']:<4}{kind} {thing}  verified"


@contextmanager
def _server() -> Iterator[Receiver]:
    given = os.environ.get("LISTEN") or str(DEFAULT_LISTEN)
    if not given.isdecimal() or int(given) > 65535:
        raise LocalCloudError(f"LISTEN={given} is not a port: give a number up to 65535.")
    try:
        server = Receiver(("127.0.0.1", int(given)), Handler)
    except OSError as error:
        raise LocalCloudError(
            f"Port {given} cannot be had ({error.strerror}): name another with `make listen LISTEN=…`."
        ) from error
    with server:
        yield server


# ---- registering ----------------------------------------------------------------------------------------------------


@contextmanager
def registered(api: str, url: str) -> Iterator[tuple[str, str]]:
    """A webhook for every event, and its secret; deleted in the end."""
    about_system(port(), "make listen")
    made = _call("POST", f"{api}/webhooks", {"url": url, "events": ["*"], "description": "make listen"}, _sign_in(api))
    try:
        yield made["id"], made["secret"]
    finally:
        _delete(api, made["id"])


def _delete(api: str, webhook_id: str) -> None:
    try:
        # Anew, as the token of the beginning may have ended by now.
        _call("DELETE", f"{api}/webhooks/{webhook_id}", None, _sign_in(api))
    except LocalCloudError as error:
        _say(f"The webhook {webhook_id} was not deleted: {error}")


class _TooManyRequestsError(LocalCloudError):
    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many requests: possible again in {seconds} s.")
        self.seconds = seconds


def _sign_in(api: str) -> str:
    """Waits for the next minute where the sign-ins of this one are used up, as after the lines of the README."""
    credentials = {"email": ADMIN, "password": PASSWORD}
    try:
        answer = _call("POST", f"{api}/auth/login", credentials)
    except _TooManyRequestsError as error:
        _say(f"This machine has used up the sign-ins of this minute: waiting {error.seconds} s for the next.")
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
        raise LocalCloudError(f"the system has stopped ({error}).") from error
    if answer.status == http.HTTPStatus.TOO_MANY_REQUESTS:
        raise _TooManyRequestsError(int(answer.headers.get("Retry-After") or 1))
    raise LocalCloudError(f"{method} {url} was refused ({answer.status}): {_detail(answer)}")


def _detail(answer: Answer) -> str:
    try:
        content = answer.content
        # `message` is of the front door and the gateway, as when the local cloud has ended.
        return harmless(str(content.get("detail") or content["message"]))
    except (ValueError, KeyError, AttributeError):
        return http.HTTPStatus(answer.status).phrase


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    run_until_unread(main, status=0)

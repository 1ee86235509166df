"""Commands about events: follow the feed, and forward it to a receiver of webhooks."""

import base64
import json
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import click
import httpx

from oms_client.cli.state import ROWS_FAILED, Command, Group, State, pass_state
from oms_client.codec import encode
from oms_client.models import EventResponse
from oms_client.webhooks import PREFIX, signature, signed_headers

# How often an event is sent to the receiver, and how long it may take to respond.
ATTEMPTS = 3
TIMEOUT_SECONDS = 15
# Members of an event's data by which people recognize its resource.
NAMES = ("number", "sku", "product_id", "host", "id")


@click.group(cls=Group)
def events() -> None:
    """Read the feed of events."""


@events.command()
@click.option("--after", help="The id of the last event that is known, or `latest`. Default: the oldest event.")
@click.option("--type", "type_", help="Only these types, such as order.*,stock.low.")
@click.option("--wait/--no-wait", default=True, help="Whether to wait for further events.")
@click.option("--state", "file", type=click.Path(dir_okay=False, path_type=Path), help="A file to resume with.")
@pass_state
def follow(state: State, after: str | None, type_: str | None, wait: bool, file: Path | None) -> None:
    """Print the events of the feed, one in each line, and wait for further ones.

    With --state, the file has the id of the last event that was printed, and the next run continues after it.
    """
    if file and file.exists():
        after = file.read_text().strip() or after
    for event in _events(state, after, type_, wait=wait):
        state.show(event, line(event))
        if file:
            _store(file, event.id)


def _events(state: State, after: str | None, type_: str | None, *, wait: bool) -> Iterator[EventResponse]:
    def warn(place: str | None) -> None:
        state.say(f"Events after {place or 'the beginning'} are older than the feed: continuing with its oldest event.")

    return state.client.events.follow(after, type=type_, on_gap=warn, wait=wait)


def _store(file: Path, event_id: str) -> None:
    part = file.with_name(f"{file.name}.part")
    part.write_text(event_id + "\n")
    part.replace(file)


def line(event: EventResponse) -> str:
    name = next((event.data[it] for it in NAMES if event.data.get(it) is not None), "-")
    at = f"{event.occurred_at:%Y-%m-%d %H:%M:%S}"
    return f"{at}  {event.type:<20} {event.id}  sequence {event.sequence:<4} {event.type.partition('.')[0]} {name}"


@click.command(cls=Command)
@click.option("--forward-to", required=True, metavar="URL", help="The receiver, such as http://localhost:3000/oms.")
@click.option("--after", default="latest", show_default=True, help="The id of the last event not to send.")
@click.option("--type", "type_", help="Only these types, such as order.*,stock.low.")
@click.option("--wait/--no-wait", default=True, help="Whether to wait for further events.")
@pass_state
def listen(state: State, forward_to: str, after: str, type_: str | None, wait: bool) -> int:
    """Send the events to a receiver on this machine, signed as webhooks are.

    The secret is new in each run, and is printed; OMS_LISTEN_SECRET sets one of your own. No webhook is created.
    """
    secret = os.environ.get("OMS_LISTEN_SECRET") or new_secret()
    signature(secret, "check", "0", b"")
    state.say(f"Sending events to {forward_to}, signed with {secret}\nPress Ctrl-C to stop.")
    failed = 0
    with httpx.Client(timeout=TIMEOUT_SECONDS, transport=state.transport) as http:
        for event in _events(state, after, type_, wait=wait):
            result = forwarded(http, forward_to, event, secret)
            failed += not result.startswith("2")
            state.show({"id": event.id, "type": event.type, "result": result}, f"{line(event)}  → {result}")
    return ROWS_FAILED if failed else 0


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def forwarded(http: httpx.Client, url: str, event: EventResponse, secret: str) -> str:
    """Sends an event, up to three times, and returns the last status or error."""
    body = json.dumps(encode(event), ensure_ascii=False).encode()
    result = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(2**attempt / 2)
        headers = {"Content-Type": "application/json", **signed_headers(secret, event.id, body)}
        try:
            response = http.post(url, content=body, headers=headers)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            result = str(error) or type(error).__name__
        else:
            result = str(response.status_code)
            if response.is_success:
                break
    return result

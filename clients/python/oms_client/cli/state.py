"""The state of one run of the command line: options, client and output."""

import json
import os
import sys
from dataclasses import dataclass, field
from typing import Any

import click
import httpx

from oms_client.cli.profiles import Profile
from oms_client.client import OmsClient
from oms_client.codec import encode
from oms_client.credentials import ServiceKey
from oms_client.errors import ApiError, ConnectionFailedError, NotSignedInError
from oms_client.exchange import Credentials, RetryPolicy

FAILED, USAGE, NOT_SIGNED_IN, NOT_FOUND, CONFLICT, ROWS_FAILED = range(1, 7)
INTERRUPTED, PIPE_CLOSED = 130, 141


@dataclass
class State:
    """`transport` replaces the network, for tests."""

    transport: httpx.BaseTransport | None = None
    retries: RetryPolicy | None = None
    as_json: bool = False
    url_option: str | None = None
    profile_name: str = "default"
    _client: OmsClient | None = field(default=None, init=False)

    @property
    def profile(self) -> Profile:
        return Profile.load(self.profile_name)

    @property
    def url(self) -> str:
        found = self.url_option or self.profile.url
        if not found:
            raise click.UsageError("No deployment is named: use `oms login --url https://…`, or set OMS_URL.")
        return found

    @property
    def credentials(self) -> Credentials | None:
        """The key of the environment, or the credentials of the profile. A profile's are sent to its own URL only."""
        if key := os.environ.get("OMS_KEY"):
            return ServiceKey(key)
        profile = self.profile
        return profile.credentials() if profile.url and _same(profile.url, self.url) else None

    @property
    def client(self) -> OmsClient:
        """The client with the credentials. Raises NotSignedInError if there are none."""
        if self._client is None:
            credentials = self.credentials
            if credentials is None:
                raise NotSignedInError("Not signed in: use `oms login`, or set OMS_KEY.")
            self._client = self.connect(credentials)
        return self._client

    def connect(self, credentials: Credentials | None) -> OmsClient:
        client = OmsClient(self.url, credentials=credentials, transport=self.transport, retries=self.retries)
        client.exchange.credentials = credentials
        return client

    def close(self) -> None:
        if self._client:
            self._client.close()

    # ---- output

    def show(self, value: Any, text: str) -> None:
        """Prints a result: one line of JSON, or the text for people. Control characters are left out of the text."""
        sys.stdout.write((one_line(value) if self.as_json else printable(text)) + "\n")
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """Prints a message for people, on standard error."""
        click.echo(printable(text), err=True)

    def fail(self, error: Exception) -> int:
        """Prints an error, and returns the exit code."""
        if self.as_json:
            click.echo(one_line(error.problem if isinstance(error, ApiError) else {"detail": str(error)}), err=True)
        else:
            self.say(f"Error: {explained(error)}")
        return exit_code(error)


def _same(one: str, other: str) -> bool:
    return one.rstrip("/").removesuffix("/api/v1") == other.rstrip("/").removesuffix("/api/v1")


def printable(text: str) -> str:
    """Returns the text without control characters, which could change the terminal: texts may be a customer's."""
    return "".join(it if it.isprintable() or it in "\n\t" else "�" for it in text)


def one_line(value: Any) -> str:
    """Returns the value as JSON, with control characters escaped."""
    text = json.dumps(encode(value), ensure_ascii=False)
    return "".join(it if it.isprintable() else json.dumps(it)[1:-1] for it in text)


def explained(error: Exception) -> str:
    if not isinstance(error, ApiError):
        unknown = isinstance(error, ConnectionFailedError) and error.may_have_taken_effect
        return f"{error}{' The request may have taken effect.' if unknown else ''}"
    lines = [f"{error.detail} ({error.code}, request {error.request_id})"]
    for it in error.errors:
        lines.append(f"  {it.pointer or it.parameter or it.header}: {it.detail}")
    for short in error.problem.shortfalls or []:
        lines.append(f"  product {short.product_id}: {short.requested} requested, {short.available} available")
    if error.retry_after:
        lines.append(f"  Try again in {error.retry_after:.0f} seconds.")
    if error.status == 401:
        lines.append("  Sign in with `oms login`, or set OMS_KEY.")
    return "\n".join(lines)


def exit_code(error: Exception) -> int:
    if isinstance(error, NotSignedInError):
        return NOT_SIGNED_IN
    if isinstance(error, ApiError):
        return {401: NOT_SIGNED_IN, 404: NOT_FOUND, 409: CONFLICT, 410: NOT_FOUND, 412: CONFLICT}.get(
            error.status, FAILED
        )
    return FAILED


pass_state = click.make_pass_decorator(State)


class Command(click.Command):
    """A command that takes `--json`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        text = "Print one line of JSON for each result."
        self.params.append(
            click.Option(["--json"], is_flag=True, expose_value=False, callback=_set_json, help=text, is_eager=True)
        )


class Group(click.Group):
    command_class = Command
    group_class = type


def _set_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(State).as_json = True

"""Access to the running system for tools on this machine."""

import http
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from local.access import Access
from local.answers import Answer, ask
from local.errors import LocalCloudError
from local.front_door import ABOUT_PATH
from local.port import port as requested_port

SECONDS = 60
HAS_STOPPED = "The system has stopped: see the terminal of `make up` for the reason, and start it again there."


def about_system(port: int, command: str) -> dict[str, Any]:
    """Returns the front door's data about the system at the port.

    Raises LocalCloudError with advice about `command`.
    """
    address = f"http://127.0.0.1:{port}{ABOUT_PATH}"
    try:
        answer = ask(address, seconds=SECONDS)
    except OSError as error:
        raise LocalCloudError(
            f"No system is running on port {port}: start it with `make up`, or set its port with `{command} PORT=…`."
        ) from error
    if answer.status == http.HTTPStatus.OK:
        with suppress(ValueError, TypeError):
            return dict(answer.content)
    message = f"Another program answers on port {port}: set the port of the system with `{command} PORT=…`."
    raise LocalCloudError(_reason_of_end(answer) or message)


def access_to(about: dict[str, Any]) -> Access:
    """Returns access to the running system's local cloud. `about` is the answer of its front door.

    Raises LocalCloudError if the system belongs to another user, or is stopping.
    """
    try:
        return Access(about["endpoint_url"], Path(about["secret_file"]).read_text())
    except (OSError, KeyError) as error:
        raise LocalCloudError(
            "The running system cannot be used: it belongs to another user, or it is stopping. "
            "Start your own with `make up`."
        ) from error


def aim_at_running_system(command: str) -> None:
    """Directs this process's AWS clients to the running system, instead of the account of the terminal's settings.

    Ends the process if no system is running.
    """
    try:
        access = access_to(about_system(requested_port(), command))
    except LocalCloudError as error:
        sys.exit(str(error))
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(access.environment())


def _reason_of_end(answer: Answer) -> str | None:
    """Returns the front door's message after the local cloud has ended. The front door still answers for a moment."""
    if answer.status != http.HTTPStatus.SERVICE_UNAVAILABLE:
        return None
    try:
        return str(answer.content["message"])
    except (ValueError, KeyError, TypeError):
        return None

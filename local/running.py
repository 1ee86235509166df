"""What the system that runs on this machine tells the tools beside it."""

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
from local.port import port as port_asked_for

SECONDS = 60
HAS_STOPPED = "The system has stopped; the terminal of `make up` says why."


def about_system(port: int, command: str) -> dict[str, Any]:
    """What the front door at the port tells of the system behind it. Raises LocalCloudError, for who ran `command`."""
    address = f"http://127.0.0.1:{port}{ABOUT_PATH}"
    try:
        answer = ask(address, seconds=SECONDS)
    except OSError as error:
        raise LocalCloudError(
            f"No system is running on port {port}: start it with `make up`, or name its port with `{command} PORT=…`."
        ) from error
    if answer.status == http.HTTPStatus.OK:
        with suppress(ValueError, TypeError):
            return dict(answer.content)
    raise LocalCloudError(_why_it_ended(answer) or f"What answers on port {port} is not this system.")


def access_to(about: dict[str, Any]) -> Access:
    """To the local cloud behind the front door that told this. Raises LocalCloudError for another user's."""
    try:
        return Access(about["endpoint_url"], Path(about["secret_file"]).read_text())
    except (OSError, KeyError) as error:
        raise LocalCloudError("The running system cannot be used: another user's, or one that is ending.") from error


def aim_at_running_system(command: str) -> None:
    """From here on this process's AWS clients lead to the system that runs, and not to whatever account the terminal
    is set up for. Ends the process where none does.
    """
    try:
        access = access_to(about_system(port_asked_for(), command))
    except LocalCloudError as error:
        sys.exit(str(error))
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(access.environment())


def _why_it_ended(answer: Answer) -> str | None:
    """The front door still answers for a moment when the local cloud behind it has ended."""
    if answer.status != http.HTTPStatus.SERVICE_UNAVAILABLE:
        return None
    try:
        return str(answer.content["message"])
    except (ValueError, KeyError, TypeError):
        return None

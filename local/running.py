"""What the system that runs on this machine tells the tools beside it."""

import json
import urllib.error
import urllib.request
from typing import Any

from local.errors import LocalCloudError
from local.front_door import ABOUT_PATH

SECONDS = 60


def about_system(port: int, command: str) -> dict[str, Any]:
    """What the front door at the port tells of the system behind it. Raises LocalCloudError, for who ran `command`."""
    address = f"http://127.0.0.1:{port}{ABOUT_PATH}"
    try:
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:
            return dict(json.load(answer))
    except (ValueError, TypeError, urllib.error.HTTPError) as error:
        raise LocalCloudError(f"What answers on port {port} is not this system.") from error
    except OSError as error:
        raise LocalCloudError(
            f"No system is running on port {port}: start it with `make up`, or name its port with `{command} PORT=…`."
        ) from error

"""The port of a system's front door. Tools find the system by it."""

import os

from local.errors import LocalCloudError

DEFAULT_PORT = 5000


def port() -> int:
    """Returns the port from PORT=…, or the default."""
    given = os.environ.get("PORT") or str(DEFAULT_PORT)
    if not given.isdecimal() or not 0 < int(given) < 65536:
        raise LocalCloudError(f"PORT={given} is not a port: use a number from 1 to 65535.")
    return int(given)

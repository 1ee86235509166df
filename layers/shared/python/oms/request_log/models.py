"""The form of the log line of a request: `oms.http.serving` writes it, and the request log selects and reads it."""

import re

# The message of these lines. Each request has one.
MESSAGE = "request"

# Ids and the words of routes. Tokens, keys and signatures are longer than 40 characters, and e-mail addresses have an
# `@`.
_PLAIN_SEGMENT = r"[0-9A-Za-z.-]{0,40}"
_PLAIN_PATH = re.compile(f"(?:/{_PLAIN_SEGMENT})+")
_HIDDEN = "…"


def logged_path(path: str) -> str:
    """Returns the path for the log: `…` replaces each segment that is not an id or a word.

    Clients can send anything in a path, also a key or an address. `path` is percent-encoded and has no query.
    """
    if _PLAIN_PATH.fullmatch(path):
        return path
    return "/".join(part if re.fullmatch(_PLAIN_SEGMENT, part) else _HIDDEN for part in path.split("/"))

"""Checks that the pointers of a refusal (RFC 6901, as URI fragments) are valid in the body that was sent."""

import json
from typing import Any
from urllib.parse import unquote

from oms.http.serving import MAX_NAME


def check(sent: Any, problem: Any) -> None:
    """Raises AssertionError for an invalid pointer; its last name may be that of a missing field."""
    if pointers := [it["pointer"] for it in problem.get("errors", ()) if "pointer" in it]:
        # An empty body has no fields. Numbers stay text, since int() refuses very long ones.
        body = json.loads(sent or "{}", parse_int=str) if isinstance(sent, str) else sent
        nowhere = [it for it in pointers if not leads_somewhere(it, body)]
        assert nowhere == [], f"invalid pointers into {str(sent)[:2000]}"


def leads_somewhere(pointer: str, body: Any) -> bool:
    place, names = body, [it.replace("~1", "/").replace("~0", "~") for it in unquote(pointer).split("/")[1:]]
    for number, name in enumerate(names):
        if isinstance(place, dict) and name in place:
            place = place[name]
        elif isinstance(place, list) and name.isdecimal() and int(name) < len(place):
            place = place[int(name)]
        else:
            is_last = number == len(names) - 1
            return isinstance(place, dict) and (is_last or _is_shortened(name))
    return True


def _is_shortened(name: str) -> bool:
    return len(name) == MAX_NAME + 1 and name.endswith("…")

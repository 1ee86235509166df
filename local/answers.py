"""HTTP responses for the local cloud's tools. Every failure below HTTP is an OSError."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """An HTTP response of any status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        """The JSON of the body, or None if the body is empty. Raises ValueError."""
        return json.loads(self.body or b"null")


def ask(request: urllib.request.Request | str, *, seconds: float) -> Answer:
    """Returns the response to one request. Raises OSError if it is missing, incomplete or not HTTP."""
    try:
        try:
            answer = urllib.request.urlopen(request, timeout=seconds)
        except urllib.error.HTTPError as refusal:
            answer = refusal  # a status of 400 or more is a valid response
        with answer:
            return Answer(answer.status, answer.headers, answer.read())
    except http.client.HTTPException as error:
        raise OSError(f"not an answer in HTTP: {error!r}") from error

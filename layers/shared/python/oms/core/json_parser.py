"""The parser of JSON from a service or a table."""

import json
import sys
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Returns the value of a JSON text. Raises ValueError.

    Pydantic's parser takes two thirds of the time of Python's. Functions without schemas have not imported it, and use
    Python's, because the import takes longer than all their parsing.
    """
    pydantic_core = sys.modules.get("pydantic_core")
    return pydantic_core.from_json(text) if pydantic_core else json.loads(text)

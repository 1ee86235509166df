"""The paths of the OpenAPI document and of its sources."""

from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "functions"
DOCUMENT = FUNCTIONS / "docs" / "openapi.json"

type Json = dict[str, Any]
